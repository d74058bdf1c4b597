package confirm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Begin returns request options whose challenge is a hash of every field of the intent. Whatever would refuse the
// answer refuses here, before the owner is asked to touch anything.
func (s *Service) Begin(ctx context.Context, by By, id string) (options []byte, err error) {
	var i Intent
	var o device.Offer
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		if i, err = s.ready(tx, by, id); err != nil {
			return err
		}
		if _, err = s.rule(tx, i, by, ""); err != nil {
			return err
		}
		if o, err = s.offer(tx, by); err == nil {
			err = o.Refusal
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Devices.BeginGiven(s.given(i), i.ExpiresAt.Sub(s.DB.Now()), o)
}

// ready is everything but the touch.
func (s *Service) ready(tx *store.Tx, by By, id string) (Intent, error) {
	if !session.Reaches(by.Session.ACR, session.ACRPhr) {
		return Intent{}, ErrPower
	}
	i, err := s.open(tx, by.Session.Account, id)
	if err != nil {
		return i, err
	}
	return i, s.allowed(tx, by.Session.Account)
}

// Enough says whether an approval from here could be enough, for a page that says so before it asks.
func (s *Service) Enough(tx *store.Tx, by By, i Intent) error {
	if !session.Reaches(by.Session.ACR, session.ACRPhr) {
		return ErrPower
	}
	if err := s.allowed(tx, by.Session.Account); err != nil {
		return err
	}
	if _, err := s.rule(tx, i, by, ""); err != nil {
		return err
	}
	o, err := s.offer(tx, by)
	if err != nil {
		return err
	}
	return o.Refusal
}

// offer is which keys may approve from here: a new one approves no payment for a day.
func (s *Service) offer(tx *store.Tx, by By) (device.Offer, error) {
	return s.Devices.Offer(tx, by.Session.Account, by.Session.Proved(), device.Act{Kind: device.ActConfirm})
}

func (s *Service) given(i Intent) device.Given {
	challenge, _ := s.challenge(i)
	return device.Given{Challenge: challenge, Act: device.Act{Kind: device.ActConfirm, Object: i.ID}, Account: account.ID(i.Account)}
}

// Approve takes the owner's touch. The challenge is computed again from the row; of any number of answers one decides.
func (s *Service) Approve(ctx context.Context, cause store.Cause, by By, id string, answer []byte) (i Intent, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		i, err = s.ready(tx, by, id)
		return err
	})
	if errors.Is(err, ErrExpired) {
		return i, s.ranOut(ctx, cause, id)
	}
	if err != nil {
		return i, err
	}
	touch, signature, err := s.Devices.ParseGiven(ctx, s.DB, s.given(i), by.Session.Proved(), answer)
	if err != nil {
		return i, err
	}
	evidence, err := evidenceOf(signature)
	if err != nil {
		return i, err
	}
	err = s.DB.Update(ctx, cause, func(tx *store.Tx) error {
		if i, err = s.ready(tx, by, id); errors.Is(err, ErrExpired) {
			return s.expire(tx, id)
		}
		if err != nil {
			return err
		}
		// The session may have been ended since the request was let in.
		ses, err := s.Sessions.ByID(tx, by.Session.Account, by.Session.ID)
		if err != nil {
			return err
		}
		if !ses.EndedAt.IsZero() {
			return session.ErrEnded
		}
		proof, err := s.Devices.ProveGiven(tx, touch)
		if err != nil {
			return err
		}
		if !proof.For(tx, by.Session.Account, device.Act{Kind: device.ActConfirm, Object: id}) {
			return device.ErrNotAccepted.Because(errors.New("a touch for something else"))
		}
		if i.Rule, err = s.rule(tx, i, by, proof.Grade()); err != nil {
			return err
		}
		err = tx.Row(sqlApprove, i.ID, i.Account, i.seal, store.Micros(tx.Now), string(by.Session.ID), string(proof.Key()), string(proof.Grade()), i.Rule, evidence).Scan(&i.Version)
		if errors.Is(err, store.ErrNoRows) {
			return ErrDecided
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(sqlUseAddress, i.Account, i.Asset, i.Network, i.Address, i.Memo, store.Micros(tx.Now)); err != nil {
			return err
		}
		i.State, i.DecidedAt, i.DecidedIn, i.Key, i.Grade, i.evidence = Approved, tx.Now, by.Session.ID, proof.Key(), proof.Grade(), evidence
		key, err := s.Devices.Key(tx, by.Session.Account, proof.Key())
		if err != nil {
			return err
		}
		p := about(i)
		p["agent"], p["key"], p["rule"] = by.Session.Agent.String(), key.Name, i.Rule
		return s.event(tx, "intent.approved", i, p)
	})
	return i, err
}

