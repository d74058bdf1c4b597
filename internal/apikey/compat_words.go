package apikey

// word is a refusal in the code of one exchange, and the status it comes with.
type word struct {
	status int
	code   string
}

// words says each code as each exchange would. What a client makes of a word was read
// off the client with the most users, ccxt 4.5.84: testdata/ccxt-4.5.84.txt has the
// class of error it throws for each row, and a test holds the two together. The rules
// behind the choice:
//
// A class under OperationFailed is one that bots send again, signed anew. Only what is
// refused without being compared with what was carried out, and may work a moment later,
// is such a word: OutsideWindow, NonceTooLow, RateLimited, Starting, Unavailable, KeysShut.
//
// Replayed is never one. The first of the two requests may have been an order, and a bot
// that signs it anew places it twice. This rules out the words for a nonce of kraken and
// gemini, and rules out a bare 403, 404 or 409, which ccxt takes for an exchange that is
// away (httpExceptions) wherever the body has no word that it knows.
//
// AuthFailed is one word for all causes. With binance it is the one for a signature,
// not the usual -2015: after one success ccxt takes -2015 for a ban that will pass and
// tries again.
//
// In a deribit word, what is behind the space is its message.
//
// A code of saidLike has no word of its own: no client knows what a sub-account of ours
// is, and all it has to learn is that sending the same again helps nothing.
var words = map[Profile]map[Code]word{
	Binance: {
		AuthFailed:       {401, "-1022"},
		IPNotAllowed:     {401, "-2015"},
		ScopeMissing:     {401, "-1002"},
		KeyExpired:       {401, "-2014"},
		KeyNotYet:        {401, "-2014"},
		KeyQuarantined:   {401, "-2014"},
		ExitOnly:         {401, "-1002"},
		RightAsleep:      {401, "-1002"},
		WithdrawLocked:   {401, "-1002"},
		SymbolNotAllowed: {400, "-1121"},
		OutsideWindow:    {400, "-1021"},
		Replayed:         {400, "-2010"}, // "Duplicate order sent." is under it
		NonceTooLow:      {400, "-1021"},
		RateLimited:      {429, "-1003"},
		KeyInBrowser:     {401, "-2014"},
		AccountFrozen:    {401, "-1002"},
		Starting:         {503, "-1001"},
		Unavailable:      {503, "-1001"},
		BadRequest:       {400, "-1100"},
		RouteUnknown:     {404, "-1020"},
	},
	OKX: {
		AuthFailed:       {401, "50113"},
		IPNotAllowed:     {401, "50110"},
		ScopeMissing:     {401, "50114"},
		KeyExpired:       {401, "50111"},
		KeyNotYet:        {401, "50111"},
		KeyQuarantined:   {401, "50100"},
		ExitOnly:         {401, "50027"},
		RightAsleep:      {401, "50027"},
		WithdrawLocked:   {401, "50114"},
		SymbolNotAllowed: {400, "51001"},
		OutsideWindow:    {401, "50102"},
		Replayed:         {400, "51016"}, // the id of this order was here before
		NonceTooLow:      {401, "50102"},
		RateLimited:      {429, "50011"},
		KeyInBrowser:     {401, "50100"},
		AccountFrozen:    {401, "50007"},
		Starting:         {503, "50013"},
		Unavailable:      {503, "50026"},
		BadRequest:       {400, "51000"},
		RouteUnknown:     {404, "50115"},
	},
	Bitget: {
		AuthFailed:       {401, "40009"},
		IPNotAllowed:     {403, "40018"},
		ScopeMissing:     {403, "40014"},
		KeyExpired:       {401, "40037"},
		KeyNotYet:        {401, "40037"},
		KeyQuarantined:   {401, "40037"},
		ExitOnly:         {403, "40014"},
		RightAsleep:      {403, "40014"},
		WithdrawLocked:   {403, "40014"},
		SymbolNotAllowed: {400, "40309"},
		OutsideWindow:    {400, "40008"},
		Replayed:         {400, "40017"},
		NonceTooLow:      {400, "40008"},
		RateLimited:      {429, "429"},
		KeyInBrowser:     {401, "40037"},
		AccountFrozen:    {403, "40013"},
		Starting:         {503, "40604"},
		Unavailable:      {503, "40604"},
		BadRequest:       {400, "40017"},
		RouteUnknown:     {404, "40404"},
	},
	// Clients of bybit read the code of an answer with status 200 and of no other.
	Bybit: {
		AuthFailed:       {200, "10004"},
		IPNotAllowed:     {200, "10010"},
		ScopeMissing:     {200, "10005"},
		KeyExpired:       {200, "33004"},
		KeyNotYet:        {200, "10003"},
		KeyQuarantined:   {200, "10003"},
		ExitOnly:         {200, "10005"},
		RightAsleep:      {200, "10005"},
		WithdrawLocked:   {200, "10005"},
		SymbolNotAllowed: {200, "10029"},
		OutsideWindow:    {200, "10002"},
		Replayed:         {200, "10014"}, // "Request is duplicate"
		NonceTooLow:      {200, "10002"},
		RateLimited:      {200, "10006"},
		KeyInBrowser:     {200, "10003"},
		AccountFrozen:    {200, "10008"},
		Starting:         {200, "10006"}, // the only word that makes bots wait a moment
		Unavailable:      {200, "10016"},
		BadRequest:       {200, "10001"},
		RouteUnknown:     {200, "10017"},
	},
	Kraken: {
		AuthFailed:       {200, "EAPI:Invalid key"},
		IPNotAllowed:     {200, "EGeneral:Permission denied"},
		ScopeMissing:     {200, "EGeneral:Permission denied"},
		KeyExpired:       {200, "EAPI:Invalid key"},
		KeyNotYet:        {200, "EAPI:Invalid key"},
		KeyQuarantined:   {200, "EAPI:Invalid key"},
		ExitOnly:         {200, "EGeneral:Permission denied"},
		RightAsleep:      {200, "EGeneral:Permission denied"},
		WithdrawLocked:   {200, "EGeneral:Permission denied"},
		SymbolNotAllowed: {200, "EGeneral:Permission denied"},
		OutsideWindow:    {200, "EAPI:Invalid nonce"},
		Replayed:         {200, "EGeneral:Invalid arguments"},
		NonceTooLow:      {200, "EAPI:Invalid nonce"},
		RateLimited:      {200, "EAPI:Rate limit exceeded"},
		KeyInBrowser:     {200, "EAPI:Invalid key"},
		AccountFrozen:    {200, "ETrade:User Locked"},
		Starting:         {200, "EService:Busy"},
		Unavailable:      {200, "EService:Unavailable"},
		BadRequest:       {200, "EGeneral:Invalid arguments"},
		RouteUnknown:     {200, "EGeneral:Unknown method"},
	},
	Upbit:   korean,
	Bithumb: korean,
	Deribit: {
		AuthFailed:       {401, "13009 unauthorized"},
		IPNotAllowed:     {403, "13021 forbidden"},
		ScopeMissing:     {403, "13021 forbidden"},
		KeyExpired:       {401, "13004 invalid_credentials"},
		KeyNotYet:        {401, "13004 invalid_credentials"},
		KeyQuarantined:   {401, "13004 invalid_credentials"},
		ExitOnly:         {403, "13021 forbidden"},
		RightAsleep:      {403, "13021 forbidden"},
		WithdrawLocked:   {403, "13021 forbidden"},
		SymbolNotAllowed: {403, "13021 forbidden"},
		OutsideWindow:    {400, "-32602 Invalid params"},
		Replayed:         {400, "-32602 Invalid params"},
		NonceTooLow:      {400, "-32602 Invalid params"},
		RateLimited:      {429, "10028 too_many_requests"},
		KeyInBrowser:     {401, "13004 invalid_credentials"},
		AccountFrozen:    {403, "13002 account_blocked"},
		Starting:         {503, "10040 retry"},
		Unavailable:      {503, "10040 retry"},
		BadRequest:       {400, "-32602 Invalid params"},
		RouteUnknown:     {404, "-32601 Method not found"},
	},
	Gemini: {
		AuthFailed:       {400, "InvalidSignature"},
		IPNotAllowed:     {403, "MissingRole"},
		ScopeMissing:     {403, "MissingRole"},
		KeyExpired:       {403, "InvalidApiKey"},
		KeyNotYet:        {403, "InvalidApiKey"},
		KeyQuarantined:   {403, "InvalidApiKey"},
		ExitOnly:         {403, "MissingRole"},
		RightAsleep:      {403, "MissingRole"},
		WithdrawLocked:   {403, "MissingRole"},
		SymbolNotAllowed: {400, "InvalidSymbol"},
		OutsideWindow:    {400, "InvalidNonce"},
		Replayed:         {400, "InvalidTimestampInPayload"},
		NonceTooLow:      {400, "InvalidNonce"},
		RateLimited:      {429, "RateLimit"},
		KeyInBrowser:     {403, "InvalidApiKey"},
		AccountFrozen:    {403, "MissingRole"},
		Starting:         {503, "Maintenance"},
		Unavailable:      {503, "Maintenance"},
		BadRequest:       {400, "InvalidJson"},
		RouteUnknown:     {404, "EndpointNotFound"},
	},
	// No 403 here: ccxt looks into the body of a 400 or a 404 and at the status of all else.
	CoinbaseExchange: {
		AuthFailed:       {401, "invalid signature"},
		IPNotAllowed:     {401, "IP does not match IP whitelist"},
		ScopeMissing:     {401, "Forbidden"},
		KeyExpired:       {401, "Invalid API Key"},
		KeyNotYet:        {401, "Invalid API Key"},
		KeyQuarantined:   {401, "Invalid API Key"},
		ExitOnly:         {401, "Forbidden"},
		RightAsleep:      {401, "Forbidden"},
		WithdrawLocked:   {401, "Forbidden"},
		SymbolNotAllowed: {400, "Trading pair not available"},
		OutsideWindow:    {400, "request timestamp expired"},
		Replayed:         {400, "Duplicate request"},
		NonceTooLow:      {400, "request timestamp expired"},
		RateLimited:      {429, "Private rate limit exceeded"},
		KeyInBrowser:     {401, "Invalid API Key"},
		AccountFrozen:    {401, "Forbidden"},
		Starting:         {503, "ServiceUnavailable"},
		Unavailable:      {503, "ServiceUnavailable"},
		BadRequest:       {400, "Bad Request"},
		RouteUnknown:     {404, "NotFound"},
	},
	CDP: {
		AuthFailed:       {401, "unauthorized"},
		IPNotAllowed:     {403, "PERMISSION_DENIED"},
		ScopeMissing:     {403, "PERMISSION_DENIED"},
		KeyExpired:       {401, "revoked_token"},
		KeyNotYet:        {401, "revoked_token"},
		KeyQuarantined:   {401, "revoked_token"},
		ExitOnly:         {403, "PERMISSION_DENIED"},
		RightAsleep:      {403, "PERMISSION_DENIED"},
		WithdrawLocked:   {403, "PERMISSION_DENIED"},
		SymbolNotAllowed: {403, "PERMISSION_DENIED"},
		OutsideWindow:    {401, "expired_token"},
		Replayed:         {400, "INVALID_ARGUMENT"},
		NonceTooLow:      {400, "INVALID_ARGUMENT"},
		RateLimited:      {429, "resource_exhausted"},
		KeyInBrowser:     {401, "revoked_token"},
		AccountFrozen:    {403, "PERMISSION_DENIED"},
		Starting:         {503, ""}, // an "error" would be taken for the end of it
		Unavailable:      {503, ""},
		BadRequest:       {400, "INVALID_ARGUMENT"},
		RouteUnknown:     {404, "not_found"},
	},
}

