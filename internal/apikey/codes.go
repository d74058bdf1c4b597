package apikey

// Code says why a request was refused. Bots compare it, so it is never renamed.
type Code string

// The codes. AuthFailed is all that anybody learns before a signature holds.
const (
	AuthFailed       Code = "AUTH_FAILED"
	BadRequest       Code = "BAD_REQUEST"
	RouteUnknown     Code = "ROUTE_UNKNOWN"
	IPNotAllowed     Code = "IP_NOT_ALLOWED"
	ScopeMissing     Code = "SCOPE_MISSING"
	KeyExpired       Code = "KEY_EXPIRED"
	KeyNotYet        Code = "KEY_NOT_YET"
	KeyQuarantined   Code = "KEY_QUARANTINED"
	ExitOnly         Code = "EXIT_ONLY"
	WithdrawLocked   Code = "WITHDRAW_LOCKED"
	SymbolNotAllowed Code = "SYMBOL_NOT_ALLOWED"
	OutsideWindow    Code = "TIMESTAMP_OUTSIDE_WINDOW"
	Replayed         Code = "REPLAYED"
	NonceTooLow      Code = "NONCE_TOO_LOW"
	RateLimited      Code = "RATE_LIMITED"
	KeyInBrowser     Code = "KEY_IN_BROWSER"
	AccountFrozen    Code = "ACCOUNT_FROZEN"
	Starting         Code = "STARTING"
	Unavailable      Code = "UNAVAILABLE"
)
