package confirm_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"keyward/executor"
	"keyward/internal/account"
	"keyward/internal/attest"
	"keyward/internal/audit"
	"keyward/internal/confirm"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

const (
	client  = "treasury"
	address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
)

// desk is a deployment with money, and the executor at the other end.
type desk struct {
	*signintest.World
	*confirm.Service
	executor *executor.Verifier
}

func amount(s string) *big.Rat { r, _ := new(big.Rat).SetString(s); return r }

var limits = map[string]confirm.Limit{"BTC": {Small: amount("0.01"), SecondDeviceAbove: amount("2")}, "ETH": {Small: amount("1")}}

func newDesk(w *signintest.World) *desk {
	w.T.Helper()
	d := &desk{World: w}
	var err error
	d.Service, err = confirm.New(confirm.Parts{
		DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, Mint: session.NewMint(w.Ring, signintest.Origin, w.DB.Now),
	}, confirm.Settings{Limits: limits})
	w.Must(err)
	w.Contain.AlsoErase(d.Service.Erase)
	keys := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(w.Ring.JWKS()) }))
	w.T.Cleanup(keys.Close)
	d.executor, err = executor.New(executor.Config{
		Issuer: signintest.Origin, Audience: client, RPID: "example.com", Origins: []string{signintest.Origin}, JWKSURL: keys.URL, Now: w.DB.Now,
	})
	w.Must(err)
	return d
}

func each(t *testing.T, story func(t *testing.T, d *desk)) {
	t.Helper()
	signintest.Each(t, func(t *testing.T, w *signintest.World) { story(t, newDesk(w)) })
}

var backEnd = store.Cause{Actor: "client:" + client, Addr: signintest.Home}

// ask is a withdrawal of the person's, asked for from the browser that they sit at.
func (d *desk) ask(p *signintest.Person) confirm.Ask {
	return confirm.Ask{
		Client: client, Session: p.Session().ID,
		Withdrawal: executor.Withdrawal{Account: string(p.Account), Asset: "BTC", Network: "bitcoin", Amount: "0.25", MaxFee: "0.0001", Address: address, Memo: "Rent, March"},
	}
}

func (d *desk) asked(a confirm.Ask) confirm.Intent {
	d.T.Helper()
	i, err := d.Create(context.Background(), backEnd, a)
	d.Must(err)
	return i
}

func by(p *signintest.Person) confirm.By { return confirm.By{Session: p.Session(), Proved: true} }

func (d *desk) touch(p *signintest.Person, id string, tricks ...softkey.Trick) ([]byte, error) {
	options, err := d.Begin(context.Background(), by(p), id)
	if err != nil {
		return nil, err
	}
	return p.Browser().Get(options, tricks...)
}

func (d *desk) approve(p *signintest.Person, id string, tricks ...softkey.Trick) error {
	answer, err := d.touch(p, id, tricks...)
	if err != nil {
		return err
	}
	_, err = d.Approve(context.Background(), p.Cause(), by(p), id, answer)
	return err
}

func (d *desk) state(id string) confirm.State {
	d.T.Helper()
	a, err := d.Answer(context.Background(), client, id)
	d.Must(err)
	return a.State
}

func (d *desk) proof(id string) string {
	d.T.Helper()
	a, err := d.Answer(context.Background(), client, id)
	d.Must(err)
	if a.State != confirm.Approved || a.Proof == "" {
		d.T.Fatalf("%s is %s, without a proof", id, a.State)
	}
	return a.Proof
}

// needs are the words of a refusal.
func needs(err error) string {
	var e *edge.Error
	if !errors.As(err, &e) {
		return ""
	}
	list, _ := e.Extra("needs").([]string)
	return strings.Join(list, " ")
}

func extra(err error, name string) any {
	var e *edge.Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.Extra(name)
}

// two browsers of one person, each known for more than a day.
func (d *desk) two() (laptop, phone *signintest.Person) {
	d.T.Helper()
	laptop = d.Person()
	phone = laptop.Elsewhere().In()
	d.Clock.Sleep(25 * time.Hour)
	return laptop.In(), phone.In()
}

