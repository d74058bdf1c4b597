package apikey

import (
	"net/http"
	"net/netip"
	"time"
)

// Request is what a front saw, byte for byte. Nothing in it is decoded and encoded
// again: what was signed is what arrived, and what the upstream executes has to be the
// parsed form of exactly that.
type Request struct {
	Method    string
	Authority string // the configured public name, never a header (RFC 9421 §2.2.3)
	Path      string // as sent, percent-encoding and all, without the query
	Query     string // as sent, without the question mark
	Header    http.Header
	Body      []byte
	Unseen    bool       // the front kept the body: only what was signed about it can be checked, and the upstream compares
	Peer      netip.Addr // of the client, from configured proxies only

	// Digest is SHA-256 of the body as it was signed. Set by Verify where the body was
	// not seen: of an empty one for profiles that sign none and may only read.
	Digest [32]byte
}

// Alg is how a key signs. A key has exactly one: what a request claims must equal it
// (no confusion of algorithms).
type Alg string

// The algorithms. Stored, so never renamed.
const (
	Ed25519    Alg = "ed25519"
	HMACSHA256 Alg = "hmac-sha256"
	HMACSHA384 Alg = "hmac-sha384"
	HMACSHA512 Alg = "hmac-sha512"
	ES256      Alg = "es256"
)

// Profile is a way of signing requests, as one family of clients does it.
type Profile string

// The profiles. Stored, so never renamed.
const (
	Native Profile = "keyward-v1" // RFC 9421, strict

	Binance          Profile = "binance"
	OKX              Profile = "okx"
	Bitget           Profile = "bitget"
	CoinbaseExchange Profile = "coinbase-exchange"
	Bybit            Profile = "bybit"
	Kraken           Profile = "kraken"
	Upbit            Profile = "upbit"
	Bithumb          Profile = "bithumb"
	Deribit          Profile = "deribit"
	Gemini           Profile = "gemini"
	CDP              Profile = "cdp-jwt"
)

// Claim is what a request says of itself. Nothing in it is proved yet.
type Claim struct {
	Profile Profile
	Key     string        // as sent
	Alg     Alg           // as the request says, or as the form of the signature implies; "" where only the key knows
	Signed  []byte        // exactly what was signed; good until the next Claim of the same scratch
	Sig     []byte        // decoded
	At      time.Time     // when it was signed; zero where the profile does not say
	Ends    time.Time     // until when it is good, where the client says that instead of At; zero: it does not
	Window  time.Duration // how long it may be under way, as the client says; 0: it does not
	Nonce   string        // "" where the profile has none
	Counter uint64        // a nonce that has to grow; 0: the profile has none

	Passphrase string // a second secret of some profiles; adds nothing cryptographically
}

// Mutating reports whether a request may change something: only those are remembered
// against replay, because two equal reads in one millisecond are legal.
func (r *Request) Mutating() bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// one is the value of a header that must stand there exactly once: two readers of one
// request that pick different copies are how a signature is carried past a check.
func (r *Request) one(name string) (string, bool) {
	v := r.Header[name]
	if len(v) != 1 {
		return "", false
	}
	return v[0], true
}
