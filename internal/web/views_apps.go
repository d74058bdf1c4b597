package web

import (
	"html/template"
	"slices"
	"time"

	"keyward/internal/oauth"
)

// Authorize is the page between us and an app: for the exchange's own a quiet passage, for others what they ask for and
// the way back without giving it.
//
//	GET  /oauth/authorize?…         keeps the request and leads to:
//	GET  /oauth/authorize?ask=
//	authorize.js: /session/state, POST /oauth/authorize {ask, chosen}; without script it says that script is needed
type Authorize struct {
	Base
	Ask      string // handle of the kept request
	Auto     bool   // nothing to agree to
	Other    bool   // the app expected another account (login_hint)
	App      string
	Ours     bool   // one of the exchange's own
	Domain   string // verified publisher; "" for none
	Purpose  string // in the app's words; "" when it gave none
	Site     string // host of the address that the code goes to
	Redirect string // the address itself
	Powers   []string
	Payments []Payment
	Offline  bool // it asks to go on while its owner is away
	Until    time.Time

	// Deny is where "no" leads: back to the app, with access_denied. A URL and no text, or the private scheme of a native
	// app would be taken for something dangerous: what an app may come back to was judged when it was registered.
	Deny template.URL
}

func (*Authorize) page() (string, string) { return "authorize", "" }

// Payment is a payment that an app may ask for, as it was agreed to.
type Payment struct{ Amount, Asset, Network, Address, Memo, MaxFee string }

// Fours cuts the address into fours, which people can compare. Nothing stands between them, so that a copy is the address.
func (p Payment) Fours() (parts []string) {
	for part := range slices.Chunk([]byte(p.Address), 4) {
		parts = append(parts, string(part))
	}
	return parts
}

// Apps lists what other programs may do for the account.
//
//	GET /apps
//	Links: /apps/{id}/narrow, /apps/{id}/end
type Apps struct {
	Base
	Grants []AppGrant // newest first
}

func (*Apps) page() (string, string) { return "apps", "apps" }

// AppGrant is what an app was given at one time.
type AppGrant struct {
	ID       string
	Client   string // groups the grants of one app
	App      string
	Ours     bool
	Domain   string
	Purpose  string
	Powers   []string
	Payments []Payment
	Given    time.Time
	Used     time.Time // when it last fetched a token
	Ends     time.Time
	Offline  bool
	On       string    // the device it was given on, as its owner calls it; "" is unknown
	Suspect  time.Time // its token was shown without its key; zero: no
}

// CanNarrow says whether there is something to take away and something to leave.
func (g AppGrant) CanNarrow() bool {
	loose := 0
	for _, p := range g.Powers {
		if oauth.Untickable(p) {
			loose++
		}
	}
	return loose > 0 && len(g.Powers)+len(g.Payments) > 1
}

// AppGroup is an app with all it was given.
type AppGroup struct{ Grants []AppGrant }

// First is its newest.
func (g AppGroup) First() AppGrant { return g.Grants[0] }

// ByApp groups the grants by app: what asks for a look first, then the exchange's own last, else the newest first.
func (v *Apps) ByApp() []AppGroup {
	var groups []AppGroup
	at := map[string]int{}
	for _, g := range v.Grants {
		i, known := at[g.Client]
		if !known {
			i = len(groups)
			at[g.Client] = i
			groups = append(groups, AppGroup{})
		}
		groups[i].Grants = append(groups[i].Grants, g)
	}
	rank := func(g AppGroup) int {
		switch {
		case slices.ContainsFunc(g.Grants, func(x AppGrant) bool { return !x.Suspect.IsZero() }):
			return 0
		case g.First().Ours:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(groups, func(a, b AppGroup) int { return rank(a) - rank(b) })
	return groups
}

// AppEnd shows what an app can no longer do once it is disconnected. Nothing has happened yet.
//
//	GET  /apps/{id}/end
//	POST /apps/{id}/end  (all?)  all=yes also ends its other grants; 303 /apps with a receipt
type AppEnd struct {
	Base
	Grant  AppGrant
	Others int           // grants of the same app besides this one
	Access time.Duration // how long a token lasts where nobody asks us
}

func (*AppEnd) page() (string, string) { return "app-end", "" }

// AppNarrow takes rights from an app.
//
//	GET  /apps/{id}/narrow
//	POST /apps/{id}/narrow  (scope…)  what stays; 303 /apps with a receipt, or /apps/{id}/end when nothing would
type AppNarrow struct {
	Base
	Grant  AppGrant
	Access time.Duration
}

func (*AppNarrow) page() (string, string) { return "app-narrow", "" }

// inOrder puts rights as people weigh them: who they are, what is seen, how long, what is changed.
func inOrder(powers []string) []string {
	order := []string{"openid", "email", "read", "offline_access", "trade", "keys", "devices", "contacts"}
	out := slices.Clone(powers)
	slices.SortStableFunc(out, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return out
}
