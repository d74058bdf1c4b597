// Package proof decides whether somebody holds a private key right now: it verifies the DPoP proofs (RFC 9449
// §4.2 and §4.3) that OAuth clients send and that our own pages send with a WebCrypto key.
//
// The reader is that of the public package rs, so that the server and the services behind it take the same
// proofs and no others. What is the server's own stands here: how old a proof may be, the server's nonces, and
// which refusal asks the client to come again.
//
// The other kind of proof is that of Device Bound Session Credentials (ReadRegistration, ReadDeviceProof): a
// browser signs our challenge with a key of its own. Its reader stands here whole.
//
// VerifyDPoP is a pure function: header, expectation and time in, a Proof or a reason out. It keeps no state,
// so it does not see replays: the caller spends (JKT, JTI) until Proof.Until. It knows nothing of accounts or
// tokens and never decides what a proof is worth.
package proof
