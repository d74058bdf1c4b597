package apikey_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/softkey"
)

var inADay = apikey.Turn{Why: apikey.Cadence, Overlap: apikey.DefaultOverlap, Life: 90 * 24 * time.Hour, Unrehearsed: true}

func TestBothVersionsSignUntilTheOldOnesTimeIsOver(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		for _, alg := range []apikey.Alg{"", apikey.HMACSHA256} {
			n := trading
			n.Alg = alg
			o.p.In()
			old, key := o.p.Bot(n)
			o.want(o.request(old, order), trade, "")
			o.w.Clock.Sleep(80 * 24 * time.Hour)
			o.p.In()
			made, turned := o.p.Turn(old, key.ID, inADay)
			if renewed, overlap := turned.Expires.Sub(o.w.DB.Now()), turned.OldEnds.Sub(o.w.DB.Now()); turned.N != 2 || turned.Name != key.ID || renewed.Round(time.Minute) != 90*24*time.Hour || overlap.Round(time.Minute) != apikey.DefaultOverlap {
				t.Fatalf("%v: it ends in %v, the old version in %v", turned, renewed, overlap)
			}
			for range 3 {
				o.want(o.request(old, order), trade, "")
				o.want(o.request(made, order), trade, "")
			}
			d, _ := o.w.BotKeys.Verify(t.Context(), o.request(old, balance), look)
			e, _ := o.w.BotKeys.Verify(t.Context(), o.request(made, balance), look)
			if d.Version != 1 || e.Version != 2 || d.Key.ID != e.Key.ID {
				t.Errorf("versions %d and %d of %s and %s", d.Version, e.Version, d.Key.ID, e.Key.ID)
			}
			o.w.Clock.Sleep(turned.OldEnds.Sub(o.w.DB.Now()) - time.Second)
			o.want(o.request(old, order), trade, "")
			o.w.Clock.Sleep(time.Second)
			// Nothing was written, no event came: what is remembered knows the time itself.
			o.want(o.request(old, order), trade, "(AUTH_FAILED)")
			o.want(o.request(made, order), trade, "")
			if v := o.p.Versions(key.ID); len(v) != 1 || v[0].N != 2 || v[0].How != "owner" {
				t.Errorf("%+v", v)
			}
		}
	})
}

// turns asks for a rotation without a touch that fits, and says what came of it.
func (o *owner) turns(key apikey.ID, t apikey.Turn) error {
	_, err := o.w.BotKeys.Rotate(o.t.Context(), o.p.Cause(), o.p.By(), key, o.p.Key(key).Version, t)
	return err
}

