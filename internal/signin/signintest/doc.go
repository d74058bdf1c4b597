// Package signintest is a deployment for tests: every domain from the store up to
// the flows, wired as the server wires them, with software passkeys and a clock of
// its own. Nothing but tests imports it.
package signintest
