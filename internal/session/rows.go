package session

import (
	"encoding/json"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/store"
)

// row holds the raw columns of sessionCols.
type row struct {
	s                                                 Session
	amr, agent                                        string
	auth, created, seen, abs, suspect, vouched, ended int64
	bound, lapsed                                     int64
}

// dest lists the scan targets in the order of sessionCols.
func (r *row) dest() []any {
	return []any{
		(*string)(&r.s.ID), (*string)(&r.s.Account), (*string)(&r.s.Device), (*string)(&r.s.Kind), &r.s.Family, &r.s.ACR, &r.amr,
		&r.auth, (*string)(&r.s.Key), &r.s.JKT, &r.s.Remember, &r.created, &r.seen, &r.abs, &r.s.Addr, &r.agent,
		&r.s.epoch, &r.suspect, &r.vouched, &r.ended, &r.s.EndedWhy, &r.s.ReachMS, &r.s.Version,
		&r.s.DeviceJKT, &r.bound, &r.lapsed,
	}
}

func (r *row) session() (Session, error) {
	s := r.s
	s.AuthTime, s.CreatedAt, s.LastSeen, s.AbsExp = store.Time(r.auth), store.Time(r.created), store.Time(r.seen), store.Time(r.abs)
	s.SuspectAt, s.VouchedAt, s.EndedAt = timeOrZero(r.suspect), timeOrZero(r.vouched), timeOrZero(r.ended)
	s.BoundAt, s.LapsedAt = timeOrZero(r.bound), timeOrZero(r.lapsed)
	s.Agent = device.AgentOfWords(r.agent)
	if err := json.Unmarshal([]byte(r.amr), &s.AMR); err != nil {
		return Session{}, err
	}
	return s, nil
}

func timeOrZero(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return store.Time(micros)
}

// forRefresh reads everything a refresh decides on in one statement.
func (s *Service) forRefresh(tx *store.Tx, f *family) error {
	var r row
	var kid, prevAt, idle, abs int64
	dest := append([]any{&f.gen, &kid, &f.curHash, &f.prevHash, &prevAt, &idle, &abs, &f.jkt, &f.epoch}, r.dest()...)
	if err := tx.Row(sqlForRefresh, f.id).Scan(append(dest, &f.accountEpoch)...); err != nil {
		return err
	}
	f.curKID, f.prevAt, f.idleExp, f.absExp = uint32(kid), timeOrZero(prevAt), store.Time(idle), store.Time(abs)
	var err error
	f.ses, err = r.session()
	return err
}

// ByID reads one session of an account, live or not. ErrUnknown when it is not
// theirs: an id guessed from another account looks like one that never was.
func (s *Service) ByID(tx *store.Tx, acc account.ID, id ID) (Session, error) {
	ses, err := standing(tx.Row(sqlByID, string(acc), string(id)), tx.Now)
	if err == store.ErrNoRows {
		return Session{}, ErrUnknown
	}
	return ses, err
}

// standing reads one session with whatever ended it first: an act on it, an act on
// all, idleness, age. Whoever looks at EndedAt alone is right. Of several ends of
// everything the last one is known.
func standing(r interface{ Scan(...any) error }, now time.Time) (Session, error) {
	var raw row
	var epoch, epochAt, idle int64
	var epochWhy string
	if err := r.Scan(append(raw.dest(), &epoch, &epochAt, &epochWhy, &idle)...); err != nil {
		return Session{}, err
	}
	ses, err := raw.session()
	if err != nil {
		return Session{}, err
	}
	ses.IdleExp = store.Time(idle)
	ended := func(at time.Time, why string) {
		if !at.After(now) && (ses.EndedAt.IsZero() || at.Before(ses.EndedAt)) {
			ses.EndedAt, ses.EndedWhy = at, why
		}
	}
	if ses.epoch != epoch {
		ended(store.Time(epochAt), epochWhy)
	}
	ended(ses.AbsExp, EndedAbsolute)
	ended(ses.IdleExp, EndedIdle)
	return ses, nil
}

// now reads a session inside a transaction that is about to change it. Unlike ByID
// it leaves the family alone, which a refresh may be writing (see live in sql.go):
// idleness is not seen, but nobody gets here without an access token, and none
// outlives the idle end of its family.
func (s *Service) now(tx *store.Tx, acc account.ID, id ID) (Session, error) {
	var r row
	var epoch int64
	err := tx.Row(sqlForCheck, string(id)).Scan(append(r.dest(), &epoch)...)
	if err == store.ErrNoRows || err == nil && r.s.Account != acc {
		return Session{}, ErrUnknown
	}
	if err != nil {
		return Session{}, err
	}
	ses, err := r.session()
	if err == nil && ses.EndedAt.IsZero() && (ses.epoch != epoch || !tx.Now.Before(ses.AbsExp)) {
		ses.EndedAt = tx.Now
	}
	return ses, err
}

// List returns the account's sessions, newest first: those that can act, and
// those that ended in the last 30 days with the reason.
func (s *Service) List(tx *store.Tx, acc account.ID) (live, ended []Session, err error) {
	since := store.Micros(tx.Now.Add(-endedShown))
	rows, err := tx.Rows(sqlList, string(acc), since, store.Micros(tx.Now))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		ses, err := standing(rows, tx.Now)
		if err != nil {
			return nil, nil, err
		}
		if !ses.EndedAt.IsZero() {
			ended = append(ended, ses)
			continue
		}
		if seen, ok := s.cache.seenAt(ses.ID); ok && seen.After(ses.LastSeen) {
			ses.LastSeen = seen
		}
		live = append(live, ses)
	}
	return live, ended, rows.Err()
}