// The story of one payment, to the end.
func TestAPaymentIsApprovedOnAnotherDeviceAndCheckedAgainWhereItIsMade(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		a := d.ask(laptop)
		i := d.asked(a)
		if i.State != confirm.Pending || i.Expires-i.Created != 120 || !i.To.FirstAt.Before(i.To.HoldUntil) {
			t.Fatalf("asked: %+v", i)
		}
		d.Must(d.DB.View(ctx, func(tx *store.Tx) error {
			waiting, err := d.Waiting(tx, phone.Account)
			if len(waiting) != 1 || waiting[0].ID != i.ID || waiting[0].Address != address {
				t.Errorf("waiting: %+v", waiting)
			}
			return err
		}))
		// The browser it was asked from has a passkey that could be anywhere.
		err := d.approve(laptop, i.ID)
		d.Refused(err, confirm.ErrNotEnough)
		if got := needs(err); got != "use_second_device add_hardware_key" {
			t.Errorf("the laptop hears %q", got)
		}
		if d.state(i.ID) != confirm.Pending {
			t.Error("a refusal decided it")
		}
		d.Must(d.approve(phone, i.ID))
		d.Refused(d.approve(phone, i.ID), confirm.ErrDecided)

		token := d.proof(i.ID)
		for name, edit := range map[string]func(*executor.Withdrawal){
			"account": func(w *executor.Withdrawal) { w.Account = "acc_0000" }, "asset": func(w *executor.Withdrawal) { w.Asset = "BCH" },
			"network": func(w *executor.Withdrawal) { w.Network = "lightning" }, "amount": func(w *executor.Withdrawal) { w.Amount = "0.250" },
			"fee": func(w *executor.Withdrawal) { w.MaxFee = "0.001" }, "no fee": func(w *executor.Withdrawal) { w.MaxFee = "" },
			"address": func(w *executor.Withdrawal) { w.Address = address[:len(address)-1] + "5" }, "memo": func(w *executor.Withdrawal) { w.Memo = "" },
		} {
			other := a.Withdrawal
			edit(&other)
			if _, err := d.executor.Verify(ctx, token, other, d.DB.Now()); !errors.Is(err, executor.ErrDifferent) {
				t.Errorf("another %s: %v", name, err)
			}
		}
		c, err := d.executor.Verify(ctx, token, a.Withdrawal, d.DB.Now())
		d.Must(err)
		if c.Intent.ID != i.ID || c.Rule != confirm.RuleSecondDevice || c.Kind != "webauthn" || len(c.Key) == 0 {
			t.Errorf("verified %+v", c)
		}
		if _, err := d.executor.Verify(ctx, d.proof(i.ID), a.Withdrawal, d.DB.Now()); !errors.Is(err, executor.ErrSpent) {
			t.Errorf("a second time: %v", err)
		}
		// Another back end hears nothing of it.
		if _, err := d.Answer(ctx, "other", i.ID); !errors.Is(err, confirm.ErrUnknown) {
			t.Errorf("another back end: %v", err)
		}
		d.Clock.Sleep(121 * time.Second)
		late, err := d.Answer(ctx, client, i.ID)
		d.Must(err)
		if late.Proof != "" {
			t.Error("a proof after its end")
		}
		if e := d.Events(phone.Account); !strings.Contains(e, "intent.created") || strings.Count(e, "intent.approved") != 1 {
			t.Errorf("events: %s", e)
		}
	})
}

// The form that is signed is what any reader of RFC 8949 writes in its core deterministic encoding.
func TestTheSignedFormIsCanonicalCBOR(t *testing.T) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	for _, memo := range []string{"", "Rent", strings.Repeat("가", 60)} {
		i := executor.Intent{ID: "int_1", Created: 1_772_355_600, Expires: 1_772_355_720, Withdrawal: executor.Withdrawal{
			Account: "acc_1", Asset: "BTC", Network: "bitcoin", Amount: "0.25", Address: address, Memo: memo,
		}}
		want, err := enc.Marshal(map[string]any{
			"v": 1, "id": i.ID, "account": i.Account, "asset": i.Asset, "network": i.Network, "amount": i.Amount, "max_fee": i.MaxFee,
			"address": i.Address, "memo": i.Memo, "created": i.Created, "expires": i.Expires,
		})
		if err != nil || string(want) != string(i.CBOR()) {
			t.Errorf("%x, want %x (%v)", i.CBOR(), want, err)
		}
		if back, err := executor.ParseIntent(want); err != nil || back != i {
			t.Errorf("read back %+v: %v", back, err)
		}
	}
}