func TestWhatARotationTakes(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		public := softkey.NewBot(authority).Public()
		turn := inADay
		turn.Public = public
		k := o.p.Key(key.ID)
		touched := func(t apikey.Turn) { act := t.Act(k); o.p.Touch(act.Kind, act.Object) }
		o.w.Refused(o.turns(key.ID, turn), device.ErrStepUp)
		for _, row := range []struct {
			sentence string
			edit     func(*apikey.Turn)
		}{
			{"another public key than was touched for", func(t *apikey.Turn) { t.Public = softkey.NewBot(authority).Public() }},
			{"a longer overlap", func(t *apikey.Turn) { t.Overlap *= 2 }},
			{"a later end", func(t *apikey.Turn) { t.Life *= 2 }},
			{"another reason", func(t *apikey.Turn) { t.Why = apikey.MayHaveLeaked }},
		} {
			touched(turn)
			other := turn
			row.edit(&other)
			if err := o.turns(key.ID, other); !errors.Is(err, device.ErrStepUp) {
				t.Errorf("%s: %v", row.sentence, err)
			}
		}
		for _, row := range []struct {
			sentence string
			edit     func(*apikey.Turn)
			want     error
		}{
			{"no reason", func(t *apikey.Turn) { t.Why = "" }, apikey.ErrLife},
			{"an overlap of a year", func(t *apikey.Turn) { t.Overlap = 365 * 24 * time.Hour }, apikey.ErrLife},
			{"no public key", func(t *apikey.Turn) { t.Public = nil }, apikey.ErrPublic},
			{"a public key that holds for anything", func(t *apikey.Turn) { t.Public = make([]byte, 32) }, apikey.ErrPublic},
			{"the key it has", func(t *apikey.Turn) { t.Public = bot.Public() }, apikey.ErrPublic},
			{"without a rehearsal that was not waived", func(t *apikey.Turn) { t.Unrehearsed = false }, apikey.ErrUnrehearsed},
		} {
			other := turn
			row.edit(&other)
			touched(other)
			if err := o.turns(key.ID, other); !errors.Is(err, row.want) {
				t.Errorf("%s: %v", row.sentence, err)
			}
		}
		touched(turn)
		o.w.Must(o.turns(key.ID, turn))
		k = o.p.Key(key.ID)
		turn.Public = softkey.NewBot(authority).Public()
		touched(turn)
		o.w.Refused(o.turns(key.ID, turn), apikey.ErrReplacing)
		stranger := o.w.NewPerson()
		o.w.Must(stranger.SignUp())
		_, err := o.w.BotKeys.Rotate(t.Context(), stranger.Cause(), stranger.By(), key.ID, k.Version, turn)
		o.w.Refused(err, apikey.ErrUnknown)
		o.w.SetStatus(o.p.Account, account.Frozen)
		turn.Why = apikey.MayHaveLeaked
		o.w.Refused(o.turns(key.ID, turn), apikey.ErrHeld)
	})
}

func TestWhatLeakedEndsAtOnceAndLeavesQuarantineWithATouch(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		old, key := o.p.Bot(trading)
		second, _ := o.p.Turn(old, key.ID, inADay)
		marked := order
		marked.header = map[string][]string{"Origin": {"https://page.example"}}
		o.want(o.request(old, marked), trade, "KEY_IN_BROWSER")
		o.w.Clock.Sleep(2 * time.Minute)
		o.want(o.request(old, marked), trade, "KEY_IN_BROWSER")
		o.want(o.request(second, order), trade, "KEY_QUARANTINED")
		o.p.In()
		turn := inADay
		turn.Public = softkey.NewBot(authority).Public()
		o.w.Refused(o.turns(key.ID, turn), apikey.ErrSuspected)
		turn.Why = apikey.MayHaveLeaked
		o.w.Refused(o.turns(key.ID, turn), device.ErrStepUp)
		third, turned := o.p.Turn(second, key.ID, apikey.Turn{Why: apikey.MayHaveLeaked, Overlap: time.Hour})
		if !turned.OldEnds.IsZero() || turned.N != 3 || turned.Status != apikey.Active {
			t.Errorf("%+v", turned)
		}
		o.want(o.request(old, balance), look, "(AUTH_FAILED)")
		o.want(o.request(second, balance), look, "(AUTH_FAILED)")
		o.want(o.request(third, order), trade, "")
		if n := o.w.Count("apikey_version WHERE sealed IS NOT NULL OR ends_at = 0"); n != 1 {
			t.Errorf("%d versions could sign", n)
		}
	})
}

