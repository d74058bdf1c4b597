// Package bots lets the bot clients of examples/clients sign for a server that checks each request by RFC 9421, with
// nothing but the standard library and nothing that Keyward checks with: two who agree by themselves.
package bots
