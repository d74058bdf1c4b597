package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"keyward/internal/notify"
)

// money: a withdrawal that Mina began on her laptop leaves when she approved it on her
// phone, letter by letter, and once.
func money() []step {
	sends := func(change func(*payout)) func(context.Context, *story) (*answer, error) {
		return func(ctx context.Context, s *story) (*answer, error) {
			o := s.paid
			change(&o)
			return s.payer.pays(ctx, o)
		}
	}
	as := func(*payout) {}
	return []step{
		{"exchange", "sends money that nobody approved", want{403, "not_approved", ""}, func(ctx context.Context, s *story) (*answer, error) {
			s.paid = rent()
			var me struct{ Account struct{ ID string } }
			a, err := s.phone.api(ctx, http.MethodGet, "/session", nil)
			if err := well(a, err); err != nil {
				return a, err
			}
			if err := a.into(&me); err != nil {
				return a, err
			}
			s.paid.Account = me.Account.ID
			return s.payer.pays(ctx, s.paid)
		}},
		{"exchange", "asks for Mina's approval of what she began on her laptop", want{201, "", "0.25 BTC, two minutes"}, func(ctx context.Context, s *story) (*answer, error) {
			a, i, err := s.payer.asks(ctx, s.paid, s.paid.Account, s.laptop.sid())
			s.intent = i.ID
			return a, err
		}},
		{"laptop", "approves it with the passkey that all her devices share", want{403, "confirmation_not_enough", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.laptop.confirms(ctx, s.intent)
		}},
		{"phone", "sees it among what waits, with the whole address", want{200, "", "nothing shortened"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.api(ctx, http.MethodGet, "/approvals", nil)
			return a, errors.Join(err, seen(a, ownAddress), seen(a, s.intent))
		}},
		{"phone", "approves it with the key that cannot leave it", want{200, "", "approved"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.approves(ctx, s.android, s.intent)
		}},
		{"phone", "approves it once more", want{409, "intent_decided", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodPost, "/approvals/"+s.intent+"/begin", nil)
		}},
		{"exchange", "fetches the proof", want{200, "", "the owner's own signature in it"}, func(ctx context.Context, s *story) (*answer, error) {
			a, i, err := s.payer.fetches(ctx, s.intent)
			s.paid.Proof = i.Proof
			s.names.of("EXCHANGE", "proof", i.Proof)
			if err == nil && (i.Rule != "hardware" || i.Proof == "") {
				err = fmt.Errorf("state %q by rule %q", i.State, i.Rule)
			}
			return a, err
		}},
		{"thief", "inside the exchange changes the amount", want{403, "other_withdrawal", ""}, sends(func(o *payout) { o.Amount = "2.5" })},
		{"thief", "changes the address", want{403, "other_withdrawal", ""}, sends(func(o *payout) { o.Address = thiefAddress })},
		{"exchange", "sends what she approved", want{200, "", "0.25 BTC to her address"}, sends(as)},
		{"thief", "has it sent again", want{409, "already_sent", ""}, sends(as)},
		told(notify.IntentApproved),
	}
}
