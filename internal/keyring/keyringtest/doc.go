// Package keyringtest makes rings for tests: real keys over a shelf in memory. Nothing but tests imports it.
package keyringtest