func TestAnOldVersionThatIsUsedIsNotEndedInPassing(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		old, key := o.p.Bot(trading)
		made, _ := o.p.Turn(old, key.ID, inADay)
		retire := func(force bool) error {
			o.p.In()
			_, err := o.w.BotKeys.Retire(t.Context(), o.p.Cause(), o.p.By(), key.ID, force)
			return err
		}
		says := func(want string) {
			t.Helper()
			var e *edge.Error
			if err := retire(false); !errors.As(err, &e) || !errors.Is(err, apikey.ErrStillUsed) || e.Extra("blocker") != want {
				t.Errorf("%v, %+v, want %s", err, e, want)
			}
		}
		o.w.Clock.Sleep(11 * time.Minute)
		says("new_unseen")
		o.want(o.request(old, order), trade, "")
		says("old_used")
		o.w.Clock.Sleep(11 * time.Minute)
		elsewhere := order
		elsewhere.peer = foreign
		slow := *made
		slow.Skew = -time.Hour
		o.want(o.request(&slow, order), trade, "TIMESTAMP_OUTSIDE_WINDOW")
		says("new_refused")
		o.want(o.request(made, order), trade, "")
		o.want(o.request(old, order), trade, "")
		says("old_used")
		o.w.Clock.Sleep(9 * time.Minute)
		says("old_used")
		o.w.Clock.Sleep(time.Minute + time.Second)
		o.w.Must(retire(false))
		o.want(o.request(old, order), trade, "(AUTH_FAILED)")
		o.want(o.request(made, order), trade, "")
		o.w.Refused(retire(true), apikey.ErrNotReplacing)

		// A version that was undone says nothing of the one that replaces now.
		o.p.In()
		again, _ := o.p.Turn(made, key.ID, inADay)
		o.want(o.request(again, order), trade, "")
		o.w.Clock.Sleep(11 * time.Minute)
		o.p.In()
		act := apikey.UndoAct(o.p.Key(key.ID), o.p.Versions(key.ID))
		o.p.Touch(act.Kind, act.Object)
		_, err := o.w.BotKeys.Undo(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Must(err)
		o.p.Turn(made, key.ID, inADay)
		says("new_unseen")

		// Whoever means it is not kept waiting.
		n := trading
		n.Purpose = "another"
		o.p.In()
		other, second := o.p.Bot(n)
		o.p.Turn(other, second.ID, inADay)
		o.want(o.request(other, order), trade, "")
		key = second
		o.w.Refused(retire(false), apikey.ErrStillUsed)
		o.w.Must(retire(true))
		o.want(o.request(other, order), trade, "(AUTH_FAILED)")
	})
}

func TestTheOldVersionIsKeptForThirtyDaysAtMost(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		old, key := o.p.Bot(trading)
		began := o.w.DB.Now()
		_, turned := o.p.Turn(old, key.ID, inADay)
		keep := func(until time.Time, touch bool) error {
			if touch {
				act := apikey.KeepAct(o.p.Key(key.ID), o.p.Versions(key.ID)[1], until)
				o.p.Touch(act.Kind, act.Object)
			}
			_, err := o.w.BotKeys.Keep(t.Context(), o.p.Cause(), o.p.By(), key.ID, until)
			return err
		}
		o.w.Refused(keep(turned.OldEnds.Add(time.Hour), false), device.ErrStepUp)
		o.w.Refused(keep(turned.OldEnds, true), apikey.ErrLife)
		o.w.Refused(keep(began.Add(30*24*time.Hour+time.Minute), true), apikey.ErrLife)
		until := turned.OldEnds.Add(7 * 24 * time.Hour)
		o.w.Must(keep(until, true))
		o.w.Clock.Sleep(7 * 24 * time.Hour)
		o.want(o.request(old, order), trade, "")
		o.w.Clock.Sleep(24 * time.Hour)
		o.want(o.request(old, order), trade, "(AUTH_FAILED)")
		o.p.In()
		_, err := o.w.BotKeys.Keep(t.Context(), o.p.Cause(), o.p.By(), key.ID, until.Add(24*time.Hour))
		o.w.Refused(err, apikey.ErrNotReplacing)
	})
}

