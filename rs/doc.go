// Package rs is what a resource server, the exchange's own API, uses to accept Keyward's access tokens.
//
//	v, err := rs.New(rs.Config{
//		Issuer:    "https://login.example.com",
//		Audience:  "https://api.example.com",
//		PublicURL: "https://api.example.com",
//	})
//	mux.Handle("POST /orders", v.Require(rs.Need{Scope: []string{"trade"}, ACR: rs.Phr}, orders))
//	mux.Handle("POST /keys", v.Require(rs.Need{Scope: []string{"keys"}, ACR: rs.Phr, MaxAge: 5 * time.Minute}, keys))
//
// It owns the whole decision on one request: the token's signature and claims (RFC 9068 §4), the proof of
// its key (RFC 9449 §4.3 and §7), replay, scope, step-up (RFC 9470), and the challenge that tells the client
// what would be enough. It keeps the issuer's keys, the tokens it has verified, and the proofs it has seen,
// all in bounded memory.
//
// Without a Tail a token that was revoked is accepted until it expires, minutes later: a signature cannot
// know what happened after it was made. With a Tail it is refused once the revocation was acknowledged.
//
// ReadProof is the DPoP part alone, for who binds something to a key before there is a token; Keyward's own
// server reads proofs with it.
//
// It never asks the issuer about a single token, never takes a key from a token, never decides what a scope
// means, and imports nothing but the standard library.
package rs
