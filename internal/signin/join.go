package signin

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// A new device joins by a code that it shows and that its owner types into a device
// that is signed in already. Never the other way round, and never by mail: a code
// made on the signed-in device and read into the new one could be asked for on the
// telephone ("read me the number you see"), and whoever got it would be in. Typed
// this way round, what a caller can hand over is the code of the caller's own
// browser, and then the owner's screen shows that browser and where it is, beside
// their own, before a touch for exactly that (SP 800-63B-4 §4.1.2.2).
//
//	shown -> claimed -> admitted -> used
//	             \----------\--> refused        and time ends each of them
//
// This file is the newcomer's half; join_owner.go is the owner's.
type Join struct {
	ID      string
	State   JoinState
	Account account.ID // "" before the code was typed
	Session string     // the one it was typed on
	JKT     string     // the newcomer's own key; "" when it proved none
	Agent   device.UserAgent
	Addr    string       // where the code was shown, and the only network its passkey may come from
	Key     device.KeyID // when used
	MadeAt  time.Time
	Expires time.Time
	Version int64
}

// JoinState is how far it is.
type JoinState string

// The states. Stored, so never renamed; expired is never stored.
const (
	JoinShown    JoinState = "shown"
	JoinClaimed  JoinState = "claimed"
	JoinAdmitted JoinState = "admitted"
	JoinRefused  JoinState = "refused"
	JoinUsed     JoinState = "used"
	JoinExpired  JoinState = "expired"
	JoinMoved    JoinState = "moved" // never stored either: the newcomer asks from another network than it showed the code in
)

// Code is what a new device shows.
type Code struct {
	Text         string // 7K2QD-XW4RT
	Until        time.Time
	DeviceCookie string // of the new device; "" for an app, which is known by its key
}

// String keeps the code out of logs.
func (c Code) String() string   { return "a code until " + c.Until.String() }
func (c Code) GoString() string { return c.String() }

// ShowCode makes a code for a browser that is signed in nowhere. Its older code is
// dead from then on. Nobody has proved anything, so no event says it.
//
// A browser becomes a new device with a new cookie, whatever cookie it sends: under a
// copied one it would come in as the device that the cookie was copied from, with the age
// and the name that the owner knows. An app has no cookie; the key that it proves is it.
func (s *Service) ShowCode(ctx context.Context, f From) (Code, error) {
	before, fresh := f.Cookie, ""
	if f.Kind != session.API {
		fresh = device.NewCookie()
		f.Cookie = fresh
	}
	code := keyring.JoinCode()
	bind, mac := keyring.Hash(f.Cookie), s.joinCode(code)
	var until time.Time
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		if device.ValidCookie(before) {
			old := keyring.Hash(before)
			if _, err := tx.Exec(sqlDropShown, old[:], f.JKT); err != nil {
				return err
			}
			if _, err := tx.Exec(sqlGiveUpJoin, old[:], f.JKT, store.Micros(tx.Now)); err != nil {
				return err
			}
		}
		until = tx.Now.Add(joinLife)
		_, err := tx.Exec(sqlShowJoin, device.NewJoinID(tx.Now), mac[:], bind[:], f.JKT, f.Agent.Words(), f.Addr.String(), store.Micros(tx.Now), store.Micros(until))
		return err
	})
	return Code{Text: code, Until: until, DeviceCookie: fresh}, err
}

// joinCode is the form in which a code is kept. 50 bits can be searched, so a plain
// hash of it would be a code; without the server's key this is none.
func (s *Service) joinCode(normal string) [32]byte { return s.joinCodes.Sum(nil, []byte(normal)) }

// Waiting is what a newcomer may know of its own join.
type Waiting struct {
	State JoinState // shown, claimed, admitted, moved, expired
	Until time.Time // zero when expired or moved
	For   string    // whose account it may come into, once its owner said yes; "" before
}

