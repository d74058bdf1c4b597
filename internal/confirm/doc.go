// Package confirm owns confirmed money: withdrawals that a back end asks the owner of an account to approve, the
// owner's answer by a touch over exactly that withdrawal, the addresses an account pays to, and the proof that whoever
// moves the money checks again (package executor).
//
//	pending -> approved | refused | expired
//
// An intent is stored before the ceremony. Its challenge is a hash of every field, so the owner's key signs the fields
// themselves; the row carries a MAC over them, and the nonce comes from them by a key that no row holds: what was
// changed in the database approves nothing. One conditional UPDATE decides, once.
//
// It never moves money, never widens anything else, and never takes back or shortens a hold.
package confirm
