package device

import (
	"slices"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// Which key may do what. Every Proof comes from use (a touch that was just given) or from
// Redeem (one that was kept), and both ask here, in the transaction that acts; Offer asks
// the same before anybody is led to touch something.
//
// Two things are asked. How old the key is: somebody who talked the owner into one yes, or
// used one touch of theirs, has a key, and with it everything else would follow at once;
// the owner has a day and a mail to notice. And how good it is, where an operator says so.

// YoungFor is how long a key has no power over what is older than it.
const YoungFor = 24 * time.Hour

// youth is what a young key may do.
type youth int

const (
	youngNever  youth = iota
	youngMay          // it opens nothing new, or stops something
	youngItself       // only to itself, or to the device that it is on
	youngLooks        // only where the act lets look and nothing else
)

// raise says for which accounts an operator's demand counts.
type raise int

const (
	raiseNever raise = iota
	raiseAll
	// raiseOwned: only where the account has such a key. Otherwise the first one could never
	// enter, and nobody could lift a freeze, under which none enters.
	raiseOwned
)

var (
	// ErrTooNew: this key has no power over what is older than it yet; "until" says when.
	ErrTooNew = edge.E("key_too_new")
	// ErrGradeLow: the act takes a key that cannot leave its hardware.
	ErrGradeLow = edge.E("key_grade_low")
)

// Least is what an operator demands beyond any passkey, by act and by scope. A name with
// nothing behind it is a group: "botkeys" is all of "botkeys.…". It only raises: what is
// not Hardware demands nothing.
type Least struct {
	Acts   map[string]Grade
	Scopes map[string]Grade
}

func demands(of map[string]Grade, name string) bool {
	group, _, _ := strings.Cut(name, ".")
	return of[name] == Hardware || of[group] == Hardware
}

// Raisable lists the acts that an operator may demand a better key for, sorted.
func Raisable() (kinds []string) {
	for kind, r := range acts {
		if r.raise != raiseNever {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// ForScopes is the act as it is asked for when it gives these scopes: with the word for a
// better key where the operator demands one for any of them.
func (s *Service) ForScopes(act Act, scopes ...string) Act {
	for _, scope := range scopes {
		if demands(s.cfg.Least.Scopes, scope) {
			return Act{act.Kind, act.plain().Object + markHard}
		}
	}
	return act
}

// hard reports whether an act takes a key that cannot leave its hardware. keys are all
// live ones of the account.
func (s *Service) hard(keys []Key, act Act) bool {
	if act.hard() {
		return true
	}
	r := acts[act.Kind]
	if r.raise == raiseNever || !demands(s.cfg.Least.Acts, act.Kind) {
		return false
	}
	return r.raise == raiseAll || slices.ContainsFunc(keys, func(k Key) bool { return k.Grade == Hardware })
}

// YoungUntil tells until when a key is young, zero when it is not: for a day after it was
// made, as long as the account has a live key that is older than a day. In a new account
// nothing is. keys are all live ones of the account.
func YoungUntil(keys []Key, k Key, now time.Time) time.Time {
	until, young := youngUntil(keys, k, now)
	if !young {
		return time.Time{}
	}
	return until
}

func youngUntil(keys []Key, k Key, now time.Time) (until time.Time, young bool) {
	dayAgo := now.Add(-YoungFor)
	if !k.CreatedAt.After(dayAgo) {
		return time.Time{}, false
	}
	old := slices.ContainsFunc(keys, func(o Key) bool { return !o.CreatedAt.After(dayAgo) })
	return k.CreatedAt.Add(YoungFor), old
}

// lets reports whether a young key may all the same.
func (r rule) lets(keys []Key, k Key, act Act) bool {
	switch r.young {
	case youngMay:
		return true
	case youngLooks:
		return act.looks()
	case youngItself:
		if strings.HasPrefix(act.Kind, "keys.") {
			return act.Object == string(k.ID)
		}
		// Its own device, and nothing that is older than it: on that device, or added from it,
		// which goes with it.
		return k.Device != "" && act.Object == string(k.Device) &&
			!slices.ContainsFunc(keys, func(o Key) bool {
				return (o.Device == k.Device || o.AddedOn == k.Device) && o.CreatedAt.Before(k.CreatedAt)
			})
	}
	return false
}

// verdict is nil when k may give the touch for an act. keys are all live ones of the account.
func (s *Service) verdict(keys []Key, k Key, act Act, now time.Time) *edge.Error {
	if k.Grade != Hardware && s.hard(keys, act) {
		return ErrGradeLow.With("acr", "phrh").About(string(k.ID))
	}
	if until, young := youngUntil(keys, k, now); young && !acts[act.Kind].lets(keys, k, act) {
		return ErrTooNew.With("until", until.UTC().Format(time.RFC3339)).About(string(k.ID))
	}
	return nil
}

// free reports an act that every key may give a touch for, so that nothing has to be read.
func (s *Service) free(act Act) bool {
	return acts[act.Kind].young == youngMay && !act.hard() && !demands(s.cfg.Least.Acts, act.Kind)
}

// may refuses a touch of a key that has not the power for the act. Exact, because its owner
// has proved themselves.
func (s *Service) may(tx *store.Tx, acc account.ID, id KeyID, act Act) error {
	if s.free(act) {
		return nil
	}
	keys, err := s.Keys(tx, acc)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return ErrKeyUnknown
	}
	if e := s.verdict(keys, keys[i], act, tx.Now); e != nil {
		return e.With("keys", s.would(keys, act, tx.Now))
	}
	return nil
}

// would lists the keys that may, by id.
func (s *Service) would(keys []Key, act Act, now time.Time) []string {
	ids := []string{}
	for _, k := range keys {
		if s.verdict(keys, k, act, now) == nil {
			ids = append(ids, string(k.ID))
		}
	}
	return ids
}

// May says whether the key that a session was last proved with has the power for an act,
// for what is done without a touch of its own.
func (s *Service) May(tx *store.Tx, acc account.ID, id KeyID, act Act) error {
	return s.may(tx, acc, id, act)
}

// Offer is which keys may give a touch for an act.
type Offer struct {
	Keys    []Key     // of those that can answer here, the oldest first
	Narrow  bool      // another that can answer here may not
	Others  []Key     // may, and cannot answer here: they are on a phone
	Until   time.Time // when the first of those that are too new may
	Hard    bool      // it takes a key that cannot leave its hardware
	Refusal error     // nobody's touch would do here; exact
}

// Offer says which keys of an account may give a touch for an act. jkt is the key that the
// request is proved by, "" in a browser: a phone's touch is good beside its own alone. It
// decides nothing: a client may answer with any key, and use and Redeem decide.
func (s *Service) Offer(tx *store.Tx, acc account.ID, jkt string, act Act) (o Offer, err error) {
	keys, err := s.Keys(tx, acc)
	if err != nil {
		return o, err
	}
	o.Hard = s.hard(keys, act)
	var why *edge.Error
	for _, k := range keys {
		here := k.Kind == Passkey || k.jkt != "" && k.jkt == jkt
		e := s.verdict(keys, k, act, tx.Now)
		switch {
		case e == nil && here:
			o.Keys = append(o.Keys, k)
		case e == nil:
			o.Others = append(o.Others, k)
		case here:
			o.Narrow = true
			// Of several reasons the one that time removes by itself is told, the soonest first.
			until, _ := youngUntil(keys, k, tx.Now)
			switch tooNew := e.Is(ErrTooNew); {
			case tooNew && (o.Until.IsZero() || until.Before(o.Until)):
				why, o.Until = e, until
			case why == nil:
				why = e
			}
		}
	}
	if len(o.Keys) == 0 && why != nil {
		o.Refusal = why.With("keys", s.would(keys, act, tx.Now))
	}
	return o, nil
}

// allowed is the list for allowCredentials, nil when every key may: a list that names all
// only tells a page which keys there are.
func (o Offer) allowed() []descriptor {
	if !o.Narrow {
		return nil
	}
	list := make([]descriptor, 0, len(o.Keys))
	for _, k := range o.Keys {
		list = append(list, descriptor{"public-key", encode(k.CredentialID), k.Transports})
	}
	return list
}
