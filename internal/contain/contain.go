package contain

import (
	"context"
	"strconv"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

var (
	// ErrPower: this sign-in is too weak for the act.
	ErrPower = edge.E("insufficient_power")
	// ErrDevice: no such device of this account.
	ErrDevice = edge.E("device_unknown")
)

const (
	// freshCode: a sign-in by recovery code may end everything else without a touch
	// for this long, because the code itself was the proof and no key may be at hand.
	freshCode = 5 * time.Minute

	// gatePatience bounds the wait for the gates when the database does not answer;
	// otherwise they take 700 ms at most (DESIGN §7).
	gatePatience = 5 * time.Second
)

// Gates waits until a change is refused everywhere; audit.Watch is one.
type Gates interface {
	// WaitGates returns when every process that may answer from memory has heard
	// the log up to now or has lost its right to answer.
	WaitGates(ctx context.Context, since time.Time) (audit.Reach, error)
}

// Service joins what has to stop together.
type Service struct {
	db       *store.DB
	log      *audit.Log
	accounts *account.Service
	devices  *device.Service
	sessions *session.Service
	botKeys  *apikey.Service
	gates    Gates
	erase    []func(*store.Tx, account.ID) error
	restored []func(*store.Tx) ([]audit.Effect, error)
}

// New wires the service.
func New(db *store.DB, log *audit.Log, accounts *account.Service, devices *device.Service, sessions *session.Service, botKeys *apikey.Service, gates Gates) *Service {
	return &Service{db: db, log: log, accounts: accounts, devices: devices, sessions: sessions, botKeys: botKeys, gates: gates}
}

// Effect is the proof after an act: what ended, when it was refused everywhere
// and how long that took.
type Effect struct {
	Sessions    int
	APIKeys     int // that ended with a device
	EffectiveAt time.Time
	Took        time.Duration // from the request to "refused everywhere"
	Gates       audit.Reach
}

// act runs one transaction and waits until every gate refuses what it ended.
func (s *Service) act(ctx context.Context, cause store.Cause, fn func(*store.Tx) ([]audit.Effect, error)) (Effect, error) {
	start := s.db.Now()
	var ended []audit.Effect
	if err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		ended, err = fn(tx)
		return err
	}); err != nil {
		return Effect{}, err
	}
	// The change is durable. Waiting for the gates may take up to 700 ms and may
	// not be cut short by a closed tab: the answer is only the proof of it.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatePatience)
	defer cancel()
	reach, err := s.gates.WaitGates(after, s.db.Now())
	if err != nil {
		return Effect{}, err
	}
	e := Effect{EffectiveAt: reach.EffectiveAt, Took: s.db.Now().Sub(start), Gates: reach}
	var ids []session.ID
	e.Sessions, ids = session.Ended(ended)
	// How long it took is for the list alone: what was asked is done and proved,
	// also when this cannot be noted.
	_ = s.sessions.Reached(after, e.Took, ids...)
	return e, nil
}

// What an act tells about the sessions it ends is read before its transaction and
// not in it: those rows are the ones that refreshes write, and an end must not
// wait for whoever refreshes in a loop (see session's sql.go). Which sessions end
// is decided inside.

// session reads one session of an account.
func (s *Service) session(ctx context.Context, acc account.ID, id session.ID) (ses session.Session, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		ses, err = s.sessions.ByID(tx, acc, id)
		return err
	})
	return ses, err
}

// live lists the sessions that an act on the whole account is about to end, as
// effects for the count shown.
func (s *Service) live(ctx context.Context, acc account.ID) (eff []audit.Effect, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		live, _, err := s.sessions.List(tx, acc)
		for _, x := range live {
			eff = append(eff, audit.Effect{Kind: "session", ID: string(x.ID)})
		}
		return err
	})
	return eff, err
}

// EndSession ends one session of the account that asks. Any live session may do
// it, also one opened by a recovery code.
func (s *Service) EndSession(ctx context.Context, cause store.Cause, by session.Session, id session.ID) (Effect, error) {
	why := session.EndedByOwner
	if id == by.ID {
		why = session.EndedSignOut
	}
	return s.endOne(ctx, cause, by, id, why)
}

// NotMe ends a session the owner does not recognise and says so in the log, so
// that the page can lead on to keys and freeze.
func (s *Service) NotMe(ctx context.Context, cause store.Cause, by session.Session, id session.ID) (Effect, error) {
	return s.endOne(ctx, cause, by, id, session.EndedNotMe)
}

func (s *Service) endOne(ctx context.Context, cause store.Cause, by session.Session, id session.ID, why string) (Effect, error) {
	target, err := s.session(ctx, by.Account, id)
	if err != nil {
		return Effect{}, err
	}
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		eff, err := s.sessions.End(tx, by.Account, id, why)
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.ended", Account: string(by.Account), Target: string(id), Effects: eff,
			Payload: map[string]string{"agent": target.Agent.String(), "why": why, "from": by.Agent.String()},
		})
		return eff, err
	})
}

// ThisWasMe records that the owner knows a session the page asked about. A session
// opened by a recovery code may not say so: it could be speaking for itself.
func (s *Service) ThisWasMe(ctx context.Context, cause store.Cause, by session.Session, id session.ID) error {
	if !session.Reaches(by.ACR, session.ACRPhr) {
		return ErrPower
	}
	target, err := s.session(ctx, by.Account, id)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		eff, err := s.sessions.Vouch(tx, by.Account, id)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.vouched", Account: string(by.Account), Target: string(id), Effects: eff,
			Payload: map[string]string{"agent": target.Agent.String()},
		})
		return err
	})
}

// EndOthers ends every session but the one that asks. It needs a touch for this
// act: with a stolen cookie alone a thief could otherwise sign the owner out.
func (s *Service) EndOthers(ctx context.Context, cause store.Cause, by session.Session) (Effect, error) {
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		byCode := by.ACR == session.ACRFallback
		if byCode && tx.Now.Sub(by.AuthTime) > freshCode {
			return nil, ErrPower // ending them one by one, and freezing, is still open to it
		}
		if !byCode {
			if _, err := s.devices.Need(tx, by.By(), device.Act{Kind: device.ActSessionsEndAll}); err != nil {
				return nil, err
			}
		}
		eff, err := s.sessions.EndOthers(tx, by.Account, by.ID, session.EndedByOwner)
		if err != nil {
			return nil, err
		}
		n, _ := session.Ended(eff)
		if n == 0 && byCode {
			return nil, nil // nothing to end, nothing to tell
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "sessions.ended_others", Account: string(by.Account), Target: string(by.Account), Effects: eff,
			Payload: map[string]string{"n": strconv.Itoa(n), "from": by.Agent.String()},
		})
		return eff, err
	})
}
