package apikey

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// notPacked are the fields that no decision needs. A new field of Key belongs here, or
// into packed: one that is forgotten would be its zero value for every request.
var notPacked = []string{"Purpose", "Partner", "Made", "UsedAt", "UsedAddr", "EndedAt", "EndedWhy", "lockedBy", "clockAt", "IdleSince", "wokenAt"}

func TestWhatDecidesSurvivesPacking(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456).UTC()
	plain := func() *opened {
		return &opened{Key: Key{
			ID: "kwk_live_x", Account: "acc_1", Sub: "sub-1", Purpose: "p", Profile: Native, Alg: HMACSHA256, Scopes: ReadAccount | TradeSpot, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			Starts: at, Expires: at.Add(time.Hour), Window: 7 * time.Second, PerMin: 1234, Partner: "p", Made: Made{Addr: "a"}, Status: Active, Locked: true, Version: 9, UsedAt: at, UsedAddr: "a", EndedAt: at, EndedWhy: "w", lockedBy: "dev_1", clockAt: at, IdleSince: at, wokenAt: at,
		}, versions: []verifier{{n: 3, mac: mac256, secret: mac256.Key("a secret")}}, tat: new(atomic.Int64), marks: new(marks)}
	}
	for _, row := range []struct {
		name  string
		edit  func(*opened)
		whole bool
	}{
		{"a usual key", func(*opened) {}, false},
		{"good everywhere", func(k *opened) { k.Allow = nil }, false},
		{"a place of IPv6", func(k *opened) { k.Allow[0] = netip.MustParsePrefix("2001:db8::/63") }, true},
		{"an address of IPv4 in IPv6", func(k *opened) { k.Allow[0] = netip.MustParsePrefix("::ffff:203.0.113.7/128") }, true},
		{"everywhere, written out", func(k *opened) { k.Allow[0] = netip.MustParsePrefix("0.0.0.0/0") }, false},
		{"quarantined", func(k *opened) { k.Status = Quarantined }, false},
		{"with a public key", func(k *opened) {
			k.Alg, k.versions = Ed25519, []verifier{{n: 1, public: slices.Repeat([]byte{7}, 32)}}
		}, false},
		{"without a sub-account, not locked", func(k *opened) { k.Sub, k.Locked = "", false }, false},
		{"another profile", func(k *opened) { k.Profile, k.Alg, k.versions[0].mac = Kraken, HMACSHA512, mac512 }, false},
		{"two versions", func(k *opened) { k.versions = append(k.versions, verifier{n: 2, mac: mac256, secret: mac256.Key("b")}) }, true},
		{"two places", func(k *opened) { k.Allow = append(k.Allow, netip.MustParsePrefix("198.51.100.0/24")) }, true},
		{"a place that is denied", func(k *opened) { k.Deny = k.Allow }, true},
		{"a list of markets", func(k *opened) { k.Symbols = []string{"BTC-USD"} }, true},
		{"with a cap for a day", func(k *opened) { k.DayCap = DayCap{1_000_000, "USD"} }, true},
		{"a trap", func(k *opened) { k.honey = true }, true},
		{"with rights that rest", func(k *opened) { k.Asleep = MoneyAsleep }, true},
		{"seen in a browser", func(k *opened) { k.browserAt = at }, true},
		{"with a passphrase", func(k *opened) { k.versions[0].passphrase[3] = 1 }, true},
		{"locked, quarantined, and for one address", func(k *opened) {
			k.Status, k.Allow[0] = Quarantined, netip.MustParsePrefix("203.0.113.7/32")
		}, false},
		{"with a window of more than a minute", func(k *opened) { k.Window = 66 * time.Second }, true},
		{"in its hundred thousandth version", func(k *opened) { k.versions[0].n = 100_000 }, true},
		{"a status that is new here", func(k *opened) { k.Status = "resting" }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			want, given := plain(), plain()
			row.edit(want)
			row.edit(given)
			p := pack("kwk_live_x", given)
			if (p.whole != nil) != row.whole {
				t.Errorf("kept whole: %v", p.whole != nil)
			}
			for range 2 { // the second time from a room that was used
				got := p.opened()
				a, b := reflect.ValueOf(&want.Key).Elem(), reflect.ValueOf(&got.Key).Elem()
				for i := range a.NumField() {
					name := a.Type().Field(i).Name
					if slices.Contains(notPacked, name) {
						continue
					}
					if x, y := show(a.Field(i)), show(b.Field(i)); x != y {
						t.Errorf("%s: %s, want %s", name, y, x)
					}
				}
				if len(got.versions) != len(want.versions) || got.tat != given.tat || got.marks != given.marks {
					t.Fatal("versions, speed or marks are others")
				}
				for i, v := range want.versions {
					g := got.versions[i]
					if g.n != v.n || g.mac != v.mac || g.secret.Reveal() != v.secret.Reveal() || !slices.Equal(g.public, v.public) || g.passphrase != v.passphrase {
						t.Errorf("version %d is another", i)
					}
				}
				d := got.decided()
				release(got)
				if d.ID != want.ID || d.Account != want.Account || d.Sub != want.Sub || len(d.Allow) != 0 {
					t.Errorf("what was decided: %+v", d)
				}
			}
		})
	}
	// Every field of the usual key says something, or its loss would not show.
	all := reflect.ValueOf(plain().Key)
	for i := range all.NumField() {
		if name := all.Type().Field(i).Name; all.Field(i).IsZero() && !slices.Contains([]string{"Asleep", "honey", "Symbols", "Deny", "browserAt", "DayCap"}, name) {
			t.Errorf("Key.%s is new: pack it, list it as not needed, or keep keys that have it whole; then give it a value here", name)
		}
	}
	if n := reflect.TypeFor[packed]().Size(); n > 112 {
		t.Errorf("a packed key has %d bytes", n)
	}
	if n, m := reflect.TypeFor[opened]().NumField(), reflect.TypeFor[verifier]().NumField(); n != 6 || m != 7 {
		t.Errorf("opened has %d fields and verifier %d: is the new one packed?", n, m)
	}
}

// show makes fields comparable that are not exported.
func show(v reflect.Value) string {
	if v.Type() == reflect.TypeFor[time.Time]() && v.CanInterface() {
		return v.Interface().(time.Time).UTC().String()
	}
	return fmt.Sprintf("%#v", v)
}
