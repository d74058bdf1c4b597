package session

import (
	"errors"
	"testing"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

func TestWhoMayStartASession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		kim, lee := w.person(), w.person()
		var old device.Proof // good in a transaction that is over
		for _, row := range []struct {
			name string
			act  device.Act
			edit func(b *Begin)
			want error
		}{
			{"with a touch for signing in", device.Act{Kind: device.ActSignIn}, func(b *Begin) { old = *b.Proof }, nil},
			{"to be remembered without a key", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Remember = true }, ErrUnbound},
			{"as an app without a key", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Kind = API }, ErrUnbound},
			{"with a touch that was for something else", device.Act{Kind: device.ActFreezeLift}, func(*Begin) {}, ErrNotSignedIn},
			{"with a touch of somebody else", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Account = lee.acc.ID }, ErrNotSignedIn},
			{"with a touch of an earlier transaction", device.Act{Kind: device.ActSignIn}, func(b *Begin) { *b.Proof = old }, ErrNotSignedIn},
			{"with a touch and a code at once", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Code = true }, ErrNotSignedIn},
			{"with neither", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Proof = nil }, ErrNotSignedIn},
			{"with a touch that proves nothing", device.Act{Kind: device.ActSignIn}, func(b *Begin) { *b.Proof = device.Proof{} }, ErrNotSignedIn},
		} {
			as := kim.touch(row.act, "somewhere")
			err := w.update("session.started", kim.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
				proof, err := w.devices.Prove(tx, as)
				if err != nil {
					return nil, err
				}
				b := Begin{Account: kim.acc.ID, Device: kim.dev.ID, Kind: Web, Proof: &proof, Addr: home, Agent: firefox}
				row.edit(&b)
				_, effects, err := w.s.Start(tx, b)
				return effects, err
			})
			if !errors.Is(err, row.want) {
				t.Errorf("%s: got %v, want %v", row.name, err, row.want)
			}
		}
	})
}

// A recovery code opens a session that no touch lifts: it never adds a key.
func TestACodeSessionIsNeverRaised(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		c := &client{p: p, w: w, addr: home}
		w.must(w.update("codes.used", p.acc.ID, func(tx *store.Tx) (effects []audit.Effect, err error) {
			c.iss, effects, err = w.s.Start(tx, Begin{Account: p.acc.ID, Device: p.dev.ID, Kind: Web, Code: true, Addr: home, Agent: firefox})
			return effects, err
		}))
		if ses := c.session(); ses.ACR != ACRFallback || ses.Key != "" {
			t.Fatalf("a code gave %s and key %q", ses.ACR, ses.Key)
		}
		_, err := c.stepUp("")
		w.refused(err, ErrWeak)
		if ses := c.session(); ses.ACR != ACRFallback {
			t.Errorf("a touch raised it to %s", ses.ACR)
		}
		w.must(c.refresh())
	})
}

func TestACRLadder(t *testing.T) {
	for _, row := range []struct {
		name      string
		has, want string
		reaches   bool
	}{
		{"a passkey reaches what a passkey must", ACRPhr, ACRPhr, true},
		{"attested hardware reaches that too", ACRPhrh, ACRPhr, true},
		{"a passkey is no attested hardware", ACRPhr, ACRPhrh, false},
		{"a recovery code is no passkey", ACRFallback, ACRPhr, false},
		{"the exchange's word is no passkey", ACRLegacy, ACRPhr, false},
		{"a word we do not know reaches nothing", "phishing-resistant", ACRFallback, false},
		{"nothing reaches a word we do not know", ACRPhrh, "phrhh", false},
	} {
		if got := Reaches(row.has, row.want); got != row.reaches {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}
