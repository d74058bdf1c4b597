package apikey_test

// What a reviewer found.

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// How long a refusal takes must not say whether there is such a key: the second time
// neither a live key nor one that ended reads the database, which a caller who has left
// could not do.
func TestAnUnknownKeyTakesAsLongAsAKnownOne(t *testing.T) {
	clock := signintest.NewClock() // one process alone, which may answer from memory at any time
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	o := &owner{t: t, w: w, p: w.NewPerson()}
	w.Must(o.p.SignUp())
	clock.Sleep(time.Minute)
	n := trading
	n.Alg = apikey.HMACSHA256
	_, key := o.p.Bot(n)
	_, gone := o.p.Bot(n)
	_, err := o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, gone.ID)
	o.w.Must(err)
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, id := range []apikey.ID{key.ID, gone.ID, "kwk_live_624pQIqInkHVHkCi2Zzf8m1OGkRF"} {
		r := o.request(&softkey.Bot{ID: string(id), Authority: authority, Secret: "wrong"}, balance)
		o.want(r, look, "(AUTH_FAILED)")
		if _, no := o.w.BotKeys.Verify(left, r, look); no == nil || no.Code != apikey.AuthFailed {
			t.Errorf("%s: %+v", id, no)
		}
	}
}

// The page offers its owner to add the address of a refused call with one touch. Of an
// Ed25519 key anybody who knows its name can have an address offered: nothing is proved.
func TestAStrangerHasNoAddressOffered(t *testing.T) {
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
func TestATouchForOneChangeMakesNoOther(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(apikey.NewKey{Scopes: apikey.ReadAccount, Life: 24 * time.Hour})
		asked := key.Edit()
		asked.Expires = asked.Expires.Add(time.Hour)
		act := key.ChangeAct(asked)
		o.p.Touch(act.Kind, act.Object) // shown: an hour more
		other := key.Edit()
		other.Scopes, other.Allow, other.PerMin = apikey.ReadAccount|apikey.TradeSpot|apikey.TransferInternal, []netip.Prefix{thief}, 60_000
		_, err := o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, key.Version, other)
		o.w.Refused(err, device.ErrStepUp)
	})
}
