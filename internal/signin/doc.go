// Package signin runs the ceremonies by which a person gets in and proves it is
// still them: sign-up, sign-in with a passkey or a recovery code, step-up, adding
// and removing passkeys, recovery codes.
//
// It decides who may start a session and what a touch is for. It never verifies a
// signature (device does), never mints a token (session does) and never ends
// anything on suspicion (contain does). Each flow is one transaction: the rows of
// the domains it joins and exactly one audit event.
package signin
