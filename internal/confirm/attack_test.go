package confirm_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/executor"
	"keyward/internal/attest"
	"keyward/internal/confirm"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// Ways around what an approval takes, one by one.

// hardwarePerson has a key whose maker vouches for it.
func (d *desk) hardwarePerson() *signintest.Person {
	d.T.Helper()
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
	return p.In()
}

// A private window beside the owner's own browser is a device of today. What it asks for is not approved by the browser
// next to it as by a second device: else one machine would be two.
func TestAPrivateWindowMakesNoSecondDevice(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		laptop, phone := d.two()
		window := laptop.Elsewhere().In() // the same machine, the same passkey, no cookies
		i := d.asked(d.ask(window))
		err := d.approve(laptop, i.ID)
		if got := needs(err); !errors.Is(err, confirm.ErrNotEnough) || got != "ask_from_known_device add_hardware_key" {
			t.Errorf("the browser beside the window: %q (%v)", got, err)
		}
		large := d.ask(window)
		large.Amount = "3"
		err = d.approve(phone, d.asked(large).ID)
		if got := needs(err); !errors.Is(err, confirm.ErrNotEnough) || got != "ask_from_known_device" {
			t.Errorf("a large amount that a device of today asked for: %q (%v)", got, err)
		}
		// A day later its owner has had a mail about it, and a day to say that it is not theirs.
		d.Clock.Sleep(24 * time.Hour)
		window.In()
		d.Must(d.approve(laptop.In(), d.asked(d.ask(window)).ID))

		// One that was removed since it asked is none at all.
		i = d.asked(d.ask(window))
		laptop.Touch(device.ActDevicesRemove, string(window.Session().Device))
		_, err = d.Contain.RemoveDevice(context.Background(), laptop.Cause(), laptop.Session(), window.Session().Device, contain.Keep{})
		d.Must(err)
		d.Refused(d.approve(phone.In(), i.ID), confirm.ErrNotEnough)
	})
}

// What was approved and not fetched does not leave when its owner says, within those two minutes, that it was not theirs.
func TestAnApprovalEndsWithWhatItWasGivenWith(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		for name, end := range map[string]func(laptop, phone *signintest.Person){
			"its device was removed": func(laptop, phone *signintest.Person) {
				id := phone.Session().Device
				laptop.Touch(device.ActDevicesRemove, string(id))
				_, err := d.Contain.RemoveDevice(ctx, laptop.Cause(), laptop.Session(), id, contain.Keep{})
				d.Must(err)
			},
			"its device was removed after a sign-out": func(laptop, phone *signintest.Person) {
				ses := phone.Session()
				_, err := d.Contain.EndSession(ctx, phone.Cause(), ses, ses.ID)
				d.Must(err)
				laptop.Touch(device.ActDevicesRemove, string(ses.Device))
				_, err = d.Contain.RemoveDevice(ctx, laptop.Cause(), laptop.Session(), ses.Device, contain.Keep{})
				d.Must(err)
			},
			"its session was not the owner": func(laptop, phone *signintest.Person) {
				_, err := d.Contain.NotMe(ctx, laptop.Cause(), laptop.Session(), phone.Session().ID)
				d.Must(err)
			},
			"its session was ended from elsewhere": func(laptop, phone *signintest.Person) {
				_, err := d.Contain.EndSession(ctx, laptop.Cause(), laptop.Session(), phone.Session().ID)
				d.Must(err)
			},
			"all others were ended": func(laptop, phone *signintest.Person) {
				laptop.Touch(device.ActSessionsEndAll, "")
				_, err := d.Contain.EndOthers(ctx, laptop.Cause(), laptop.Session())
				d.Must(err)
			},
			"its key was removed": func(laptop, _ *signintest.Person) {
				first := laptop.ListKeys()[0].ID
				laptop.SecondKey()
				laptop.Touch(device.ActKeysRemove, string(first))
				_, err := d.Contain.RemoveKey(ctx, laptop.Cause(), laptop.Session(), first)
				d.Must(err)
			},
		} {
			laptop, phone := d.two()
			i := d.asked(d.ask(laptop))
			d.Must(d.approve(phone, i.ID))
			d.proof(i.ID)
			end(laptop, phone)
			a, err := d.Answer(ctx, client, i.ID)
			if !errors.Is(err, confirm.ErrWithdrawn) || a.Proof != "" {
				t.Errorf("%s: %v, a proof of %d bytes", name, err, len(a.Proof))
			}
			// Afterwards it is history, whatever becomes of the device.
			d.Clock.Sleep(confirm.Life)
			if a, err := d.Answer(ctx, client, i.ID); err != nil || a.State != confirm.Approved || a.Proof != "" {
				t.Errorf("%s, two minutes later: %v %v", name, a.State, err)
			}
		}

		// Whoever signs out after approving takes nothing back.
		laptop, phone := d.two()
		i := d.asked(d.ask(laptop))
		d.Must(d.approve(phone, i.ID))
		_, err := d.Contain.EndSession(ctx, phone.Cause(), phone.Session(), phone.Session().ID)
		d.Must(err)
		d.proof(i.ID)
	})
}