func TestWhatAnApprovalTakes(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		laptop, phone := d.two()
		wants := func(name string, err error, want string) {
			t.Helper()
			if got := needs(err); !errors.Is(err, confirm.ErrNotEnough) || got != want {
				t.Errorf("%s: %q (%v), want %q", name, got, err, want)
			}
		}
		small := d.ask(laptop)
		small.Amount = "0.01"
		i := d.asked(small)
		wants("a small amount to a new address", d.approve(laptop, i.ID), "use_second_device wait add_hardware_key")
		d.Must(d.Refuse(context.Background(), laptop.Cause(), laptop.Session(), i.ID))

		d.Clock.Sleep(25 * time.Hour)
		laptop.In()
		phone.In()
		small.Session = laptop.Session().ID
		i = d.asked(small)
		d.Must(d.approve(laptop, i.ID))
		c, err := d.executor.Verify(context.Background(), d.proof(i.ID), small.Withdrawal, d.DB.Now())
		d.Must(err)
		if c.Rule != confirm.RuleSmall {
			t.Errorf("rule %s", c.Rule)
		}
		small.Memo = "another"
		i = d.asked(small)
		wants("another memo is another address", d.approve(laptop, i.ID), "use_second_device wait add_hardware_key")
		d.Must(d.approve(phone, i.ID))

		// A device that came today, though it has the same passkey.
		fresh := laptop.Elsewhere().In()
		a := d.ask(laptop)
		i = d.asked(a)
		wants("a device of today", d.approve(fresh, i.ID), "use_second_device add_hardware_key")
		d.Must(d.Refuse(context.Background(), fresh.Cause(), fresh.Session(), i.ID))

		// Nobody said where it was asked from: no device is the other one.
		a.Session = ""
		i = d.asked(a)
		wants("from nowhere", d.approve(phone, i.ID), "add_hardware_key")
		d.Must(d.Refuse(context.Background(), phone.Cause(), phone.Session(), i.ID))
		a.Amount = "2.1"
		_, err = d.Create(context.Background(), backEnd, a)
		if !errors.Is(err, edge.E("bad_request")) {
			t.Errorf("a large amount from nowhere: %v", err)
		}

		// A request that was not proved by the session's key, as a copied cookie's is not.
		a = d.ask(laptop)
		i = d.asked(a)
		answer, err := d.touch(phone, i.ID)
		d.Must(err)
		_, err = d.Approve(context.Background(), phone.Cause(), confirm.By{Session: phone.Session()}, i.ID, answer)
		wants("not proved", err, "use_second_device add_hardware_key")
		if d.state(i.ID) != confirm.Pending {
			t.Error("decided")
		}
		code := laptop.Elsewhere()
		laptop.Touch(device.ActCodesNew, "")
		d.Must(code.SignInByCode(laptop.Codes()[0]))
		d.Refused(d.approve(code, i.ID), confirm.ErrPower)
		d.Must(d.approve(phone, i.ID))
	})
}

// Who has a recovery code opens a browser with it and waits: the day of the second device
// begins with the first passkey that signed in there, and the refusal counts no other.
func TestADeviceThatARecoveryCodeAgedIsNoSecondDevice(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p := d.Person()
		aged := p.Elsewhere()
		d.Must(aged.SignInByCode(p.Codes()[0]))
		d.Clock.Sleep(25 * time.Hour)
		p.In()
		aged.In()
		i := d.asked(d.ask(p))
		if err := d.approve(aged, i.ID); !errors.Is(err, confirm.ErrNotEnough) || needs(err) != "add_second_device add_hardware_key" {
			t.Errorf("a day after the code: %q (%v)", needs(err), err)
		}
		d.Must(d.Refuse(context.Background(), p.Cause(), p.Session(), i.ID))
		d.Clock.Sleep(25 * time.Hour)
		p.In()
		aged.In()
		i = d.asked(d.ask(p))
		d.Must(d.approve(aged, i.ID))
	})
}

