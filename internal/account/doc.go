// Package account owns the noun every other domain points at: the account, the
// ways to reach its owner, the holds laid on it, the sub-accounts it is divided into, and the promise that a request
// with the same Idempotency-Key acts once.
//
// It never decides who may act (device and session do), never sends mail
// (notify reads the audit log and does), and never lets two accounts have the
// same verified address. Of two accounts that claim one address, the one whose
// owner follows the link has it; the claim of the other stays a claim.
//
// # Rows and events
//
// Functions marked "rows only" change rows and append no audit event: the flow
// that calls them appends the one event of its transaction. [Service.ConfirmContact]
// is the exception, because following a link is a flow of its own.
//
// # What never shrinks
//
// The version grows with every change, the epoch with every "end everything",
// and a hold only ever moves its end away: there is no function that shortens
// one (MISSION D4).
package account
