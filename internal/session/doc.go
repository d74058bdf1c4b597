// Package session owns who is signed in where. It mints every access token,
// rotates refresh tokens, revokes families and answers "is this session still
// good?" for every request.
//
// It never decides whether a sign-in is allowed (signin does), never decides
// what an act needs (the callers ask Live), and never talks to a browser: it
// takes token strings and hands token strings back.
//
// # Tokens
//
// A refresh token reads
//
//	kwr_<kid>.<family>.<gen>.<secret>.<tag>
//
// where tag = HMAC(K_refresh[kid], family, gen, secret) cut to 16 bytes. A token
// with a bad tag is refused before any row is read, so guessing costs us one
// hash and tells the guesser nothing. The secret of the next token is
// HMAC(K_refresh[kid'], "child", family, gen+1, secret): a retry after a lost
// answer computes the same child again, so nothing has to be kept that could
// be stolen, and the database alone (it holds only SHA-256 of tokens) reveals
// no token.
//
// An access token reads
//
//	kwa_<session>.<family>.<exp>.<net>.<tag>
//
// and is good for minutes. It carries no rights: each check reads the session,
// from the cache while the process holds a valid lease on the audit tail, from
// the database otherwise.
//
// A bound cookie reads
//
//	kwb_<session>.<exp, net>.<jkt>.<tag>
//
// and stands for a key of the device that the browser showed in the last minutes
// (Device Bound Session Credentials, bound.go). A session that its browser bound to
// such a key is refused without one, and only the key gets a new one.
//
// # The rules of rotation
//
// rotate.go holds them, numbered as in the design: current → child; previous
// with the same key → the same child; older within 30 s → superseded; older
// and bound → this session ends; wrong key → nothing but a mark; older and
// unbound → the family ends, and that refusal commits.
package session