func TestAKeyThatCannotLeaveItsDeviceIsEnoughAndNotForEverything(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		now, fido := d.Clock.Now(), softkey.NewMaker()
		blob := fido.Metadata("mds.fidoalliance.org", now, map[string]any{
			"no": 1, "nextUpdate": now.AddDate(0, 1, 0).Format(time.DateOnly),
			"entries": []any{softkey.MetadataEntry("01020304-0506-0708-090a-0b0c0d0e0f10", "Good Key", "secure_element", softkey.Authority().Root, "FIDO_CERTIFIED_L1")},
		})
		list, err := attest.ParseMDS(blob, []*x509.Certificate{fido.Root}, 0, now)
		d.Must(err)
		d.Devices.UseLists(device.Lists{MDS: list})
		p := d.NewPerson()
		p.Keys = &softkey.Authenticator{Statement: softkey.X5C, AAGUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Local: true}
		d.Must(p.SignUp())
		p.In()
		a := d.ask(p)
		i := d.asked(a)
		d.Must(d.approve(p, i.ID))
		c, err := d.executor.Verify(context.Background(), d.proof(i.ID), a.Withdrawal, d.DB.Now())
		d.Must(err)
		if c.Rule != confirm.RuleHardware || c.Grade != "hardware" {
			t.Errorf("%+v", c)
		}
		a.Amount = "2.5"
		i = d.asked(a)
		err = d.approve(p, i.ID)
		if got := needs(err); got != "add_second_device" {
			t.Errorf("a large amount: %q (%v)", got, err)
		}
	})
}

// A key that was added with one touch of the owner's, from a device that was known and so
// without a hold, approves no payment for a day: neither by where it is used nor by what it is.
func TestANewKeyApprovesNoPaymentForADay(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		laptop, phone := d.two()
		keys, _ := laptop.SecondKey()
		d.Clock.Sleep(time.Hour)
		laptop.In()
		i := d.asked(d.ask(laptop))
		thief := phone.At(d.World)
		thief.Keys = keys
		d.Must(thief.SignInWith(thief.From())) // at the owner's second device
		if _, err := d.touch(thief, i.ID); !errors.Is(err, softkey.ErrNotAllowed) {
			t.Errorf("a browser finds its key among those that may: %v", err)
		}
		d.Refused(d.approve(thief, i.ID, softkey.Unlisted), device.ErrTooNew)
		if d.state(i.ID) != confirm.Pending {
			t.Error("decided")
		}
		phone.In()
		d.Must(d.approve(phone, i.ID))

		d.Clock.Sleep(device.YoungFor)
		laptop.In()
		i = d.asked(d.ask(laptop))
		d.Must(thief.SignInWith(thief.From()))
		d.Must(d.approve(thief, i.ID))
	})
}

func TestTouchesThatApproveNothing(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		stranger := d.Person()
		a := d.ask(laptop)
		i := d.asked(a)
		other := d.asked(a)
		answer, err := d.touch(phone, other.ID)
		d.Must(err)
		_, err = d.Approve(ctx, phone.Cause(), by(phone), i.ID, answer)
		d.Refused(err, device.ErrNotAccepted) // the same payment asked for twice is two
		for name, trick := range map[string]softkey.Trick{
			"not verified": softkey.NoVerification, "look-alike": softkey.LookAlike, "framed": softkey.CrossOrigin, "signature": softkey.BogusSignature,
			"another challenge": softkey.Challenge(make([]byte, 32)), "another type": softkey.WrongType, "challenge twice": softkey.ChallengeTwice,
		} {
			if err := d.approve(phone, i.ID, trick); !errors.Is(err, device.ErrNotAccepted) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := d.Begin(ctx, by(stranger), i.ID); !errors.Is(err, confirm.ErrUnknown) {
			t.Errorf("a stranger: %v", err)
		}
		options, err := d.Begin(ctx, by(phone), i.ID)
		d.Must(err)
		theirs, err := stranger.Browser().Get(options)
		d.Must(err)
		_, err = d.Approve(ctx, phone.Cause(), by(phone), i.ID, theirs)
		d.Refused(err, device.ErrNotAccepted)
		// A touch that was given for something else, by the door where acts have names.
		if _, err := device.ParseAct(device.ActConfirm, i.ID); err == nil {
			t.Error("a touch over a challenge of ours can be asked for, and would carry no withdrawal")
		}
		d.Must(d.Refuse(ctx, phone.Cause(), phone.Session(), other.ID))
		d.Must(d.Refuse(ctx, phone.Cause(), phone.Session(), other.ID)) // twice is no error
		d.Refused(d.approve(phone, other.ID), confirm.ErrDecided)
		d.Must(d.approve(phone, i.ID))
		d.Refused(d.Refuse(ctx, phone.Cause(), phone.Session(), i.ID), confirm.ErrDecided)
		if n := strings.Count(d.Events(phone.Account), "intent.refused"); n != 1 {
			t.Errorf("%d refusals in the history", n)
		}
	})
}

func TestARowThatWasChangedApprovesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		for name, change := range map[string]string{
			"the address": `UPDATE confirm_intent SET address = 'bc1qthief' WHERE id = $1`,
			"the amount":  `UPDATE confirm_intent SET amount = '2.00' WHERE id = $1`,
			"the end":     `UPDATE confirm_intent SET expires_at = expires_at + 600000000 WHERE id = $1`,
			"where from":  `UPDATE confirm_intent SET device = 'dev_none' WHERE id = $1`,
			"for whom":    `UPDATE confirm_intent SET client = 'thief' WHERE id = $1`,
		} {
			i := d.asked(d.ask(laptop))
			answer, err := d.touch(phone, i.ID)
			d.Must(err)
			d.Must(d.DB.Housekeeping(ctx, func(tx *store.Tx) error { _, err := tx.Exec(change, i.ID); return err }))
			_, err = d.Begin(ctx, by(phone), i.ID)
			if !errors.Is(err, confirm.ErrVoid) {
				t.Errorf("%s, before the touch: %v", name, err)
			}
			_, err = d.Approve(ctx, phone.Cause(), by(phone), i.ID, answer)
			if !errors.Is(err, confirm.ErrVoid) {
				t.Errorf("%s, after it: %v", name, err)
			}
			d.Must(d.Refuse(ctx, phone.Cause(), phone.Session(), i.ID))
		}
	})
}

func TestFrozenHeldAndLate(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		late := d.asked(d.ask(laptop))
		answer, err := d.touch(phone, late.ID)
		d.Must(err)
		d.Clock.Sleep(120 * time.Second)
		if _, err := d.Approve(ctx, phone.Cause(), by(phone), late.ID, answer); !errors.Is(err, confirm.ErrExpired) {
			t.Errorf("late: %v", err)
		}
		// The refusal stays, and so does the end that it wrote.
		var state string
		d.Must(d.DB.Get(ctx, `SELECT state FROM confirm_intent WHERE id = $1`, late.ID).Scan(&state))
		if state != "expired" || !strings.HasSuffix(d.Events(phone.Account), "intent.expired") {
			t.Errorf("%s; %s", state, d.Events(phone.Account))
		}
		other := d.asked(d.ask(laptop))
		d.Clock.Sleep(120 * time.Second)
		if d.state(other.ID) != confirm.Expired {
			t.Error("time alone ends it")
		}
		d.Must(d.Expire(ctx))
		d.Must(d.Expire(ctx))
		if n := strings.Count(d.Events(phone.Account), "intent.expired"); n != 2 {
			t.Errorf("%d ends in the history", n)
		}

		// Approved, and frozen before the proof was fetched.
		laptop.In()
		phone.In()
		i := d.asked(d.ask(laptop))
		d.Must(d.approve(phone, i.ID))
		waits := d.asked(d.ask(laptop))
		answer, err = d.touch(phone, waits.ID)
		d.Must(err)
		held := by(phone)
		_, err = d.Contain.Freeze(ctx, laptop.Cause(), laptop.Account, "here")
		d.Must(err)
		if _, err := d.Answer(ctx, client, i.ID); !errors.Is(err, confirm.ErrFrozen) {
			t.Errorf("the proof of a frozen account: %v", err)
		}
		if _, err := d.Approve(ctx, phone.Cause(), held, waits.ID, answer); !errors.Is(err, confirm.ErrFrozen) {
			t.Errorf("approved while frozen: %v", err)
		}
		if _, err := d.Create(ctx, backEnd, confirm.Ask{Client: client, Withdrawal: i.Withdrawal}); !errors.Is(err, confirm.ErrFrozen) {
			t.Errorf("asked while frozen: %v", err)
		}

		// Held, by whatever began it.
		q, r := d.two()
		was := d.asked(d.ask(q))
		d.Must(d.approve(r, was.ID))
		i = d.asked(d.ask(q))
		answer, err = d.touch(r, i.ID)
		d.Must(err)
		d.Must(d.DB.Update(ctx, q.Cause(), func(tx *store.Tx) error {
			if _, err := d.Accounts.Hold(tx, q.Account, account.HoldWithdraw, tx.Now.Add(time.Hour), "A new key came in."); err != nil {
				return err
			}
			_, err := d.Log.Append(tx, audit.Event{Action: "account.updated", Account: string(q.Account), Target: string(q.Account)})
			return err
		}))
		_, err = d.Approve(ctx, r.Cause(), by(r), i.ID, answer)
		var e *edge.Error
		if !errors.As(err, &e) || e.Code != "held" || e.Extra("until") == nil || e.Extra("because") != "A new key came in." {
			t.Errorf("held: %v", err)
		}
		if d.state(i.ID) != confirm.Pending {
			t.Error("decided")
		}
		if a, err := d.Answer(ctx, client, was.ID); !errors.Is(err, confirm.ErrHeld) || a.Proof != "" {
			t.Errorf("the proof of what was approved before the hold: %v", err)
		}
	})
}

