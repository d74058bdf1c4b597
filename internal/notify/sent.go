package notify

import (
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// State is what became of a mail. Stored, so never renamed.
type State string

const (
	stateTrying  State = "trying"  // not out yet; the job has the rest
	stateSent    State = "sent"    // the next server answered for it
	stateRefused State = "refused" // never will be; Detail says by which step
	stateLimited State = "limited" // strangers asked too often for this address
	stateMoot    State = "moot"    // nothing to say any more when its turn came
	stateNobody  State = "nobody"  // the owner has no confirmed address
)

// Told is one line of "was the owner told?".
type Told struct {
	ID      string // event/contact
	Event   string
	Account account.ID
	Contact string
	Kind    Kind
	State   State
	Detail  string
	Tries   int64
	FirstAt time.Time
	LastAt  time.Time
}

// Told lists what became of an account's mails, newest first.
func (s *Service) Told(tx *store.Tx, acc account.ID, limit int) ([]Told, error) {
	rows, err := tx.Rows(sqlTold, acc, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Told
	for rows.Next() {
		var t Told
		var first, last int64
		if err := rows.Scan(&t.ID, &t.Event, &t.Account, &t.Contact, &t.Kind, &t.State, &t.Detail, &t.Tries, &first, &last); err != nil {
			return nil, err
		}
		t.FirstAt, t.LastAt = store.Time(first), store.Time(last)
		out = append(out, t)
	}
	return out, rows.Err()
}

// Sweep forgets old lines and counters. Run calls it.
func (s *Service) Sweep(tx *store.Tx) error {
	if _, err := tx.Exec(sqlSweepSent, store.Micros(tx.Now.Add(-keepSent))); err != nil {
		return err
	}
	_, err := tx.Exec(sqlSweepRate, store.Micros(tx.Now.Add(-strangerWindow)))
	return err
}

// claim says whether a mail may be sent now, and writes down that we try. A mail
// that was tried before is not counted a second time.
func (s *Service) claim(tx *store.Tx, o order, r ready) (State, error) {
	var was State
	err := tx.Row(sqlState, o.ID).Scan(&was)
	switch {
	case err == nil && (was == stateTrying || was == stateRefused): // refused: an operator revived the job
		n, err := tx.Exec(sqlAgain, o.ID, o.Kind, store.Micros(tx.Now))
		if n == 0 { // ended by another runner just now
			return stateMoot, err
		}
		return stateTrying, err
	case err == nil:
		return was, nil
	case !errors.Is(err, store.ErrNoRows):
		return "", err
	}
	state, detail := stateTrying, ""
	if sheets[o.Kind].typed {
		ok, err := s.mayWrite(tx, o.Kind, r.to)
		if err != nil {
			return "", err
		}
		if !ok {
			state, detail = stateLimited, "too many in one hour"
		}
	}
	if state == stateLimited && o.Ask != nil {
		return state, nil // no row: a form that is pressed all night must not grow a table
	}
	n, err := s.open(tx, o, state, detail)
	if n == 0 && err == nil {
		return stateMoot, nil // another runner was faster
	}
	return state, err
}

// mayWrite counts one mail that a stranger caused to an address. The freeze link
// has a count of its own: with one for all, three sign-ups with the owner's
// address would switch off the owner's freeze for an hour.
func (s *Service) mayWrite(tx *store.Tx, kind Kind, address string) (bool, error) {
	counter := "typed"
	if kind == FreezeLink {
		counter = "freeze"
	}
	sum := s.addr.Sum(nil, []byte(counter), []byte(address))
	now := store.Micros(tx.Now)
	err := tx.Row(sqlRate, sum[:], now, store.Micros(tx.Now.Add(-strangerWindow))).Scan(&now)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (s *Service) open(tx *store.Tx, o order, state State, detail string) (int64, error) {
	tries := 0
	if state == stateTrying {
		tries = 1
	}
	return tx.Exec(sqlOpen, o.ID, o.Event, o.Account, o.Contact, o.Kind, state, detail, tries, store.Micros(tx.Now))
}

func (s *Service) close(tx *store.Tx, o order, state State, detail string) error {
	_, err := tx.Exec(sqlClose, o.ID, state, detail, store.Micros(tx.Now))
	return err
}