// A key whose maker lost control of it approved by what it was thought to be, in a session that another key had opened.
func TestAnApprovalEndsWithTheGradeThatMadeItEnough(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		revoked := func(serial string) device.Lists {
			list, err := attest.ParseRevoked([]byte(`{"entries":{"` + serial + `":{"status":"REVOKED","reason":"KEY_COMPROMISE"}}}`))
			d.Must(err)
			return device.Lists{Revoked: list}
		}
		d.Devices.UseLists(revoked("1"))
		p := d.Person()
		keys := &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: signintest.Maker, Local: true, Phone: func(c []byte) softkey.Android {
			return softkey.Phone(c, "com.google.android.gms", [32]byte{9})
		}}
		_, err := p.Touch(device.ActKeysAdd, "").AddKey(keys, "Phone")
		d.Must(err)
		d.Clock.Sleep(25 * time.Hour)
		p.In()
		i := d.asked(d.ask(p))
		hand := p.At(d.World)
		hand.Keys = keys
		d.Must(d.approve(hand, i.ID))
		d.proof(i.ID)
		bad := revoked(signintest.Maker.Middle().SerialNumber.Text(16))
		d.Devices.UseLists(bad)
		n, err := d.Contain.Regrade(ctx, bad)
		d.Must(err)
		if a, err := d.Answer(ctx, client, i.ID); n.Fell != 1 || !errors.Is(err, confirm.ErrWithdrawn) || a.Proof != "" {
			t.Errorf("%d fell; %v", n.Fell, err)
		}
		p.Session() // which goes on
	})
}

// An approval and the removal of the device it comes from, at once: whichever was first, no proof is left.
func TestARemovalAndAnApprovalAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		for range 4 {
			laptop, phone := d.two()
			i := d.asked(d.ask(laptop))
			answer, err := d.touch(phone, i.ID)
			d.Must(err)
			from, here := by(phone), laptop.Session()
			laptop.Touch(device.ActDevicesRemove, string(from.Session.Device))
			var all sync.WaitGroup
			var removed error
			all.Go(func() { _, _ = d.Approve(ctx, phone.Cause(), from, i.ID, answer) })
			all.Go(func() {
				_, removed = d.Contain.RemoveDevice(ctx, laptop.Cause(), here, from.Session.Device, contain.Keep{})
			})
			all.Wait()
			d.Must(removed)
			if a, err := d.Answer(ctx, client, i.ID); a.Proof != "" || a.State == confirm.Approved && !errors.Is(err, confirm.ErrWithdrawn) {
				t.Errorf("%v %v", a.State, err)
			}
		}
	})
}

