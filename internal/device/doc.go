// Package device owns the devices people sign in from, the keys those devices
// hold, and [Proof]: the one value that says "this account's owner touched a
// key, just now, for exactly this act".
//
// It never decides who may sign in (signin does), never keeps a challenge
// (they are authenticated by a MAC and only remembered once spent), and never
// lets the WebAuthn library behind it show in its types.
//
// # The two ceremonies
//
// A ceremony has a begin, a parse and an act. Begin hands out options for the
// browser and writes nothing, so a flood of begins costs hashes. Parse verifies
// the answer outside any transaction, because signatures are slow. The act
// ([Service.AddFirst], [Service.Add], [Service.Prove]) runs inside the
// transaction that does something with it and spends the challenge there.
//
//	BeginRegister → browser → ParseRegister → AddFirst | Add
//	BeginAssert   → browser → ParseAssert   → Prove → Proof
//
// An app on a phone answers the same options with keys of its own (phone.go).
//
// # Why a Proof cannot be forged or kept
//
// Its fields are unexported, only Prove and Redeem fill them, and a Proof is
// good in the transaction that made it and in no other. To use a touch a little
// later, Keep it under a session and Redeem it once within five minutes.
//
// # Rows and events
//
// Every function here changes rows only; none appends an audit event. The flow
// that calls it appends the one event of its transaction.
package device