func TestOneOfManyDecides(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		for round := range 4 {
			i := d.asked(d.ask(laptop))
			var answers [][]byte
			for range 3 {
				a, err := d.touch(phone, i.ID)
				d.Must(err)
				answers = append(answers, a)
			}
			from, ses := by(phone), laptop.Session()
			var wg sync.WaitGroup
			results := make([]error, 4)
			for n, a := range answers {
				wg.Go(func() { _, results[n] = d.Approve(ctx, phone.Cause(), from, i.ID, a) })
			}
			if round%2 == 1 {
				wg.Go(func() { results[3] = d.Refuse(ctx, laptop.Cause(), ses, i.ID) })
			} else {
				results[3] = confirm.ErrDecided
			}
			wg.Wait()
			won := 0
			for _, err := range results {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, confirm.ErrDecided):
					t.Errorf("%v", err)
				}
			}
			if won != 1 {
				t.Errorf("%d of them decided: %v", won, results)
			}
		}
		e := d.Events(phone.Account)
		if n := strings.Count(e, "intent.approved") + strings.Count(e, "intent.refused"); n != 4 {
			t.Errorf("%d decisions of 4 in the history: %s", n, e)
		}

		// A freeze and an approval at once: approved first, or not at all; the proof is held back in both cases.
		i := d.asked(d.ask(laptop))
		answer, err := d.touch(phone, i.ID)
		d.Must(err)
		from := by(phone)
		var wg sync.WaitGroup
		var approved, frozen error
		wg.Go(func() { _, approved = d.Approve(ctx, phone.Cause(), from, i.ID, answer) })
		wg.Go(func() { _, frozen = d.Contain.Freeze(ctx, laptop.Cause(), laptop.Account, "here") })
		wg.Wait()
		d.Must(frozen)
		if approved != nil && !errors.Is(approved, confirm.ErrFrozen) && !errors.Is(approved, session.ErrEnded) {
			t.Errorf("approved: %v", approved)
		}
		// Pending after a freeze that won; the proof of what was approved is kept back.
		if a, err := d.Answer(ctx, client, i.ID); approved == nil && !errors.Is(err, confirm.ErrFrozen) || a.Proof != "" {
			t.Errorf("%v %v", a.State, err)
		}
	})
}

