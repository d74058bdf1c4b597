// Package softkey is an authenticator and a browser in software: it makes
// passkeys, answers the options of WebAuthn ceremonies as a browser would, and
// keeps the key a browser binds its session to.
//
// It is reachable from tests, the tour and the demo only. It never runs in
// front of a real account, its certificates are signed by a root that nothing
// trusts, and it can be told to misbehave in every way a server must refuse.
package softkey
