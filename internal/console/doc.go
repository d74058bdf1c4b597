// Package console owns the operators' pages: HTTP in, HTML out, on a listener of
// their own.
//
// It shares sheets, scripts and drawings with the pages of accounts and nothing
// else: no route, no cookie, no session. Every page reads without script; only the
// touches need it. What somebody may do is decided by staff, inside the transaction
// that does it; a button that is not shown here is a courtesy.
//
// It never holds a rule or SQL, and never sees an account.
package console
