package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// StepUpActs are the acts that a better key may be demanded for. Package device has the
// table; a test of cmd/keyward holds both together. Ending sessions is not among them:
// nothing makes stopping harder. Nor are withdrawals: they have rules of their own (confirm).
var StepUpActs = []string{
	"app.authorize", "botkeys.add", "botkeys.change", "botkeys.keep", "botkeys.release", "botkeys.rotate", "botkeys.undo", "botkeys.unlock", "botkeys.wake",
	"codes.new", "contacts.change", "devices.admit", "devices.remove", "freeze.lift", "keys.add", "keys.remove", "subs.change", "subs.make",
}

// StepUpScopes are the scopes of apps with the age of a verification that each allows by
// itself, 0 for any, and the rights of API keys, which have none: a key is made with a touch.
var StepUpScopes = map[string]time.Duration{
	"openid": 0, "email": 0, "offline_access": 0, "read": 0, "trade": 12 * time.Hour, "keys": 5 * time.Minute, "devices": 5 * time.Minute, "contacts": 5 * time.Minute,

	"read.market": -1, "read.account": -1, "read.orders": -1, "read.history": -1, "trade.spot": -1, "trade.margin": -1, "trade.futures": -1, "trade.cancel": -1,
	"transfer.internal": -1, "withdraw": -1, "key.rotate_self": -1,
}

// stepUp only ever raises: what would be less than the default is a mistake.
func (k *checker) stepUp(s StepUp) {
	known := func(name string, names []string) bool {
		return name != "" && slices.ContainsFunc(names, func(n string) bool { return n == name || strings.HasPrefix(n, name+".") })
	}
	seen := map[string]bool{}
	for i, a := range s.Acts {
		at := fmt.Sprintf("step_up.acts[%d].", i)
		switch {
		case a.Act == "sessions.end_all" || a.Act == "sessions":
			k.fault(at+"act", a.Act+" is stopping", "whoever wants to end sessions must not have to look for a better key first", "remove it")
		case a.Act == "confirm":
			k.fault(at+"act", "withdrawals have rules of their own", "they ask for a hardware key or a second device already", "see confirm")
		case !known(a.Act, StepUpActs):
			k.unknown(at+"act", a.Act, StepUpActs)
		case seen[a.Act]:
			k.fault(at+"act", a.Act+" is there twice", "", "keep one")
		}
		seen[a.Act] = true
		k.oneOf(at+"acr", a.ACR, "phr", "phrh")
	}
	scopes := make([]string, 0, len(StepUpScopes))
	for name := range StepUpScopes {
		scopes = append(scopes, name)
	}
	slices.Sort(scopes)
	clear(seen)
	for i, sc := range s.Scopes {
		at := fmt.Sprintf("step_up.scopes[%d].", i)
		if !known(sc.Scope, scopes) {
			k.unknown(at+"scope", sc.Scope, scopes)
			continue
		}
		if seen[sc.Scope] {
			k.fault(at+"scope", sc.Scope+" is there twice", "", "keep one")
		}
		seen[sc.Scope] = true
		if sc.ACR != "" || sc.MaxAge == 0 {
			k.oneOf(at+"acr", sc.ACR, "phr", "phrh")
		}
		if sc.MaxAge == 0 {
			continue
		}
		most, ofApps := StepUpScopes[sc.Scope]
		switch {
		case !ofApps || most < 0:
			k.fault(at+"max_age", sc.Scope+" is a right of API keys", "a key is made with a touch of the last five minutes in any case", "remove max_age")
		case sc.MaxAge < time.Minute:
			k.fault(at+"max_age", sc.MaxAge.String()+" is less than a minute", "the app could not use what it was given before it is over", "max_age: 1m, or more")
		case most > 0 && sc.MaxAge > most:
			k.fault(at+"max_age", fmt.Sprintf("%s is more than the %s that %s allows", sc.MaxAge, most, sc.Scope), "what stands here only raises", "max_age: "+durationText(most)+", or less")
		}
	}
}

func (k *checker) unknown(key, v string, all []string) {
	fix := "write one of " + strings.Join(all, ", ") + ", or what stands before the dot for a whole group"
	if near, ok := nearest(v, all); ok {
		fix = "did you mean " + near + "?"
	}
	k.fault(key, fmt.Sprintf("%q is not known", v), "", fix)
}
