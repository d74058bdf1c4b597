// Package apikey owns the keys of bots: what each may do, from where, until when, and
// whether a request was signed with one. Verify decides by the order of
// docs/decisions/0022-api-keys.md: nothing but AUTH_FAILED before a signature holds,
// the exact cause after it.
//
// It never keeps a secret in the clear outside of the memory that checks with it, never
// re-encodes what was signed, and never decides what a path needs: the gate does.
package apikey
