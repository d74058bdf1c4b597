package confirm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"keyward/internal/account"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Detail is the withdrawal as RFC 9396 names it: the fields of the type keyward_withdrawal, which apps ask with too.
type Detail struct {
	Type    string `json:"type"`
	Asset   string `json:"asset"`
	Network string `json:"network"`
	Amount  string `json:"amount"`
	MaxFee  string `json:"max_fee,omitempty"`
	Address string `json:"address"`
	Memo    string `json:"memo,omitempty"`
}

// Answer is what a back end hears: how far its intent is, and the proof while there is one.
type Answer struct {
	Intent
	Proof string    // a JWT; "" unless it is approved and still good
	Until time.Time // when the proof ends
}

// String keeps the proof out of logs.
func (a Answer) String() string   { return "answer to " + a.ID }
func (a Answer) GoString() string { return a.String() }

// Answer is for the back end that asked, and for no other. A freeze or a hold that came after the approval keeps the
// proof back: what was not fetched does not leave.
func (s *Service) Answer(ctx context.Context, client, id string) (a Answer, err error) {
	var now time.Time
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		now = tx.Now
		if a.Intent, err = s.found(tx, tx.Row(sqlOfClient, id, client)); err != nil {
			return err
		}
		if a.State == Approved {
			return s.allowed(tx, account.ID(a.Account))
		}
		return nil
	})
	if err != nil || a.State != Approved {
		return a, err
	}
	a.Until = a.DecidedAt.Truncate(time.Second).Add(Life)
	if !now.Before(a.Until) {
		return a, nil
	}
	_, nonce := s.challenge(a.Intent)
	text := base64.RawURLEncoding.EncodeToString
	a.Proof, err = s.Mint.Money(session.MoneyClaims{
		Subject: a.Account, Audience: client, ID: a.ID, Approved: a.DecidedAt.Unix(), Expires: a.Until.Unix(),
		Details: []Detail{{"keyward_withdrawal", a.Asset, a.Network, a.Amount, a.MaxFee, a.Address, a.Memo}},
		Intent:  text(a.CBOR()), Nonce: text(nonce[:]), Grade: string(a.Grade), Rule: a.Rule, Evidence: json.RawMessage(a.evidence),
	})
	return a, err
}
