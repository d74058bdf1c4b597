package confirm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
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
// proof back, and so does the end of what it was approved with: what was not fetched does not leave.
func (s *Service) Answer(ctx context.Context, client, id string) (a Answer, err error) {
	good := false
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		if a.Intent, err = s.found(tx, tx.Row(sqlOfClient, id, client)); err != nil || a.State != Approved {
			return err
		}
		if err := s.allowed(tx, account.ID(a.Account)); err != nil {
			return err
		}
		a.Until = a.DecidedAt.Truncate(time.Second).Add(Life)
		if good = tx.Now.Before(a.Until); !good {
			return nil
		}
		return s.stands(tx, a.Intent)
	})
	if err != nil || !good {
		return a, err
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

// stands refuses an approval whose key, device or session is gone, or whose key was enough only by what it was thought to be: whoever removes a lost phone within these two minutes
// says that what came from it was not theirs. A session that its owner left, or that time ended, takes nothing back.
func (s *Service) stands(tx *store.Tx, i Intent) error {
	acc := account.ID(i.Account)
	gone := func(why string) error { return ErrWithdrawn.Because(errors.New(why)) }
	key, err := s.Devices.Key(tx, acc, i.Key)
	switch {
	case errors.Is(err, device.ErrKeyUnknown) || err == nil && !key.RemovedAt.IsZero():
		return gone("the key was removed")
	case err != nil:
		return err
	case i.Rule == RuleHardware && key.Grade != device.Hardware:
		return gone("the key is worth less than it was")
	}
	ses, err := s.Sessions.ByID(tx, acc, i.DecidedIn)
	switch {
	case errors.Is(err, session.ErrUnknown):
		return gone("the session is forgotten")
	case err != nil:
		return err
	}
	switch ses.EndedWhy {
	case "", session.EndedSignOut, session.EndedReplaced, session.EndedCrowded, session.EndedIdle, session.EndedAbsolute:
	default:
		return gone("the session was ended: " + ses.EndedWhy)
	}
	if _, err = s.Devices.Device(tx, acc, ses.Device); errors.Is(err, device.ErrUnknown) {
		return gone("the device was removed")
	}
	return err
}
