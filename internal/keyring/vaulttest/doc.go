// Package vaulttest starts a real OpenBao for tests: in memory, on a port of its own, with TLS. Nothing but
// tests imports it. Where the program is not installed a test skips and says so, and fails where nothing
// may be skipped.
package vaulttest
