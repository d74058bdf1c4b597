package staff

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// SessionID names a session of an operator: "ops_…". It opens nothing.
type SessionID string

// Session is one sign-in of an operator.
type Session struct {
	ID        SessionID
	StartedAt time.Time
	EndsAt    time.Time // at the latest
	LastUsed  time.Time
	Version   int64
}

// IdleAt is when the session ends if it is not used before.
func (s Session) IdleAt() time.Time { return s.LastUsed.Add(idleLife) }

// Live is an operator with the session that a request came in.
type Live struct {
	Session  Session
	Operator Operator
}

// Entered is a new session. Token goes into the cookie and nowhere else.
type Entered struct {
	Live
	Token string
}

// SignInOptions asks any operator for a touch.
func (s *Service) SignInOptions() ([]byte, error) {
	return s.keys.GetOptions(device.Purpose{Act: device.Act{Kind: device.ActSignIn}})
}

// SignIn opens a session with the answer to SignInOptions. replaces is the cookie
// that the browser had: its session ends with the new one, so that nobody leaves a
// second one behind without knowing.
func (s *Service) SignIn(ctx context.Context, cause store.Cause, answer []byte, replaces string) (in Entered, err error) {
	t, err := s.asserted(ctx, device.Purpose{Act: device.Act{Kind: device.ActSignIn}}, answer)
	if err != nil {
		return in, err
	}
	cause.Actor = Operator{ID: t.operator}.actor()
	token := keyring.Secret()
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		regressed, err := s.use(tx, t)
		if err != nil {
			return err
		}
		effects, err := endByCookie(tx, replaces)
		if err != nil {
			return err
		}
		if in, err = s.start(tx, t.operator, token); err != nil {
			return err
		}
		payload := map[string]string{"operator": in.Operator.Name}
		if regressed {
			payload["signal"] = "counter_regressed"
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.signed_in", Target: string(in.Operator.ID), Payload: payload,
			Effects: append(effects, audit.Effect{Kind: "operator_session", ID: string(in.Session.ID), Version: 1}),
		})
		return err
	})
	return in, err
}

// start writes the session that token opens.
func (s *Service) start(tx *store.Tx, id ID, token string) (Entered, error) {
	ses := SessionID(keyring.NewID("ops_", tx.Now))
	if _, err := tx.Exec(sqlInsertSession, ses, hashOf(token), id, store.Micros(tx.Now), store.Micros(tx.Now.Add(sessionLife))); err != nil {
		return Entered{}, err
	}
	l, err := readLive(tx, ses)
	return Entered{l, token}, err
}

func endByCookie(tx *store.Tx, token string) ([]audit.Effect, error) {
	if token == "" {
		return nil, nil
	}
	e := audit.Effect{Kind: "operator_session"}
	err := tx.Row(sqlEndByCookie, store.Micros(tx.Now), hashOf(token)).Scan(&e.ID, &e.Version)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return []audit.Effect{e}, err
}

// Check finds the session of a cookie. Whatever is wrong with it, the answer is
// the same. The database is asked each time: operators are few, and an end must
// hold at once.
func (s *Service) Check(ctx context.Context, token string) (Live, error) {
	if token == "" {
		return Live{}, ErrNotSignedIn
	}
	var l Live
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		l, err = scanLive(tx.Row(sqlLive, hashOf(token), store.Micros(tx.Now), store.Micros(tx.Now.Add(-idleLife))))
		return err
	})
	if err != nil {
		return Live{}, err
	}
	if now := s.db.Now(); now.Sub(l.Session.LastUsed) >= lastUsedEvery {
		if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(sqlLastUsed, store.Micros(now), l.Session.ID)
			return err
		}); err != nil {
			return Live{}, err // a session whose use cannot be noted would idle out under a working hand
		}
		l.Session.LastUsed = now
	}
	return l, nil
}

// SignOut ends the session that asks.
func (s *Service) SignOut(ctx context.Context, cause store.Cause, who Live) error {
	cause.Actor = who.Operator.actor()
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		e := audit.Effect{Kind: "operator_session", ID: string(who.Session.ID)}
		err := tx.Row(sqlEndSession, store.Micros(tx.Now), who.Session.ID).Scan(&e.Version)
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotSignedIn
		}
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.signed_out", Target: string(who.Operator.ID), Effects: []audit.Effect{e},
			Payload: map[string]string{"operator": who.Operator.Name},
		})
		return err
	})
}

// Sessions lists one's own, oldest first.
func (s *Service) Sessions(ctx context.Context, who Live) (all []Session, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(sqlLiveOf, who.Operator.ID, store.Micros(tx.Now), store.Micros(tx.Now.Add(-idleLife)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var (
				ses                 Session
				started, ends, used int64
			)
			if err := rows.Scan(&ses.ID, &started, &ends, &used, &ses.Version); err != nil {
				return err
			}
			ses.StartedAt, ses.EndsAt, ses.LastUsed = store.Time(started), store.Time(ends), store.Time(used)
			all = append(all, ses)
		}
		return rows.Err()
	})
	return all, err
}

// EndSession ends one of one's own sessions. It takes no touch: it is the safe
// direction, and the hand that needs it is in a hurry.
func (s *Service) EndSession(ctx context.Context, cause store.Cause, who Live, id SessionID) error {
	cause.Actor = who.Operator.actor()
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if _, err := readLive(tx, who.Session.ID); err != nil {
			return err // one that was ended does not end others
		}
		ended, err := endRows(tx, sqlEndOne, store.Micros(tx.Now), who.Operator.ID, id)
		if err != nil {
			return err
		}
		if len(ended) == 0 {
			return ErrSession
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.session_ended", Target: string(who.Operator.ID), Effects: ended,
			Payload: map[string]string{"operator": who.Operator.Name},
		})
		return err
	})
}

// endRows runs a statement that ends sessions and tells which.
func endRows(tx *store.Tx, query string, args ...any) (ended []audit.Effect, err error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		e := audit.Effect{Kind: "operator_session"}
		if err := rows.Scan(&e.ID, &e.Version); err != nil {
			return nil, err
		}
		ended = append(ended, e)
	}
	return ended, errors.Join(rows.Err(), rows.Close())
}

// readLive reads a session inside the transaction that acts with it.
func readLive(tx *store.Tx, id SessionID) (Live, error) {
	return scanLive(tx.Row(sqlLiveByID, id, store.Micros(tx.Now), store.Micros(tx.Now.Add(-idleLife))))
}

func scanLive(r interface{ Scan(...any) error }) (Live, error) {
	var (
		l                            Live
		roles, status                string
		started, ends, used, created int64
	)
	err := r.Scan(&l.Session.ID, &started, &ends, &used, &l.Session.Version,
		&l.Operator.ID, &l.Operator.Name, &roles, &status, &l.Operator.InvitedBy, &created, &l.Operator.Version)
	if errors.Is(err, store.ErrNoRows) {
		return Live{}, ErrNotSignedIn
	}
	if err != nil {
		return Live{}, err
	}
	l.Session.StartedAt, l.Session.EndsAt, l.Session.LastUsed = store.Time(started), store.Time(ends), store.Time(used)
	l.Operator.Active, l.Operator.CreatedAt = status == "active", store.Time(created)
	return l, json.Unmarshal([]byte(roles), &l.Operator.Roles)
}
