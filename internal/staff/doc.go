// Package staff owns operators: who they are, how they come in, what they may do,
// and what takes two of them.
//
// An operator is not an account. It has passkeys of its own, on a relying party of
// its own, a session of its own and a listener of its own; no token, setting or
// command stands in for one. The first operator joins by a link that the server
// prints once, every other one by a link of an admin.
//
// # A touch is for one act
//
// Who changes something touches a passkey for exactly that change: the act, and a
// hash of everything in it, are part of the challenge. [Service.Touched] verifies
// the answer outside any transaction; the change spends it inside its own. Nothing
// keeps a touch for later.
//
// # Four eyes
//
// [Service.Ask] writes down what shall change and why. [Service.Approve] takes the
// decision of a second operator and runs the change in the same transaction: there
// is no approved request whose change did not happen, and no change without its
// request. That the two differ is a condition of the statement.
//
// It never decides what a request means (whoever owns its target does), never
// reads or writes an account, and never keeps a secret: links, cookies and
// challenges lie there as SHA-256.
package staff