// A limit on one withdrawal would be none for who asks twenty times.
func TestManySmallOnesAreALargeOne(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, _ := d.two()
		small := d.ask(laptop)
		small.Amount = "0.004"
		d.Must(d.Refuse(ctx, laptop.Cause(), laptop.Session(), d.asked(small).ID))
		d.Clock.Sleep(25 * time.Hour)
		laptop.In()
		again := func(change ...func(*confirm.Ask)) error {
			a := small
			a.Session = laptop.Session().ID
			for _, f := range change {
				f(&a)
			}
			i := d.asked(a)
			err := d.approve(laptop, i.ID)
			if err != nil {
				d.Must(d.Refuse(ctx, laptop.Cause(), laptop.Session(), i.ID))
			}
			return err
		}
		first := d.Clock.Now()
		d.Must(again())
		d.Clock.Sleep(time.Hour)
		laptop.In()
		d.Must(again())
		err := again() // 0.012 together
		if got := needs(err); !errors.Is(err, confirm.ErrNotEnough) || got != "use_second_device wait add_hardware_key" {
			t.Errorf("a third: %q (%v)", got, err)
		}
		if until := extra(err, "until"); until != first.Add(24*time.Hour).Format(time.RFC3339) {
			t.Errorf("until %v, a day after the first at %v", until, first)
		}
		d.Must(again(func(a *confirm.Ask) { a.Amount = "0.002" })) // exactly what is left
		d.Refused(again(func(a *confirm.Ask) { a.Amount = "0.00000001" }), confirm.ErrNotEnough)
		d.Clock.Sleep(23 * time.Hour)
		laptop.In()
		d.Must(again())
	})
}

func TestManyBelowTheLargeAmountTakeASecondDevice(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		p := d.hardwarePerson()
		phone := p.Elsewhere()
		phone.Keys = p.Keys
		phone.In()
		d.Clock.Sleep(25 * time.Hour)
		p.In()
		phone.In()
		a := d.ask(p)
		a.Amount = "1.5"
		d.Must(d.approve(p, d.asked(a).ID))
		// Two at once, each of which fits beside the first and not beside the other.
		a.Amount = "0.4"
		one, two := d.asked(a), d.asked(a)
		var answers [2][]byte
		for n, id := range []string{one.ID, two.ID} {
			var err error
			answers[n], err = d.touch(p, id)
			d.Must(err)
		}
		from := by(p)
		var all sync.WaitGroup
		var errs [2]error
		for n, id := range []string{one.ID, two.ID} {
			all.Go(func() { _, errs[n] = d.Approve(ctx, p.Cause(), from, id, answers[n]) })
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs[:]...), confirm.ErrNotEnough) {
			t.Errorf("two that are too much together: %v", errs)
		}
		for _, id := range []string{one.ID, two.ID} {
			_ = d.Refuse(ctx, p.Cause(), p.Session(), id)
		}
		err := d.approve(p, d.asked(a).ID)
		if got := needs(err); !errors.Is(err, confirm.ErrNotEnough) || got != "use_second_device" {
			t.Errorf("2.3 in a day: %q (%v)", got, err)
		}
		a.Amount = "30"
		d.Must(d.approve(phone, d.asked(a).ID)) // seen there, and counts for nothing here
		nowhere := d.ask(p)
		nowhere.Session, nowhere.Amount = "", "0.4"
		if _, err := d.Create(ctx, backEnd, nowhere); err == nil || !strings.Contains(err.Error(), "bad_request") {
			t.Errorf("from nowhere, too much with the others: %v", err)
		}
		d.Clock.Sleep(25 * time.Hour)
		p.In()
		a = d.ask(p)
		a.Amount = "1.9"
		d.Must(d.approve(p, d.asked(a).ID))
	})
}

