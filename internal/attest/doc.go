// Package attest judges what makers of phones and authenticators say about a
// key: Android Key Attestation, Apple App Attest, and the FIDO Metadata Service.
//
// It is pure. Evidence, roots, lists and the time go in, a typed verdict comes
// out; it opens no file, asks no network and reads no clock. Real chains live for
// days to months and are judged again years later, so the time is an argument
// and means "when the evidence was made".
//
// It never decides what a key may do (device gives the grade, policies give the
// scopes), and it never trusts a root that it was not handed: [GoogleRoots] and
// [AppleRoot] are the makers' own, and nothing else is built in.
//
// # Error or fault
//
// An error means that the evidence proves nothing: a signature does not hold, the
// chain ends nowhere, the challenge is another's, the encoding is not what it must
// be. A [Fault] means that the evidence holds and says something that is not good
// enough: a software key, an unlocked phone, a revoked certificate. Callers show
// faults to people, and neither ever becomes hardware.
package attest