// Refuse says no, for good. Any live session of the account may: stopping needs no proof. Saying it twice is no error.
func (s *Service) Refuse(ctx context.Context, cause store.Cause, by session.Session, id string) error {
	return s.DB.Update(ctx, cause, func(tx *store.Tx) error {
		i, err := s.ByID(tx, by.Account, id)
		void := errors.Is(err, ErrVoid)
		switch {
		case void:
			// A row that was changed is refused all the more.
		case err != nil:
			return err
		case i.State == Refused:
			return nil
		case i.State == Expired:
			return ErrExpired
		case i.State == Approved:
			return ErrDecided.With("state", string(i.State))
		}
		err = tx.Row(sqlRefuse, id, string(by.Account), store.Micros(tx.Now), string(by.ID)).Scan(&i.Version)
		if errors.Is(err, store.ErrNoRows) {
			return ErrDecided
		}
		if err != nil {
			return err
		}
		if !void {
			// The address waits anew: it must not grow old on requests that its owner refused.
			if _, err := tx.Exec(sqlHoldAgain, i.Account, i.Asset, i.Network, i.Address, i.Memo, store.Micros(tx.Now.Add(s.set.AddressHold))); err != nil {
				return err
			}
		}
		p := about(i)
		p["agent"] = by.Agent.String()
		return s.event(tx, "intent.refused", i, p)
	})
}

// expire ends one that ran out, inside a transaction that refuses because of it: the end stays and so does the refusal.
func (s *Service) expire(tx *store.Tx, id string) error {
	var acc string
	var version int64
	err := tx.Row(sqlExpire, id, store.Micros(tx.Now)).Scan(&acc, &version)
	if errors.Is(err, store.ErrNoRows) {
		return ErrExpired // another was faster
	}
	if err != nil {
		return err
	}
	i, err := scan(tx.Row(sqlIntent, id, acc), tx.Now)
	if err != nil {
		return err
	}
	if err := s.event(tx, "intent.expired", i, about(i)); err != nil {
		return err
	}
	return store.CommitWith(ErrExpired)
}

func (s *Service) ranOut(ctx context.Context, cause store.Cause, id string) error {
	return s.DB.Update(ctx, cause, func(tx *store.Tx) error { return s.expire(tx, id) })
}

// Expire ends what ran out without an answer. Run it now and then: nothing waits for it, since time is asked with
// every decision; it is for the owner's history.
func (s *Service) Expire(ctx context.Context) error {
	var ids []string
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		ids = nil
		rows, err := tx.Rows(sqlRanOut, store.Micros(tx.Now), expireAtOnce)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	for _, id := range ids {
		if err == nil {
			err = s.ranOut(ctx, store.Cause{Actor: "system:confirm"}, id)
		}
		if errors.Is(err, ErrExpired) {
			err = nil
		}
	}
	return err
}

// Run ends what ran out, until ctx ends.
func (s *Service) Run(ctx context.Context, report func(error)) {
	t := time.NewTicker(expireEvery)
	defer t.Stop()
	for {
		if err := s.Expire(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// evidenceOf is the JSON that package executor reads.
func evidenceOf(sig device.Signature) (string, error) {
	text := base64.RawURLEncoding.EncodeToString
	m := map[string]string{"credential_id": text(sig.CredentialID), "public_key": text(sig.PublicKey)}
	if sig.Kind == device.Phone {
		m["type"], m["statement"] = "phone", sig.Statement
	} else {
		m["type"], m["authenticator_data"], m["client_data_json"], m["signature"] = "webauthn", text(sig.Authenticator), text(sig.Client), text(sig.Signed)
	}
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxEvidence {
		err = fmt.Errorf("confirm: evidence of %d bytes", len(b))
	}
	return string(b), err
}