// JoinOf is how far the newest join of this browser is. Before the yes it says nothing
// of the account, and of all that is over only that it is over: who shows codes to see
// what becomes of them learns nothing about anybody. After the yes it says whose
// account it is: somebody who read the code over a shoulder could have typed it into
// theirs, and the newcomer must not put money there.
func (s *Service) JoinOf(ctx context.Context, f From) (w Waiting, err error) {
	j, err := s.joinOf(ctx, f)
	switch {
	case errors.Is(err, ErrJoinGone):
		return Waiting{State: JoinExpired}, nil
	case err != nil:
		return w, err
	case j.State == JoinRefused || j.State == JoinUsed || j.State == JoinExpired:
		return Waiting{State: JoinExpired}, nil
	case j.moved(f):
		return Waiting{State: JoinMoved}, nil
	}
	w = Waiting{State: j.State, Until: j.Expires}
	if j.State == JoinAdmitted {
		w.For, err = s.displayName(ctx, j.Account)
	}
	return w, err
}

// joinOf finds the newest join of a browser: by the device cookie, which no script
// can read, and by its own key where it proved one.
func (s *Service) joinOf(ctx context.Context, f From) (j Join, err error) {
	if !device.ValidCookie(f.Cookie) {
		return j, ErrJoinGone
	}
	bind := keyring.Hash(f.Cookie)
	err = s.db.View(ctx, func(tx *store.Tx) error {
		j, err = scanJoin(tx.Row(sqlJoinOfBind, bind[:]), tx.Now)
		return err
	})
	return j, err
}

// moved: the owner was shown the network of the code and said yes to that one. Where its
// cookie and even its key were copied from the newcomer meanwhile, or it only passed a code
// on that it showed through somebody else's line, the passkey would come from elsewhere.
// The same blocks count as one network as for a session (/24, and /48 of IPv6).
func (j Join) moved(f From) bool {
	at, err := netip.ParseAddr(j.Addr)
	return err != nil || !f.Addr.IsValid() || !edge.Neighbours(at, f.Addr)
}

// joinFor is joinOf for who is about to make a key, or says why not yet.
func (s *Service) joinFor(ctx context.Context, f From) (Join, error) {
	j, err := s.joinOf(ctx, f)
	switch {
	case err != nil:
		return j, err
	case j.JKT != "" && j.JKT != f.JKT:
		return j, ErrJoinGone.Because(errors.New("the code was shown to another key than the one that asks"))
	case j.moved(f) && (j.State == JoinShown || j.State == JoinClaimed || j.State == JoinAdmitted):
		return j, ErrJoinMoved
	case j.State == JoinShown || j.State == JoinClaimed:
		return j, ErrJoinWaiting
	case j.State != JoinAdmitted:
		return j, ErrJoinGone
	}
	return j, nil
}

// BeginJoin returns creation options for a browser whose owner said yes.
func (s *Service) BeginJoin(ctx context.Context, f From) ([]byte, error) {
	j, err := s.joinFor(ctx, f)
	if err != nil {
		return nil, err
	}
	var acc account.Account
	var exclude [][]byte
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		if err := s.admitted(tx, j); err != nil {
			return err
		}
		if acc, err = s.accounts.ByID(tx, j.Account); err != nil {
			return err
		}
		exclude, err = s.devices.AcceptedCredentialIDs(tx, j.Account)
		return err
	}); err != nil {
		return nil, err
	}
	name, err := s.displayName(ctx, j.Account)
	if err != nil {
		return nil, err
	}
	return s.devices.BeginRegister(device.RegisterFor{Account: acc.ID, Handle: acc.Handle, UserName: name, DisplayName: name, Exclude: exclude}, j.ID)
}

