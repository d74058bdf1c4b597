package apikey

// Code is why a request with a key was refused, in the words of the native profile.
type Code string

// The codes. Part of the contract with clients: never renamed, never given a second
// meaning. Before a signature holds there is AuthFailed and nothing else about the key.
const (
	AuthFailed       Code = "AUTH_FAILED"
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
	KeysShut         Code = "KEYS_SHUT"
	BadRequest       Code = "BAD_REQUEST"
	RouteUnknown     Code = "ROUTE_UNKNOWN"

	// Of the sessions of people, which gates take beside keys.
	SessionExpired Code = "SESSION_EXPIRED"
	StepUp         Code = "STEP_UP_REQUIRED"
)

// ofPeople are told in the native form alone: no key, and so no profile, is behind them.
var ofPeople = []Code{SessionExpired, StepUp}

// codes gives each its HTTP status in the native profile, and one sentence with the fact
// and what to do. Nothing in a sentence depends on the request: what does travels in
// Facts.
var codes = map[Code]struct {
	status int
	says   string
}{
	AuthFailed:       {401, "The request could not be verified; check the key, the secret, the clock and what is signed."},
	IPNotAllowed:     {403, "This key does not work from this address; send from a listed address or add this one to the key."},
	ScopeMissing:     {403, "This key may not do this; use a key with the scope that is named."},
	KeyExpired:       {403, "This key has expired; rotate it or make a new one."},
	KeyNotYet:        {403, "This key is not valid yet; wait until it begins or confirm it."},
	KeyQuarantined:   {403, "This key is in quarantine; its owner has to look at it in the account."},
	ExitOnly:         {403, "This key may now only read, cancel and reduce; rotate it to trade again."},
	WithdrawLocked:   {403, "Withdrawals with this key are locked; its owner has to unlock them on another device."},
	SymbolNotAllowed: {403, "This key may not trade this symbol; use a listed symbol or add it to the key."},
	OutsideWindow:    {401, "The time of the request is outside of its window; set the clock right and sign anew."},
	Replayed:         {409, "This very request was decided before and was not carried out again; look up the first decision and do not send it again."},
	NonceTooLow:      {409, "The nonce is lower than one that was used; let it grow, and use one key per program."},
	RateLimited:      {429, "Too many requests; wait as long as is said and send again."},
	KeyInBrowser:     {403, "This key was used from a web page, where its secret is open to all; make a new one and keep it on a server."},
	AccountFrozen:    {403, "The account is frozen; its owner has to lift the freeze."},
	Starting:         {503, "The server has just started and takes only what was signed since; sign anew and send in a second."},
	Unavailable:      {503, "The request could not be decided and was not carried out; sign anew and send again later."},
	KeysShut:         {503, "The server's keys are shut until the vault that wraps them answers again; nothing was carried out; sign anew and send again later."},
	BadRequest:       {400, "The request cannot be read; compare it with the documentation of the address."},
	RouteUnknown:     {404, "There is nothing at this address for a key; check the method and the path."},
	SessionExpired:   {401, "The session has to be renewed; renew it and send the request again."},
	StepUp:           {403, "This takes a passkey that was touched lately; confirm it is you and send the request again."},
}