// The ticker in other letters has no other limit upwards, and none of its own downwards.
func TestALimitIsNotWalkedAroundByTheLettersOfATicker(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p := d.hardwarePerson()
		d.Clock.Sleep(25 * time.Hour)
		p.In()
		for _, asset := range []string{"btc", "Btc"} {
			a := d.ask(p)
			a.Asset, a.Amount = asset, "2.5"
			i := d.asked(a)
			if err := d.approve(p, i.ID); !errors.Is(err, confirm.ErrNotEnough) {
				t.Errorf("2.5 %s with a key that is not enough for 2.5 BTC: %v", asset, err)
			}
			d.Must(d.Refuse(context.Background(), p.Cause(), p.Session(), i.ID))
		}
		laptop, _ := d.two()
		a := d.ask(laptop)
		a.Asset, a.Amount = "btc", "0.001"
		d.asked(a)
		d.Clock.Sleep(25 * time.Hour)
		laptop.In()
		a.Session = laptop.Session().ID
		err := d.approve(laptop, d.asked(a).ID)
		if got := needs(err); strings.Contains(got, "wait") || !errors.Is(err, confirm.ErrNotEnough) {
			t.Errorf("a small amount of what has no small amount: %q (%v)", got, err)
		}
	})
}

// An address that its owner refused does not become one that small amounts go to because a day went by.
func TestARefusedAddressWaitsAnew(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, _ := d.two()
		ask := func(to string) confirm.Intent {
			a := d.ask(laptop)
			a.Amount, a.Address = "0.001", to
			return d.asked(a)
		}
		const thief, friend = "bc1qthief", "bc1qfriend"
		ask(thief)
		ask(friend)
		d.Clock.Sleep(23 * time.Hour)
		laptop.In()
		d.Must(d.Refuse(ctx, laptop.Cause(), laptop.Session(), ask(thief).ID))
		d.Clock.Sleep(2 * time.Hour)
		laptop.In()
		err := d.approve(laptop, ask(thief).ID)
		if got := needs(err); !errors.Is(err, confirm.ErrNotEnough) || !strings.Contains(got, "wait") {
			t.Errorf("25 hours after it was first asked for, 2 after it was refused: %q (%v)", got, err)
		}
		// One that was paid before keeps its age: a slip of the finger is no reason.
		d.Must(d.approve(laptop, ask(friend).ID))
		d.Must(d.Refuse(ctx, laptop.Cause(), laptop.Session(), ask(friend).ID))
		d.Must(d.approve(laptop, ask(friend).ID))
	})
}

// Other letters, another network, another asset or memo begin anew; nothing takes over the age of an address.
func TestNoOtherSpellingHasTheAgeOfAnAddress(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		laptop, _ := d.two()
		a := d.ask(laptop)
		a.Amount, a.Asset, a.Network, a.Address = "0.5", "ETH", "ethereum", "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B"
		d.Must(d.Refuse(context.Background(), laptop.Cause(), laptop.Session(), d.asked(a).ID))
		d.Clock.Sleep(25 * time.Hour)
		laptop.In()
		a.Session = laptop.Session().ID
		for name, change := range map[string]func(*confirm.Ask){
			"case":    func(a *confirm.Ask) { a.Address = strings.ToLower(a.Address) },
			"network": func(a *confirm.Ask) { a.Network = "Ethereum" },
			"memo":    func(a *confirm.Ask) { a.Memo = "1" },
		} {
			b := a
			change(&b)
			i := d.asked(b)
			if err := d.approve(laptop, i.ID); !strings.Contains(needs(err), "wait") || i.To.Uses != 0 {
				t.Errorf("another %s: %v", name, err)
			}
			d.Must(d.Refuse(context.Background(), laptop.Cause(), laptop.Session(), i.ID))
		}
		d.Must(d.approve(laptop, d.asked(a).ID))
	})
}

// Eight at once are three.
func TestNoMoreWaitThanMayWait(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		a := d.ask(d.Person())
		var all sync.WaitGroup
		var errs [8]error
		for n := range errs {
			all.Go(func() { _, errs[n] = d.Create(context.Background(), backEnd, a) })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if won > 3 || d.Count("confirm_intent") != won {
			t.Errorf("%d wait: %v", won, errs)
		}
	})
}

