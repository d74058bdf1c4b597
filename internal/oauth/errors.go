package oauth

import "keyward/internal/edge"

// Error is an answer in the form of RFC 6749 §5.2 and §4.1.2.1. Description is a
// constant of ours: what an attacker sent never comes back.
type Error struct {
	Code        string
	Description string
	Status      int    // of the token endpoint; 0 is 400
	ACR         string // with insufficient_user_authentication (RFC 9470 §3)
	MaxAge      int64  // seconds; 0 for none

	cause error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return "oauth: " + e.Code + ": " + e.Description + ": " + e.cause.Error()
	}
	return "oauth: " + e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.cause }

func refuse(code, why string) *Error { return &Error{Code: code, Description: why} }

func (e *Error) because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

var (
	errClient = &Error{Code: "invalid_client", Description: "client authentication failed", Status: 401}
	errGrant  = refuse("invalid_grant", "not good, or not good any more")
)

// ErrNoClient: the request names no app we know, or one that is switched off.
var ErrNoClient = edge.E("client_unknown")

// ErrRedirect: the address to come back to is not one the app registered.
var ErrRedirect = edge.E("redirect_unknown")

// ErrChosen: the page sent back rights that were not on it.
var ErrChosen = edge.E("bad_request")

// ErrBadClient: what was to be registered cannot be.
var ErrBadClient = edge.E("client_invalid")
