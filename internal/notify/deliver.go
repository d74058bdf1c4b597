package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/job"
	"keyward/internal/store"
)

// ready is a mail whose receiver is settled.
type ready struct {
	letter
	to string
}

// moot is why nothing is sent. It is an answer and not a failure.
type moot string

func (m moot) Error() string { return "notify: nothing to send: " + string(m) }

const (
	mootErased    moot = "the event was erased"
	mootGone      moot = "the address was removed"
	mootWithdrawn moot = "the address was removed before it was confirmed"
	mootVerified  moot = "the address is confirmed already"
	mootUnowned   moot = "nobody has confirmed this address"
	mootClosed    moot = "the account is closed"
)

// Deliver is the handler of mail jobs. It reads everything now: whoever confirmed
// or lost an address since the event decides what is said to it. A crash after
// the server took the mail and before that is written sends it again, under the
// same Message-ID; everything else happens once.
func (s *Service) Deliver(ctx context.Context, payload []byte) error {
	var o order
	if err := json.Unmarshal(payload, &o); err != nil {
		return &job.Failure{Text: "unreadable mail order", Final: true}
	}
	r, err := s.prepare(ctx, &o)
	var why moot
	switch {
	case errors.As(err, &why):
		return s.drop(ctx, o, why)
	case err != nil:
		return err
	}
	state := State("")
	if err := s.DB.Housekeeping(ctx, func(tx *store.Tx) (err error) {
		state, err = s.claim(tx, o, r)
		return err
	}); err != nil || state != stateTrying {
		return err
	}
	m, err := s.compose(o, r)
	if err != nil {
		return &job.Failure{Text: "the mail cannot be written", Cause: err, Final: true}
	}
	return s.settle(ctx, o, s.Mailer.Send(ctx, m))
}

// settle writes down what became of a mail. It does so although ctx may be
// over: what was sent must not be sent again because we were told to stop.
func (s *Service) settle(ctx context.Context, o order, sent error) error {
	refused, final := refusal(sent)
	if sent != nil && !final {
		return &job.Failure{Text: "the mail server did not take the mail now", Cause: sent}
	}
	state, detail := stateSent, ""
	if final {
		state, detail = stateRefused, refused.Error()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.DB.Housekeeping(end, func(tx *store.Tx) error { return s.close(tx, o, state, detail) }); err != nil {
		return err
	}
	if final {
		return &job.Failure{Text: detail, Final: true}
	}
	return nil
}

// drop records that there is nothing to say any more.
func (s *Service) drop(ctx context.Context, o order, why moot) error {
	if o.Ask != nil {
		return nil // whether the typed address has an owner is written nowhere
	}
	return s.DB.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := s.open(tx, o, stateMoot, string(why))
		if err == nil && n == 0 {
			err = s.close(tx, o, stateMoot, string(why))
		}
		return err
	})
}

func (s *Service) compose(o order, r ready) (Message, error) {
	subject, text, html, err := r.render()
	return Message{
		ID: s.messageID(o.ID), Date: s.DB.Now().UTC(), FromName: r.brand, To: r.to,
		Subject: subject, Text: text, HTML: html,
	}, err
}

// prepare settles to whom the mail goes and what it may say. It may change the
// kind of the order: an address that has an owner gets the owner's mail.
func (s *Service) prepare(ctx context.Context, o *order) (r ready, err error) {
	r.payload = map[string]string{}
	if o.Ask != nil {
		r.at, r.addr, r.request, r.event = store.Time(o.Ask.At), o.Ask.Addr, o.Ask.Request, o.Event
		r.payload["agent"] = o.Ask.Agent
	} else {
		rec, err := s.Log.ByID(ctx, s.DB, o.Event)
		if err != nil {
			return r, err
		}
		if rec.Erased {
			return r, mootErased
		}
		r.at, r.addr, r.request, r.event, r.payload = rec.At, rec.Addr, rec.Request, rec.ID, rec.Payload
	}
	gone := ""
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		gone = ""
		switch o.Kind {
		case FreezeLink:
			err = s.prepareFreeze(tx, o, &r)
		case SignUpCheck, ContactCheck:
			err = s.prepareCheck(tx, o, &r)
		case ContactGone:
			gone = r.payload["mail"]
			err = s.prepareNotice(tx, o, &r, gone)
		default:
			err = s.prepareNotice(tx, o, &r, "")
		}
		return err
	})
	if err == mootGone {
		return s.followAddress(ctx, o, r)
	}
	r.kind = o.Kind
	return r, err
}

