package session

import "time"

// Policy constants live here so that an auditor reads one screen.
const (
	// unboundRetry: how long the previous token of an unbound family still
	// answers with the same child. Long enough for a mobile network to repeat a
	// request, short enough that a copied log line is worthless (DESIGN §6.3).
	unboundRetry = 10 * time.Second

	// supersededFor: an older generation presented this soon after a rotation is
	// a late tab, not a thief: nothing is revoked, the caller re-reads its store.
	supersededFor = 30 * time.Second

	// proofWindow: DPoP proofs are accepted 60 s back and 10 s ahead (FAPI 2.0
	// §5.3.2.1-13), so a jti must be remembered a little longer than both.
	proofWindow = 75 * time.Second

	// maxLive: sessions an account may have at once. More is nobody's daily life; a
	// thief with a passkey could otherwise open so many that the owner's list and
	// acts drown in them. The oldest end.
	maxLive = 100

	// maxNamed: an act that ends more sessions than this names the account in the
	// log and not each of them, so that it never grows past what an event holds.
	maxNamed = 200

	// maxGrants: grants one app may hold of one account; its oldest end. Each sign-in
	// of an app that keeps nothing makes one.
	maxGrants = 20

	// grantIdle: an app that works while its owner is away loses its refresh token
	// after so long without using it (RFC 9700 §4.14.2).
	grantIdle = 30 * 24 * time.Hour

	// endedShown: how long an ended session stays in the owner's list.
	endedShown = 30 * 24 * time.Hour

	// seenEvery: last-seen is coalesced in memory and written at this pace.
	seenEvery = time.Minute

	// logoutLife: preferably two minutes at most (OIDC Back-Channel Logout §2.4).
	logoutLife = 2 * time.Minute

	// sweepPart: rows deleted in one transaction. A refresh waits behind one at most.
	sweepPart = 1000

	// boundLife: how long a bound cookie lives in the browser. Browsers show their key two
	// minutes before its end and sign six times in nine minutes at most (Chromium), so
	// shorter would run them dry. boundLate is what it is taken longer for here, for what
	// was on its way when it ended.
	boundLife = 10 * time.Minute
	boundLate = 30 * time.Second

	// bindGrace: so long after a session was bound its bound cookie is not asked for. The
	// browser loads the page after the sign-in while it registers beside it, and those
	// requests left before there was a cookie. A thief would have to be as quick.
	bindGrace = 10 * time.Second

	// offerLife: making a key takes a slow TPM seconds. challengeLife: the challenge for
	// the next time waits in the browser until the cookie ends.
	offerLife     = 5 * time.Minute
	challengeLife = 15 * time.Minute

	// cacheEntries bounds the sessions held in memory (about 700 B each).
	cacheEntries = 50_000
)

// Lifetimes are the operator's choices; config checks their bounds.
type Lifetimes struct {
	Access   time.Duration // 1–60 min, default 5 (MISSION B1)
	Idle     time.Duration // default 1 h (NIST SP 800-63B-4 §2.2.3: SHOULD ≤ 1 h)
	Absolute time.Duration // default 24 h (same section: SHOULD ≤ 24 h)
	Remember time.Duration // default 30 d, bound key required (§5.2 allows more for device-bound secrets)
}

// DefaultLifetimes are what the design names.
func DefaultLifetimes() Lifetimes {
	return Lifetimes{Access: 5 * time.Minute, Idle: time.Hour, Absolute: 24 * time.Hour, Remember: 30 * 24 * time.Hour}
}

// ACR values, weakest first (DESIGN §5).
const (
	ACRFallback = "urn:keyward:fallback" // recovery code: look, end sessions, freeze; never adds a key
	ACRLegacy   = "urn:keyward:legacy"   // the exchange's own login vouched
	ACRPhr      = "phr"                  // any user-verified passkey
	ACRPhrh     = "phrh"                 // a key whose hardware is attested
)

// rank orders ACR values; unknown ranks below all, so a typo refuses.
func rank(acr string) int {
	switch acr {
	case ACRFallback, ACRLegacy:
		return 1
	case ACRPhr:
		return 2
	case ACRPhrh:
		return 3
	}
	return 0
}

// Reaches reports whether acr is at least want.
func Reaches(acr, want string) bool {
	w := rank(want)
	return w > 0 && rank(acr) >= w
}
