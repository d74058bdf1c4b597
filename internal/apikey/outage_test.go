package apikey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// The vault goes away while bots trade. For a quarter of an hour those that are there trade
// on, and no new secret is made; then nothing is decided; then it is back.
func TestBotsOutliveTheVaultForAQuarterOfAnHour(t *testing.T) {
	clock := signintest.NewClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		vault := keyringtest.NewFar(t)
		w := signintest.Process(t, db, keyringtest.Open(t, vault, db, db.Now), clock)
		o := &owner{t: t, w: w, p: w.NewPerson()}
		w.Must(o.p.SignUp())
		w.Clock.Sleep(time.Minute)
		secret := trading
		secret.Alg = apikey.HMACSHA256
		hmac, _ := o.p.Bot(secret)
		late, _ := o.p.Bot(secret) // never asks before the vault is gone, so its secret is not open yet
		public, _ := o.p.Bot(trading)
		w.Must(w.Ring.Contact(t.Context()))
		o.want(o.request(hmac, balance), look, "")

		vault.Fail(keyring.ErrKEKUnavailable)
		w.Clock.Sleep(time.Minute)
		if err := w.Ring.Contact(t.Context()); !errors.Is(err, keyring.ErrKEKUnavailable) {
			t.Fatalf("contact: %v", err)
		}
		_, err := o.add(secret)
		if !errors.Is(err, keyring.ErrNothingNew) || edge.CodeOf(err) != "no_new_keys" {
			t.Errorf("a new secret during the outage: %v", err)
		}
		fresh, err := o.add(trading)
		if err != nil {
			t.Errorf("a public key needs no sealing: %v", err)
		}
		if keys, _ := o.list(); len(keys) != 4 {
			t.Errorf("%d keys", len(keys))
		}

		w.Clock.Sleep(13 * time.Minute) // 14 since the last contact
		for _, bot := range []string{"hmac", "late", "public"} {
			r := o.request(map[string]*softkey.Bot{"hmac": hmac, "late": late, "public": public}[bot], order)
			if got := o.answers(r, trade); got != "" {
				t.Errorf("after 14 minutes the %s bot gets %s", bot, got)
			}
		}
		w.Clock.Sleep(2 * time.Minute)
		for _, bot := range []*softkey.Bot{hmac, late, public} {
			o.want(o.request(bot, order), trade, "("+string(apikey.KeysShut)+")")
			o.want(o.request(bot, balance), look, "("+string(apikey.KeysShut)+")")
		}
		if _, err := o.add(secret); edge.CodeOf(err) != "keys_shut" {
			t.Errorf("a new secret after 16 minutes: %v", err)
		}

		vault.Fail(nil)
		w.Must(w.Ring.Contact(t.Context()))
		o.want(o.request(hmac, balance), look, "")
		o.want(o.request(late, order), trade, "")
		if _, err := o.add(secret); err != nil {
			t.Errorf("a new secret after it is back: %v", err)
		}
		if fresh.ID == "" {
			t.Error("the key that was made meanwhile has no name")
		}
	}, storetest.WithNow(func() time.Time { return clock.Now() }))
}

func (o *owner) add(n apikey.NewKey) (apikey.Created, error) {
	o.t.Helper()
	n.Purpose = "Grid bot on my VPS"
	if n.Alg == "" {
		n.Public = softkey.NewBot(authority).Public()
	}
	checked, err := n.Checked()
	o.w.Must(err)
	o.w.Must(o.p.Refresh()) // the clock runs; whether the door is open is not asked here
	o.p.Touch(checked.Act().Kind, checked.Act().Object)
	return o.w.BotKeys.Add(context.Background(), o.p.Cause(), o.p.By(), n)
}

func (o *owner) list() (keys []apikey.Key, err error) {
	err = o.w.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		keys, err = o.w.BotKeys.List(tx, o.p.Account)
		return err
	})
	return keys, err
}
