package apikey_test

// What the review found and nobody has mended yet.

import (
	"net/netip"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// How long a refusal takes must not say whether there is such a key.
func TestReviewAnUnknownKeyTakesAsLongAsAKnownOne(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Alg = apikey.HMACSHA256
		bot, key := o.p.Bot(n)
		o.want(o.request(bot, balance), look, "")
		gone, gkey := o.p.Bot(n)
		_, err := o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, gkey.ID)
		o.w.Must(err)
		took := func(id string) time.Duration {
			r := o.request(&softkey.Bot{ID: id, Authority: authority, Secret: "wrong"}, balance)
			best := time.Hour
			for range 300 {
				c := *r
				at := time.Now()
				o.answers(&c, look)
				best = min(best, time.Since(at))
			}
			return best
		}
		live, ended := took(string(key.ID)), took(gone.ID)
		t.Logf("live %v, ended %v", live, ended)
		if ended > 5*live {
			t.Errorf("a wrong signature takes %v with a live key and %v with one that ended", live, ended)
		}
	})
}

// The page offers its owner to add the address of a refused call with one touch. Of an
// Ed25519 key anybody who knows its name can have an address offered: nothing is proved.
func TestReviewAStrangerHasNoAddressOffered(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		stranger := softkey.NewBot(authority)
		stranger.ID = bot.ID
		o.want(o.request(stranger, call{method: "GET", path: "/v1/balance", peer: foreign}), look, "(AUTH_FAILED)")
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) error {
			lines, err := o.w.BotKeys.Refusals(tx, key.Key, o.w.DB.Now().Add(-time.Hour))
			for _, l := range lines {
				if l.Code == apikey.IPNotAllowed && l.Addr == foreign.String() {
					t.Errorf("%s is offered, and nobody proved to have the key", l.Addr)
				}
			}
			return err
		}))
	})
}

// The touch was for a later end of a key that reads. It is bound to the key, not to what
// becomes of it.
func TestReviewATouchForOneChangeMakesNoOther(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(apikey.NewKey{Scopes: apikey.ReadAccount, Life: 24 * time.Hour})
		asked := key.Edit()
		asked.Expires = asked.Expires.Add(time.Hour)
		o.p.Touch(device.ActBotKeyChange, string(key.ID)) // shown: an hour more
		other := key.Edit()
		other.Scopes, other.Allow, other.PerMin = apikey.ReadAccount|apikey.TradeSpot|apikey.TransferInternal, []netip.Prefix{thief}, 60_000
		_, err := o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, key.Version, other)
		o.w.Refused(err, device.ErrStepUp)
	})
}
