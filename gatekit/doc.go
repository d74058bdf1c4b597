// Package gatekit is what an upstream, a service behind a Keyward gate, uses to know that a request came through
// that gate and what the gate decided about it.
//
//	key, err := gatekit.ReadKeyFile("/etc/orders/gate.key")
//	v := gatekit.NewVerifier(key)
//	mux.Handle("/v1/", v.Middleware(orders, 1<<20)) // orders asks gatekit.FromContext who it is for
//
// It owns the decision token, which the gate puts on each request that it lets through (docs/decision-token.md):
// its one spelling, how it is signed, and how it is checked against the request that arrived. The token names the
// method, the path with its query, and the hash of the body, so it is good for one request and for five seconds.
//
// A request that reaches the upstream by another way has no token, and one that was changed on the way has a wrong
// one: both are refused. What the token cannot do is told in docs/decision-token.md: whoever sees a request in
// flight can send that very request once more within its five seconds, unless RememberFor is used or the upstream
// keeps the decision's id with what it did.
//
// An engine with a socket server of its own asks the gate about logins and follows what ends them with a Watch
// (docs/streams.md). Nothing else here calls the gate.
//
// It never decides what a scope allows, never makes a key, and imports nothing but the
// standard library.
package gatekit