// FinishJoin adds the newcomer's passkey with the touch that the owner gave for it,
// holds withdrawals, and signs the newcomer in.
func (s *Service) FinishJoin(ctx context.Context, cause store.Cause, f From, name string, response []byte) (Entered, error) {
	j, err := s.joinFor(ctx, f)
	if err != nil {
		return Entered{}, err
	}
	var acc account.Account
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		if err := s.admitted(tx, j); err != nil {
			return err
		}
		acc, err = s.accounts.ByID(tx, j.Account)
		return err
	}); err != nil {
		return Entered{}, err
	}
	att, err := s.devices.ParseRegister(ctx, device.RegisterFor{Account: acc.ID, Handle: acc.Handle, App: f.Kind == session.API}, j.ID, response)
	if err != nil {
		return Entered{}, err
	}
	f.Remember = false
	cause.Actor = "account:" + string(acc.ID)
	bind := keyring.Hash(f.Cookie)
	var in Entered
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.admitted(tx, j); err != nil {
			return err
		}
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		dev, isNew, err := s.devices.Meet(tx, acc.ID, f.Cookie, f.Agent)
		if err != nil {
			return err
		}
		if !isNew && f.Kind != session.API {
			return ErrJoinGone.Because(errors.New("the browser is a device of the account already, and was to be a new one"))
		}
		att.AskedOn(dev.ID)
		on, expected, err := s.expect(tx, acc.ID, att, f.Agent, f.Known)
		if err != nil {
			return err
		}
		if on == "" {
			on = dev.ID
		}
		key, proof, err := s.devices.AddJoined(tx, acc.ID, att, on, name, j.ID)
		if errors.Is(err, device.ErrStepUp) || errors.Is(err, device.ErrTooNew) || errors.Is(err, device.ErrGradeLow) {
			return ErrJoinGone.Because(err) // the touch is too old or used, or its key was removed, or has not the power
		}
		if err != nil {
			return err
		}
		var version int64
		err = tx.Row(sqlUseJoin, j.ID, bind[:], f.JKT, string(key.ID), string(acc.ID), store.Micros(tx.Now)).Scan(&version)
		if errors.Is(err, store.ErrNoRows) {
			return ErrJoinGone
		}
		if err != nil {
			return err
		}
		held, heldVersion, err := s.holdForKey(tx, acc.ID, "hold.joined")
		if err != nil {
			return err
		}
		var effects []audit.Effect
		if in, effects, err = s.enter(tx, acc.ID, f, &proof); err != nil {
			return err
		}
		effects = append(append(effects, expected...),
			audit.Effect{Kind: "key", ID: string(key.ID), Version: key.Version},
			audit.Effect{Kind: "device", ID: string(dev.ID), Version: in.Device.Version},
			audit.Effect{Kind: "join", ID: j.ID, Version: version},
			audit.Effect{Kind: "account", ID: string(acc.ID), Version: heldVersion})
		p := seen(f, "passkey", false)
		p["key"], p["joined"], p["held"] = key.Name, "yes", held
		_, err = s.log.Append(tx, audit.Event{Action: "key.added", Account: string(acc.ID), Target: string(key.ID), Effects: effects, Payload: p})
		return err
	})
	return in, err
}

// admitted asks again, inside each transaction, whether the yes still stands: the
// account may have been frozen since, and whoever ends the session that said yes
// takes it back.
func (s *Service) admitted(tx *store.Tx, j Join) error {
	if err := s.changeable(tx, j.Account, account.HoldKeys); err != nil {
		return ErrJoinGone.Because(err) // the newcomer has proved nothing, and learns no more
	}
	ses, err := s.sessions.ByID(tx, j.Account, sessionOfJoin(j))
	if err != nil {
		return err
	}
	if !ses.EndedAt.IsZero() {
		return ErrJoinGone.Because(errors.New("the session that said yes has ended"))
	}
	return nil
}

// SweepJoins forgets joins that are over. Run it in Housekeeping.
func (s *Service) SweepJoins(tx *store.Tx) error {
	_, err := tx.Exec(sqlSweepJoins, store.Micros(tx.Now.Add(-joinKept)))
	return err
}

func scanJoin(r interface{ Scan(...any) error }, now time.Time) (Join, error) {
	var j Join
	var agent string
	var made, expires int64
	err := r.Scan(&j.ID, (*string)(&j.State), (*string)(&j.Account), &j.Session, &j.JKT, &agent, &j.Addr, (*string)(&j.Key), &made, &expires, &j.Version)
	if errors.Is(err, store.ErrNoRows) {
		return j, ErrJoinGone
	}
	j.Agent, j.MadeAt, j.Expires = device.AgentOfWords(agent), store.Time(made), store.Time(expires)
	if j.State != JoinUsed && j.State != JoinRefused && !now.Before(j.Expires) {
		j.State = JoinExpired
	}
	return j, err
}
