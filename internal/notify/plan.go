package notify

import (
	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// plan decides who is told of an event. Nobody is a valid answer. It reads the
// contacts as they are now; Deliver looks again.
func (s *Service) plan(tx *store.Tx, rec audit.Record) (orders []order, wanted bool, err error) {
	spec, ok := audit.Describe(rec.Action)
	if !ok || spec.Notice == audit.None || rec.Account == "" || tx.Now.Sub(rec.At) > staleAfter {
		return nil, false, nil
	}
	contacts, err := s.Accounts.Contacts(tx, account.ID(rec.Account))
	if err != nil {
		return nil, false, err
	}
	to := func(kind Kind, contact string) {
		orders = append(orders, order{ID: rec.ID + "/" + contact, Event: rec.ID, Kind: kind, Account: rec.Account, Contact: contact})
	}
	verified := func(kind Kind) {
		for _, c := range contacts {
			// The address the event is about hears of it in its own words, or not at all.
			if c.Verified() && c.ID != rec.Target {
				to(kind, c.ID)
			}
		}
	}
	wanted = spec.Notice == audit.Critical
	switch spec.Mail {
	case "welcome":
		wanted = false
		for _, c := range contacts {
			if !c.Verified() {
				to(SignUpCheck, c.ID)
			}
		}
	case "contact_added":
		wanted = false
		verified(ContactAdded)
		for _, c := range contacts {
			if c.ID == rec.Target && !c.Verified() {
				to(ContactCheck, c.ID)
			}
		}
	case "contact_verified":
		wanted = false // at sign-up there is nobody else to tell
		verified(ContactVerified)
	case "contact_removed":
		// The old address is told in any case: removing it is the first thing a
		// thief does who wants the later notices to reach nobody (SP 800-63B-4
		// §4.6: notice of a change goes to the address before the change).
		verified(ContactRemoved)
		to(ContactGone, rec.Target)
	case "new_device":
		if rec.Payload["new_device"] != "yes" {
			return nil, false, nil
		}
		verified(NewDevice)
	case "intent_new_address":
		// What goes where money went before waits on the owner's screen; a new address is how a thief begins.
		if rec.Payload["first"] != "yes" {
			return nil, false, nil
		}
		verified(IntentNewAddress)
	case "key_added":
		kind := KeyAdded
		if rec.Payload["joined"] == "yes" {
			kind = KeyJoined
		}
		verified(kind)
	case "app_given":
		// Being sent on to the exchange is what signing in is for.
		if rec.Payload["party"] == "own" {
			return nil, false, nil
		}
		verified(AppGiven)
	case "sessions_ended":
		kind := SessionsOthers
		if rec.Action == "sessions.ended_all" {
			kind = SessionsAll
		}
		verified(kind)
	case "codes_created":
		kind := CodesCreated
		if rec.Payload["replaced"] == "yes" {
			kind = CodesReplaced
		}
		verified(kind)
	default:
		verified(Kind(spec.Mail))
	}
	return orders, wanted, nil
}