// An owner's mailbox is not buried in notices of new addresses, under which another one would not be seen.
func TestNewAddressesBuryNoMailbox(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p := d.Person()
		var errs []error
		for n := range 53 {
			a := d.ask(p)
			a.Memo, a.Life = fmt.Sprint(n), 30*time.Second
			_, err := d.Create(context.Background(), backEnd, a)
			if errs = append(errs, err); n%3 == 2 {
				d.Clock.Sleep(31 * time.Second)
				d.Must(p.Refresh())
			}
		}
		if errors.Join(errs[:50]...) != nil || !errors.Is(errs[50], edge.E("rate_limited")) || d.Count("confirm_address") != 50 || d.Count("confirm_intent") != 50 {
			t.Errorf("%d addresses, the last answers %v", d.Count("confirm_address"), errs[48:])
		}
		a := d.ask(p)
		a.Memo = "7"
		d.asked(a) // known ones are asked for as before
		d.Clock.Sleep(24 * time.Hour)
		p.In()
		a = d.ask(p)
		a.Memo = "tomorrow"
		d.asked(a)
	})
}

// The touch of one account's owner, and the ids of another's, over every call.
func TestOthersHearNothing(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		laptop, phone := d.two()
		stranger, beside := d.two()
		laptop.In()
		phone.In()
		i := d.asked(d.ask(laptop))
		mine := d.asked(d.ask(stranger))
		for _, id := range []string{i.ID, "int_01jd8f00000000000000000000", "", strings.ToUpper(i.ID)} {
			_, err := d.Begin(ctx, by(beside), id)
			d.Refused(err, confirm.ErrUnknown)
			_, err = d.Approve(ctx, beside.Cause(), by(beside), id, []byte("{}"))
			d.Refused(err, confirm.ErrUnknown)
			d.Refused(d.Refuse(ctx, stranger.Cause(), stranger.Session(), id), confirm.ErrUnknown)
			_, err = d.Answer(ctx, "other", id)
			d.Refused(err, confirm.ErrUnknown)
		}
		// The owner's own touch, carried to an intent of somebody else's.
		answer, err := d.touch(phone, i.ID)
		d.Must(err)
		_, err = d.Approve(ctx, beside.Cause(), by(beside), mine.ID, answer)
		d.Refused(err, device.ErrNotAccepted)
		if d.state(i.ID) != confirm.Pending || d.state(mine.ID) != confirm.Pending {
			t.Error("decided")
		}
	})
}

// What an executor is told is the withdrawal that was asked for, also where two spellings look alike on a screen.
func TestMemosThatLookAlike(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p := d.Person()
		for name, memo := range map[string]string{
			"a selector that draws nothing": "123\ufe0f", "another, from above": "123\U000e0100", "of Mongolian": "123\u180b", "a vowel that is not drawn": "\u17b4123",
			"two blanks, which a page draws as one": "12  3", "a mark on nothing": "\u0301123", "marks over the line above": "1" + strings.Repeat("\u030d", 60),
			"a filler": "\u115f123", "a join that is not seen": "12\u200d3", "a soft hyphen": "12\u00ad3", "from right to left": "\u200f123",
		} {
			a := d.ask(p)
			a.Memo = memo
			if _, err := d.Create(context.Background(), backEnd, a); err == nil || !strings.Contains(err.Error(), "bad_request") {
				t.Errorf("%s: %v", name, err)
			}
			if (executor.Withdrawal{Account: "acc_1", Asset: "BTC", Network: "bitcoin", Amount: "1", Address: address, Memo: memo}).Check() == nil {
				t.Errorf("%s: an executor takes it", name)
			}
		}
		for _, memo := range []string{"Rent, March", "집세 3월", "Tiền nhà", "Tiê\u0300n", "שכר דירה", "ค่าเช่า", "१२ किराया"} {
			a := d.ask(d.Person())
			a.Memo = memo
			d.asked(a)
		}
	})
}