// prepareNotice is for what happened to an account: to a confirmed address of
// it, or to one it had until now.
func (s *Service) prepareNotice(tx *store.Tx, o *order, r *ready, gone string) error {
	acc, err := s.Accounts.ByID(tx, account.ID(o.Account))
	if err != nil {
		return err
	}
	r.owner(s, acc, tx.Now)
	if gone != "" {
		// The phrase proves to the owner that a mail is ours. This address may have
		// been removed because somebody else reads it.
		r.to, r.phrase = gone, ""
		return nil
	}
	c, ok, err := s.contact(tx, acc.ID, o.Contact)
	switch {
	case err != nil:
		return err
	case !ok || !c.Verified():
		return mootGone
	}
	r.to = c.Value
	return nil
}

// followAddress finds an address that was removed after the notice was ordered.
// A thief adds a key and then removes the owner's address: the first mail must
// still reach it, and no row kept the address but the event of its removal.
func (s *Service) followAddress(ctx context.Context, o *order, r ready) (ready, error) {
	const pages, each = 5, 100
	before := ""
	for range pages {
		recs, err := s.Log.Activity(ctx, s.DB, o.Account, before, each)
		if err != nil {
			return r, err
		}
		for _, rec := range recs {
			if rec.Action == "contact.removed" && rec.Target == o.Contact && rec.Payload["mail"] != "" {
				err := s.DB.View(ctx, func(tx *store.Tx) error {
					return s.prepareNotice(tx, o, &r, rec.Payload["mail"])
				})
				r.kind = o.Kind
				return r, err
			}
		}
		if len(recs) < each {
			break
		}
		before = recs[len(recs)-1].ID
	}
	return r, mootGone
}

// prepareCheck is for an address nobody has confirmed for this account. When
// another account has, its owner is told instead, and the request that caused
// this never knew.
func (s *Service) prepareCheck(tx *store.Tx, o *order, r *ready) error {
	acc, err := s.Accounts.ByID(tx, account.ID(o.Account))
	if err != nil {
		return err
	}
	c, ok, err := s.contact(tx, acc.ID, o.Contact)
	switch {
	case err != nil:
		return err
	case acc.Status == account.Closed:
		return mootClosed
	case !ok:
		return mootWithdrawn
	case c.Verified():
		return mootVerified
	}
	r.payload = nil // nothing about the account goes to an address that may be a stranger's
	r.to = c.Value
	owner, err := s.Accounts.ByMail(tx, c.Value)
	switch {
	case err == nil && owner.ID != acc.ID:
		r.owner(s, owner, tx.Now)
		o.Kind = map[Kind]Kind{SignUpCheck: TakenSignUp, ContactCheck: TakenContact}[o.Kind]
		return nil
	case err != nil && !errors.Is(err, account.ErrUnknown):
		return err
	}
	r.owner(s, acc, tx.Now)
	r.phrase, r.freeze = "", ""
	r.verify = s.verifyLink(c, tx.Now)
	return nil
}

// owner fills in what the receiver's account decides.
func (r *ready) owner(s *Service, a account.Account, now time.Time) {
	r.lang, r.brand, r.phrase, r.domain = langOf(a), s.brand(a), a.Phrase, s.domain
	r.freeze = s.freezeLink(a.ID, now)
}

func (s *Service) contact(tx *store.Tx, acc account.ID, id string) (account.Contact, bool, error) {
	contacts, err := s.Accounts.Contacts(tx, acc)
	for _, c := range contacts {
		if c.ID == id {
			return c, true, err
		}
	}
	return account.Contact{}, false, err
}