var korean = map[Code]word{
	AuthFailed:       {401, "jwt_verification"},
	IPNotAllowed:     {401, "no_authorization_ip"},
	ScopeMissing:     {403, "out_of_scope"},
	KeyExpired:       {401, "expired_access_key"},
	KeyNotYet:        {401, "invalid_access_key"},
	KeyQuarantined:   {401, "invalid_access_key"},
	ExitOnly:         {403, "out_of_scope"},
	RightAsleep:      {403, "out_of_scope"},
	WithdrawLocked:   {403, "open_api_withdraw_locked"},
	SymbolNotAllowed: {403, "out_of_scope"},
	OutsideWindow:    {401, "jwt_verification"},
	Replayed:         {401, "nonce_used"},
	NonceTooLow:      {401, "nonce_used"},
	RateLimited:      {429, ""},
	KeyInBrowser:     {401, "invalid_access_key"},
	AccountFrozen:    {403, "out_of_scope"},
	Starting:         {503, ""},
	Unavailable:      {503, ""},
	BadRequest:       {400, "validation_error"},
	RouteUnknown:     {404, "not_found"},
}

// saidLike names the code whose word another is told in.
var saidLike = map[Code]Code{
	SubFrozen: ExitOnly, SubEmptying: ExitOnly, TransferRefused: ScopeMissing, DayCapReached: ScopeMissing, DayCapUnread: ScopeMissing,
}
