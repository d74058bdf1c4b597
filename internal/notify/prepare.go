package notify

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
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
	mootStranger  moot = "the address was never confirmed"
	mootVerified  moot = "the address is confirmed already"
	mootUnowned   moot = "nobody has confirmed this address"
	mootClosed    moot = "the account is closed"
)

// prepare settles to whom the mail goes and what it may say. It may change the
// kind of the order: an address that has an owner gets the owner's mail.
func (s *Service) prepare(ctx context.Context, o *order) (r ready, err error) {
	if o.Ask != nil {
		r.at, r.addr, r.request, r.event = store.Time(o.Ask.At), o.Ask.Addr, o.Ask.Request, o.Event
		r.payload = map[string]string{"agent": o.Ask.Agent}
	} else {
		rec, err := s.Log.ByID(ctx, s.DB, o.Event)
		if err != nil {
			return r, err
		}
		if rec.Erased {
			return r, mootErased
		}
		r.at, r.actor, r.addr, r.request, r.event, r.payload = rec.At, rec.Actor, rec.Addr, rec.Request, rec.ID, rec.Payload
	}
	switch o.Kind {
	case FreezeLink:
		err = s.DB.View(ctx, func(tx *store.Tx) error { return s.prepareFreeze(tx, o, &r) })
	case SignUpCheck, ContactCheck:
		var made audit.Record
		made, err = s.Log.First(ctx, s.DB, o.Account, "account.created")
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return r, err
		}
		err = s.DB.View(ctx, func(tx *store.Tx) error { return s.prepareCheck(tx, o, &r) })
		r.madeOn = made.Payload["agent"]
	case ContactGone:
		err = s.prepareGone(ctx, o, &r)
	default:
		err = s.prepareNotice(ctx, o, &r)
	}
	r.kind = o.Kind
	if addr, bad := netip.ParseAddr(r.addr); bad == nil {
		r.place, _ = s.Places.Locate(addr, r.lang)
	}
	return r, err
}

// prepareNotice is for what happened to an account: to a confirmed address of
// it, or to one that was until now.
func (s *Service) prepareNotice(ctx context.Context, o *order, r *ready) error {
	var c account.Contact
	found := false
	if err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		c, found, err = s.contact(tx, account.ID(o.Account), o.Contact)
		if err != nil || !found {
			return err
		}
		return s.fromAccount(tx, account.ID(o.Account), r)
	}); err != nil {
		return err
	}
	if !found {
		// A thief adds a key and then removes the owner's address: the first mail
		// must still reach it, and no row kept it but the event of its removal.
		rec, removed, err := s.lookBack(ctx, o.Account, o.Event, "contact.removed", o.Contact)
		if err != nil {
			return err
		}
		if !removed {
			return mootGone
		}
		return s.toOld(ctx, o, r, rec.Payload["mail"])
	}
	if !c.Verified() {
		return mootGone
	}
	r.to = c.Value
	return nil
}

// prepareGone tells an address that it was removed, if it ever was the owner's.
// One that was mistyped and taken back belongs to a stranger, who must not get a
// button that freezes the account.
func (s *Service) prepareGone(ctx context.Context, o *order, r *ready) error {
	_, confirmed, err := s.lookBack(ctx, o.Account, o.Contact, "contact.verified", o.Contact)
	if err != nil {
		return err
	}
	if !confirmed {
		return mootStranger
	}
	return s.toOld(ctx, o, r, r.payload["mail"])
}

// toOld writes to an address the account had. Not with the phrase, which proves
// to the owner that a mail is ours: the address may have been removed because
// somebody else reads it.
func (s *Service) toOld(ctx context.Context, o *order, r *ready, mail string) error {
	if mail == "" {
		return mootGone
	}
	if err := s.DB.View(ctx, func(tx *store.Tx) error { return s.fromAccount(tx, account.ID(o.Account), r) }); err != nil {
		return err
	}
	r.to, r.phrase = mail, ""
	return nil
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
	r.payload = nil // nothing that was typed goes to an address that may be a stranger's
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
	r.verify, r.made = s.verifyLink(c, tx.Now), acc.CreatedAt
	return nil
}

// owner fills in what the receiver's account decides.
func (r *ready) owner(s *Service, a account.Account, now time.Time) {
	r.lang, r.brand, r.phrase, r.domain = langOf(a), s.brand(a), a.Phrase, s.domain
	r.freeze = s.freezeLink(a, now)
}

func (s *Service) fromAccount(tx *store.Tx, id account.ID, r *ready) error {
	acc, err := s.Accounts.ByID(tx, id)
	if err == nil {
		r.owner(s, acc, tx.Now)
	}
	return err
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

// lookBack finds the newest event of an action about a target, not older than
// the thing with the id since: ids begin with their time.
func (s *Service) lookBack(ctx context.Context, acc, since string, action audit.Action, target string) (audit.Record, bool, error) {
	const page = 200
	for before := ""; ; {
		recs, err := s.Log.Activity(ctx, s.DB, acc, before, page)
		if err != nil {
			return audit.Record{}, false, err
		}
		for _, rec := range recs {
			switch {
			case rec.Action == action && rec.Target == target:
				return rec, true, nil
			case timeOf(rec.ID) < timeOf(since):
				return audit.Record{}, false, nil
			}
		}
		if len(recs) < page {
			return audit.Record{}, false, nil
		}
		before = recs[len(recs)-1].ID
	}
}

// timeOf is the part of an id that is its time: the ten digits after the prefix.
func timeOf(id string) string {
	_, digits, _ := strings.Cut(id, "_")
	return digits[:min(10, len(digits))]
}
