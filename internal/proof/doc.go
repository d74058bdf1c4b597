// Package proof decides whether somebody holds a private key right now: it verifies DPoP proofs
// (RFC 9449 §4.2 and §4.3), which OAuth clients send and which our own pages send with a WebCrypto key.
//
// VerifyDPoP is a pure function: header, expectation and time in, a Proof or a reason out. It keeps no
// state, so it does not see replays: the caller spends (JKT, JTI) until Proof.Until. It knows nothing of
// accounts or tokens and never decides what a proof is worth.
//
// The proof comes from whoever can reach the server, before anything else is known about them. So the
// reader is our own and narrow: compact form only, 4 KiB, two algorithms, two kinds of key, no member
// twice, cheap checks before the signature. Tests hold it against go-jose, which must accept all that we
// accept.
package proof