func TestAWithdrawalThatIsNoneIsNotAsked(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		p := d.Person()
		good := d.ask(p)
		for name, edit := range map[string]func(*confirm.Ask){
			"no account": func(a *confirm.Ask) { a.Account = "" }, "two accounts": func(a *confirm.Ask) { a.ExternalID = "customer-7" },
			"zero": func(a *confirm.Ask) { a.Amount = "0.00" }, "minus": func(a *confirm.Ask) { a.Amount = "-1" }, "exponent": func(a *confirm.Ask) { a.Amount = "1e3" },
			"comma": func(a *confirm.Ask) { a.Amount = "1,5" }, "leading zero": func(a *confirm.Ask) { a.Amount = "01" }, "long": func(a *confirm.Ask) { a.Amount = strings.Repeat("9", 41) },
			"blank in the address": func(a *confirm.Ask) { a.Address = "bc1q w508" }, "no address": func(a *confirm.Ask) { a.Address = "" },
			"a letter that looks like another": func(a *confirm.Ask) { a.Address = "bс1qw508" }, "a memo that hides": func(a *confirm.Ask) { a.Memo = "a\u202eb" },
			"a memo of blanks": func(a *confirm.Ask) { a.Memo = " " }, "an asset with markup": func(a *confirm.Ask) { a.Asset = "<b>" },
			"too short": func(a *confirm.Ask) { a.Life = time.Second }, "too long": func(a *confirm.Ask) { a.Life = 121 * time.Second },
		} {
			a := good
			edit(&a)
			if _, err := d.Create(ctx, backEnd, a); !errors.Is(err, edge.E("bad_request")) {
				t.Errorf("%s: %v", name, err)
			}
		}
		a := good
		a.Account = "acc_unknown"
		_, err := d.Create(ctx, backEnd, a)
		d.Refused(err, account.ErrUnknown)
		a = good
		a.Session = d.Person().Session().ID
		_, err = d.Create(ctx, backEnd, a)
		d.Refused(err, session.ErrUnknown)
		if n := d.Count("confirm_intent") + d.Count("confirm_address"); n != 0 {
			t.Errorf("%d rows", n)
		}
		for range 3 {
			d.asked(good)
		}
		_, err = d.Create(ctx, backEnd, good)
		d.Refused(err, confirm.ErrWaiting)
		if got := d.Count("confirm_address"); got != 1 {
			t.Errorf("%d addresses", got)
		}
	})
}

// An operator who asks for a longer wait gets it for addresses that wait already; one who asks for a shorter one later
// shortens none.
func TestAHoldOfAnAddressOnlyGrows(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p := d.Person()
		with := func(hold time.Duration) time.Duration {
			other, err := confirm.New(d.Parts, confirm.Settings{AddressHold: hold})
			d.Must(err)
			i, err := other.Create(context.Background(), backEnd, d.ask(p))
			d.Must(err)
			return i.To.HoldUntil.Sub(i.To.FirstAt)
		}
		for _, step := range []struct{ set, want time.Duration }{{24 * time.Hour, 24 * time.Hour}, {48 * time.Hour, 48 * time.Hour}, {24 * time.Hour, 48 * time.Hour}} {
			if got := with(step.set); got != step.want {
				t.Errorf("set to %v it waits %v, want %v", step.set, got, step.want)
			}
		}
		if _, err := confirm.New(d.Parts, confirm.Settings{AddressHold: time.Hour}); err == nil {
			t.Error("an hour is taken")
		}
	})
}

// Nothing in the tables foretells a challenge or is a proof, and an erased account leaves no address behind.
func TestRowsHoldNoChallengeAndAreErased(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		i := d.asked(d.ask(laptop))
		options, err := d.Begin(ctx, by(phone), i.ID)
		d.Must(err)
		challenge := signintest.Challenge(options)
		raw, err := base64.RawURLEncoding.DecodeString(challenge)
		d.Must(err)
		var rows string
		d.Must(d.DB.View(ctx, func(tx *store.Tx) error {
			i, err := d.ByID(tx, phone.Account, i.ID)
			rows = fmt.Sprintf("%#v", i)
			return err
		}))
		if strings.Contains(rows, challenge) || strings.Contains(rows, fmt.Sprintf("%#v", raw)) {
			t.Error("a challenge that is open stands in the row")
		}
		d.Must(d.approve(phone, i.ID))
		d.asked(d.ask(laptop))
		d.Must(d.Contain.Erase(ctx, laptop.Cause(), laptop.Account))
		var left []string
		d.Must(d.DB.View(ctx, func(tx *store.Tx) error {
			rows, err := tx.Rows(`SELECT state, address, memo, evidence FROM confirm_intent`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var state, a, m, e string
				if err := rows.Scan(&state, &a, &m, &e); err != nil {
					return err
				}
				left = append(left, state+a+m+e)
			}
			return rows.Err()
		}))
		slices.Sort(left)
		if !slices.Equal(left, []string{"approved", "refused"}) || d.Count("confirm_address") != 0 {
			t.Errorf("left: %v", left)
		}
	})
}
