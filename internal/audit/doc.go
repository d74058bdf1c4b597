// Package audit owns the event log: what was done, by whom, to what, on which
// request, in which order.
//
// # One event per change
//
// [Log.Append] runs inside the transaction of the change, exactly once; store
// refuses a change without it. Nobody calls the notifier, the gates or the
// webhooks: they follow this log. An [Event] lists every object it touched with
// its new version, which is what a cache needs to forget it.
//
// # What is proved, and against whom
//
// Every event is a leaf of one Merkle tree:
//
//	leaf = SHA-256(0x00 ‖ header ‖ SHA-256(salt ‖ payload))
//
// The header is canonical CBOR and names no person. Payload and salt lie beside
// it, so a person's data can be erased while the tree still verifies: without
// the salt the remaining hash cannot be tried against names and addresses.
//
// Somebody who can write to the database but has no key cannot add an event (the
// MAC), change one (the leaf), drop or move one (the index and the tree), or cut
// the end off (signed checkpoints, copied to an anchor outside the database).
// Somebody who holds the root key and the anchor can write any history from the
// last published checkpoint on; that is why export prints checkpoints for others
// to keep.
//
// # Order
//
// The place of an event in the log is a row of its own in an insert-only table.
// On SQLite a trigger gives it in the event's transaction, because there is one
// writer. On PostgreSQL one sealer at a time gives it shortly afterwards
// ([Sealer]); until then an event is unsealed but already in [Log.Tail], so
// that nobody waits for sealing to hear of a revocation.
//
// # What it never does
//
// It never decides whether something is allowed, never sends anything, and never
// keeps a token, a secret or a code: callers do not put them into a payload.
package audit
