package oauth

import (
	"maps"
	"slices"
	"strings"
	"time"

	"keyward/internal/session"
)

// power is what a scope lets an app do, and how its owner must have been there
// (DESIGN §5, scope policy).
type power struct {
	acr    string
	maxAge time.Duration // since the owner's last user verification; 0 does not age
	open   bool          // also for apps nobody vouched for
	own    bool          // for an app of the exchange's by itself, and never a person's to give
}

var powers = map[string]power{
	"openid":         {acr: session.ACRPhr, open: true},
	"email":          {acr: session.ACRPhr, open: true},
	"offline_access": {acr: session.ACRPhr, open: true},
	"read":           {acr: session.ACRPhr, maxAge: 0, open: true},
	"trade":          {acr: session.ACRPhr, maxAge: 12 * time.Hour},
	"keys":           {acr: session.ACRPhr, maxAge: 5 * time.Minute},
	"devices":        {acr: session.ACRPhr, maxAge: 5 * time.Minute},
	"contacts":       {acr: session.ACRPhr, maxAge: 5 * time.Minute},
	scopeTail:        {own: true},
}

// Rule is what an operator demands for a scope beyond what it takes by itself. It only
// raises: what would be less counts for nothing.
type Rule struct {
	ACR    string        // "" or the least that a sign-in has to reach
	MaxAge time.Duration // since the owner's last user verification; 0 demands nothing
}

// raised is the table of scopes as an operator has it. A name of rules may be a group that
// is a scope here and has parts at the gate ("trade").
func raised(rules map[string]Rule) map[string]power {
	out := maps.Clone(powers)
	for name, r := range rules {
		p, known := out[name]
		if !known || p.own {
			continue // a right of API keys
		}
		if session.Reaches(r.ACR, p.acr) {
			p.acr = r.ACR
		}
		if r.MaxAge > 0 && (p.maxAge == 0 || r.MaxAge < p.maxAge) {
			p.maxAge = r.MaxAge
		}
		out[name] = p
	}
	return out
}

// Ages lists every scope that a person can give, with the age of a verification that it
// allows by itself; 0 for any.
func Ages() map[string]time.Duration {
	out := map[string]time.Duration{}
	for name, p := range powers {
		if !p.own {
			out[name] = p.maxAge
		}
	}
	return out
}

// Scopes lists every scope there is, sorted.
func Scopes() []string {
	var out []string
	for s := range powers {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// parseScope splits a scope parameter (RFC 6749 §3.3) and brings it into one order,
// so that two spellings of one request are one.
func parseScope(s string) ([]string, bool) {
	if s == "" {
		return nil, true
	}
	parts := strings.Split(s, " ")
	for _, p := range parts {
		if _, known := powers[p]; !known {
			return nil, false
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts), true
}

func joinScope(s []string) string { return strings.Join(s, " ") }

func subset(s, of []string) bool {
	return !slices.ContainsFunc(s, func(x string) bool { return !slices.Contains(of, x) })
}

// pick is what a person left ticked of what was asked. That they are known to the app
// at all (openid) is what they agree to by pressing the button, so it is not for
// unticking. Not ok when something was ticked that nobody asked for.
func pick(asked, chosen []string) (given []string, ok bool) {
	if !subset(chosen, asked) {
		return nil, false
	}
	for _, s := range asked {
		if !Untickable(s) || slices.Contains(chosen, s) {
			given = append(given, s)
		}
	}
	return given, true
}

// scopesNow splits scopes into those that a verification at that time still carries, and
// those that need a new one.
func (s *Service) scopesNow(scopes []string, acr string, at, now time.Time) (good, stale []string) {
	for _, name := range scopes {
		p := s.powers[name]
		if session.Reaches(acr, p.acr) && (p.maxAge == 0 || now.Sub(at) <= p.maxAge) {
			good = append(good, name)
		} else {
			stale = append(stale, name)
		}
	}
	return good, stale
}

// tires reports a scope that a sign-in which was enough may not be enough for later.
func (s *Service) tires(scope string) bool {
	p := s.powers[scope]
	return p.maxAge > 0 || p.acr != session.ACRPhr
}

// strictest is what a step-up for these scopes has to reach.
func (s *Service) strictest(scopes []string) (acr string, maxAge time.Duration) {
	acr = session.ACRPhr
	for _, name := range scopes {
		p := s.powers[name]
		if session.Reaches(p.acr, acr) {
			acr = p.acr
		}
		if p.maxAge > 0 && (maxAge == 0 || p.maxAge < maxAge) {
			maxAge = p.maxAge
		}
	}
	return acr, maxAge
}
