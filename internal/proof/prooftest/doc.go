// Package prooftest plays the client side of DPoP for tests: keys, and proofs made with them. Nothing but
// tests imports it. It builds proofs by hand, so that it can also build wrong ones, and it
// brings the wrong ones that somebody else has collected (Project Wycheproof).
package prooftest
