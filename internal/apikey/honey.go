package apikey

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// A honeytoken is a key that belongs to nobody and opens nothing. It is laid where only a
// thief looks (a repository, a backup, the notes of a partner), and whoever uses it has
// been there. To the one who sends it, it is a key that there is not: the same code, the
// same body, checked in the same time. That its alarm is written somewhere else and later
// is part of that.

// traps hold what happened to honeytokens until it is written.
type traps struct {
	logger  *slog.Logger
	counted func(proved bool)
	bell    chan struct{} // full: SoundAlarms has something to do

	mu      sync.Mutex // guards the rest
	alarms  map[ID]*alarm
	quiet   map[ID]time.Time // no second event of one key before
	knocked map[ID]int64     // its id without its secret, in this minute
}

// alarm is a use of a honeytoken that is not in the log yet.
type alarm struct {
	note string
	addr netip.Addr // of the first
	n    int64
}

const (
	// alarmEvery: a thief who tries the key a thousand times is one event a minute, with
	// the number in the next one; each address and minute stands in the key's story.
	alarmEvery = time.Minute
)

// trapped notes a use of a honeytoken. It must not wait for anything: time would tell.
func (s *Service) trapped(k *opened, peer netip.Addr, proved bool, now time.Time) {
	t := &s.traps
	if t.counted != nil {
		t.counted(proved)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.alarms == nil {
		t.alarms, t.quiet, t.knocked = map[ID]*alarm{}, map[ID]time.Time{}, map[ID]int64{}
	}
	if !proved {
		t.knocked[k.ID]++
		return
	}
	a := t.alarms[k.ID]
	if a == nil {
		a = &alarm{note: k.Purpose, addr: peer.Unmap().WithZone("")}
		t.alarms[k.ID] = a
	}
	a.n++
	if !now.Before(t.quiet[k.ID]) {
		select {
		case t.bell <- struct{}{}:
		default:
		}
	}
}

// SoundAlarms writes what happened to honeytokens to the log of events and tells the
// operator's log. What cannot be written is tried again.
func (s *Service) SoundAlarms(ctx context.Context) error {
	t, now := &s.traps, s.db.Now()
	due := map[ID]*alarm{}
	t.mu.Lock()
	for id, a := range t.alarms {
		if !now.Before(t.quiet[id]) {
			due[id] = a
			delete(t.alarms, id)
			t.quiet[id] = now.Add(alarmEvery)
		}
	}
	t.mu.Unlock()
	for id, a := range due {
		if t.logger != nil {
			t.logger.ErrorContext(ctx, "a honeytoken was used: somebody has what was laid out", "key", string(id), "note", a.note, "addr", a.addr.String(), "calls", a.n)
		}
		seen := sighting{kind: sightHoney, key: id, addr: a.addr, at: now, n: a.n}
		tell := s.sight // a gate of its own writes no event: a server makes one of what it saw
		if !s.reader {
			tell = s.honeyUsed
		}
		if err := tell(ctx, seen); err != nil {
			t.mu.Lock()
			if later := t.alarms[id]; later != nil {
				a.n += later.n
			}
			t.alarms[id], t.quiet[id] = a, now
			t.mu.Unlock()
			return err
		}
	}
	return nil
}

// honeyUsed makes the event of a use.
func (s *Service) honeyUsed(ctx context.Context, seen sighting) error {
	return s.db.Update(ctx, store.Cause{Actor: "system:gate", Addr: seen.addr}, func(tx *store.Tx) error {
		k, err := scanKey(tx.Row(sqlOpenKey, string(seen.key)))
		if err == store.ErrNoRows || err == nil && !k.honey {
			return nil // a gate that somebody took over may say what it likes
		}
		if err != nil {
			return err
		}
		if err := tx.Later(sqlHoneyUsed, store.Micros(tx.Now), string(seen.key)); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.honeytoken_used", Target: string(seen.key), Effects: honeyEffect(seen.key),
			Payload: map[string]string{"purpose": k.Purpose, "n": strconv.FormatInt(seen.n, 10)},
		})
		return err
	})
}