func TestARotationIsUndone(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		old, key := o.p.Bot(trading)
		made, _ := o.p.Turn(old, key.ID, inADay)
		o.want(o.request(made, order), trade, "")
		_, err := o.w.BotKeys.Undo(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Refused(err, device.ErrStepUp)
		act := apikey.UndoAct(o.p.Key(key.ID), o.p.Versions(key.ID))
		o.p.Touch(act.Kind, act.Object)
		k, err := o.w.BotKeys.Undo(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Must(err)
		if !k.Expires.Equal(key.Expires) {
			t.Errorf("it ends %v and not %v", k.Expires, key.Expires)
		}
		o.want(o.request(made, order), trade, "(AUTH_FAILED)")
		o.w.Clock.Sleep(48 * time.Hour)
		o.want(o.request(old, order), trade, "")
		o.p.In()
		if _, turned := o.p.Turn(old, key.ID, inADay); turned.N != 3 {
			t.Errorf("version %d: a number was given twice", turned.N)
		}
	})
}

func TestAnImportedKeyGetsAnIDOfOursAtItsFirstRotation(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		old := &softkey.Bot{ID: "", Authority: authority}
		n := trading
		n.Purpose, n.Profile, n.Alg = "moved here", apikey.Binance, apikey.HMACSHA256
		brought := apikey.Brought{NewKey: n, ID: "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", Secret: "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"}
		k, err := o.w.BotKeys.Import(t.Context(), o.p.Cause(), o.p.Account, brought)
		o.w.Must(err)
		turn := inADay
		act := turn.Act(o.p.Key(k.ID))
		o.p.Touch(act.Kind, act.Object)
		turned, err := o.w.BotKeys.Rotate(t.Context(), o.p.Cause(), o.p.By(), k.ID, k.Version, turn)
		o.w.Must(err)
		if turned.ID != k.ID || !strings.HasPrefix(string(turned.Name), "kwk_live_") || !apikey.IsSecret(turned.Secret) {
			t.Fatalf("%s goes by %s", turned.ID, turned.Name)
		}
		ask := func(id, secret, want string) {
			t.Helper()
			r := binance(o, id, secret)
			if got := o.answers(r, look); got != want {
				t.Errorf("%s answered %q, want %q", id, got, want)
			}
		}
		for range 2 { // looked up, and remembered
			ask(string(k.ID), brought.Secret, "")
			ask(string(turned.Name), turned.Secret, "")
			ask(string(k.ID), turned.Secret, "(AUTH_FAILED)")
			ask(string(turned.Name), brought.Secret, "(AUTH_FAILED)")
		}
		o.w.Clock.Sleep(25 * time.Hour)
		ask(string(k.ID), brought.Secret, "(AUTH_FAILED)")
		ask(string(turned.Name), turned.Secret, "")
		_, err = o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, k.ID)
		o.w.Must(err)
		ask(string(turned.Name), turned.Secret, "(AUTH_FAILED)")
		_ = old
	})
}

// What withdraws signs anew as a new key would: it waits for the second device again.
func TestARotatedKeyWithdrawsAfterAnotherDeviceSaysSo(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := apikey.NewKey{Scopes: apikey.ReadAccount | apikey.Withdraw, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}
		old, key := o.p.Bot(n)
		other := o.p.Elsewhere().In()
		o.w.Clock.Sleep(25 * time.Hour)
		other.In()
		other.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(t.Context(), other.Cause(), other.By(), key.ID)
		o.w.Must(err)
		withdraw := apikey.Need{Scope: apikey.Withdraw, Class: apikey.ClassWithdraw}
		o.want(o.request(old, order), withdraw, "")
		o.p.In()
		made, _ := o.p.Turn(old, key.ID, inADay)
		o.want(o.request(made, order), withdraw, "WITHDRAW_LOCKED")
		_, err = o.w.BotKeys.Unlock(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Refused(err, apikey.ErrSecondDevice)
	})
}

// binance is a read as a client of binance signs it.
func binance(o *owner, id, secret string) *apikey.Request {
	query := "timestamp=" + strconv.FormatInt(o.w.DB.Now().UnixMilli(), 10)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(query))
	return &apikey.Request{Method: "GET", Authority: authority, Path: "/api/v3/account", Query: query + "&signature=" + hex.EncodeToString(m.Sum(nil)),
		Header: http.Header{"X-Mbx-Apikey": {id}}, Peer: home}
}
