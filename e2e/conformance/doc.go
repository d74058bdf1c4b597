// Command conformance stands between Keyward and the OpenID Foundation's conformance
// suite, which an operator runs (docs/conformance.md):
//
//	conformance prepare -out DIR                  keys for the suite's clients
//	conformance plans -dir DIR -issuer URL        the suite's configurations
//	conformance drive -suite URL -issuer URL      the suite's person, in a real browser
//
// The suite's own browser knows no WebAuthn. What it does not visit itself it offers
// to somebody, and drive is that somebody: a Chromium with a software authenticator
// (e2e/person), which signs up and goes through the pages as everybody does. The
// server has no other way in, and none is made for a test.
package main