// tell says once a minute which honeytokens were named without their secret: somebody
// guesses, or has an old copy. Before proof nothing is logged one by one.
func (t *traps) tell() {
	t.mu.Lock()
	knocked := t.knocked
	t.knocked = map[ID]int64{}
	t.mu.Unlock()
	if t.logger == nil {
		return
	}
	for id, n := range knocked {
		t.logger.Warn("the id of a honeytoken was used without its secret", "key", string(id), "calls", n)
	}
}

func (t *traps) found(id ID, via Via, where string) {
	if t.logger != nil {
		t.logger.Error("a honeytoken was found outside and reported", "key", string(id), "via", string(via), "found", where)
	}
}

// honeyEffect is of a kind of its own: gates that heard of it would look the key up anew,
// and answer a little later than for a key that there is not.
func honeyEffect(id ID) []audit.Effect {
	return []audit.Effect{{Kind: "honeytoken", ID: string(id), Version: 1}}
}

// AddHoneytoken makes a key that is a trap, on an operator's word. The note says where it
// was laid and is for operators alone. It has the form of a profile's keys: a thief who
// knows that form must see nothing odd.
func (s *Service) AddHoneytoken(ctx context.Context, cause store.Cause, note string, profile Profile, test bool) (Created, error) {
	note = strings.TrimSpace(note)
	if profile == "" {
		profile = Native
	}
	var alg Alg
	for _, a := range signsWith[profile] {
		if a != Ed25519 {
			alg = a
			break
		}
	}
	if alg == "" {
		return Created{}, ErrPublic // what it would be laid out as is a private key, which we never have
	}
	if len(note) < minPurpose || len(note) > maxPurpose || !plain(note) {
		return Created{}, ErrPurpose
	}
	c := Created{Key: Key{ID: idFor(profile, test), Purpose: note, Profile: profile, Alg: alg, Status: Active, Version: 1, honey: true}, Secret: secretFor(profile, test)}
	if profile.Passphrase() {
		c.Passphrase = passphrase()
	}
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		box := boxed(c.Secret, c.Passphrase)
		sealed, err := s.safe.Seal(box, "apikey_version", versionRow(c.ID, 1), "sealed")
		if err != nil {
			return err
		}
		// It has an end like every key, which nobody looks at before the signature holds.
		if err := tx.Later(sqlInsertHoney, string(c.ID), note, string(profile), string(alg), store.Micros(tx.Now), store.Micros(tx.Now.Add(maxLife)), defaultWindow.Milliseconds(), defaultPerMinute); err != nil {
			return err
		}
		if err := tx.Later(sqlInsertVersion, string(c.ID), 1, nil, sealed, store.Micros(tx.Now)); err != nil {
			return err
		}
		if err := s.noteLookup(tx, c.ID, 1, alg, nil, box); err != nil {
			return err
		}
		// As a key and not as a trap: whoever tried the id before has an answer in memory.
		_, err = s.log.Append(tx, audit.Event{Action: "apikey.honeytoken_added", Target: string(c.ID), Effects: effect(c.ID, 1), Payload: map[string]string{"purpose": note}})
		return err
	})
	return c, err
}

// Honeytokens lists the traps that are laid, the newest first.
func (s *Service) Honeytokens(tx *store.Tx) ([]Key, error) { return s.page(tx, sqlHoneytokens) }

// EndHoneytoken takes a trap away.
func (s *Service) EndHoneytoken(ctx context.Context, cause store.Cause, id ID) error {
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(sqlEndHoney, string(id), store.Micros(tx.Now)).Scan(&version)
		if err == store.ErrNoRows {
			return ErrUnknown
		}
		if err != nil {
			return err
		}
		if err := tx.Later(sqlDropSecrets, string(id), store.Micros(tx.Now)); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{Action: "apikey.honeytoken_ended", Target: string(id), Effects: effect(id, version)})
		return err
	})
	if err != nil {
		return err
	}
	return s.told(ctx)
}
