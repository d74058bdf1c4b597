package apikey

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"keyward/internal/store"
)

// tally counts what keys do, by minute, and writes it once a minute: the hot path
// writes no rows.
type tally struct {
	writing sync.Mutex // held while counts are written: who flushes finds written what was counted before
	far     time.Time  // when it was last looked far back; under writing

	shards [shards]tallyShard
}

type tallyShard struct {
	mu   sync.Mutex // guards the rest
	n    map[use]*int64
	many map[tallied]int // different uses of a key since the last flush
}

// line is the count of one use, at 0 where there is none yet.
func (sh *tallyShard) line(u use) *int64 {
	n := sh.n[u]
	if n == nil {
		n = new(int64)
		sh.n[u] = n
	}
	return n
}

// tallied: what a stranger can cause and what only the key can have room of their own.
// With one, 64 wrong signatures from one IPv6 network would take the address out of
// everything that a thief of the secret does.
type tallied struct {
	key    ID
	proved bool
}

// use is one line of a key's story.
type use struct {
	key    ID
	minute int64 // unix minutes
	addr   netip.Addr
	class  Class
	code   Code
}

// Class groups requests for people, limits, and what happens while the tail is lost.
type Class string

// The classes. Stored, so never renamed.
const (
	ClassRead     Class = "read"
	ClassTrade    Class = "trade"
	ClassCancel   Class = "cancel"
	ClassTransfer Class = "transfer"
	ClassWithdraw Class = "withdraw"
	ClassKey      Class = "key"
)

func (s *Service) count(k *opened, addr netip.Addr, class Class, code Code, proved bool, now time.Time) {
	who := tallied{k.ID, proved}
	u := use{k.ID, now.Unix() / 60, addr.Unmap().WithZone(""), class, code}
	sh := &s.tally.shards[s.keys.at(k.ID)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	n := sh.n[u]
	if n == nil {
		if sh.n == nil {
			sh.n, sh.many = map[use]*int64{}, map[tallied]int{}
		}
		if sh.many[who] >= maxTally {
			u.addr = netip.Addr{} // a thief with a thousand addresses is one line
		} else {
			sh.many[who]++
		}
		n = sh.line(u)
	}
	*n++
}

// flushPatience: whoever else may write to these rows may hold one for ever, a gate that was
// taken over above all. That must not stop what is counted of everybody else.
const flushPatience = 3 * time.Second

// Flush writes what was counted. What cannot be written is counted again later.
func (s *Service) Flush(ctx context.Context) error {
	s.tally.writing.Lock()
	defer s.tally.writing.Unlock()
	var all error
	for i := range s.tally.shards {
		sh := &s.tally.shards[i]
		sh.mu.Lock()
		n := sh.n
		sh.n, sh.many = nil, nil
		sh.mu.Unlock()
		if len(n) == 0 {
			continue
		}
		short, cancel := context.WithTimeout(ctx, flushPatience)
		err := s.db.Housekeeping(short, func(tx *store.Tx) error { return s.write(tx, n) })
		cancel()
		if err != nil {
			sh.mu.Lock()
			for u, count := range n {
				if sh.n == nil {
					sh.n, sh.many = map[use]*int64{}, map[tallied]int{}
				}
				*sh.line(u) += *count
			}
			sh.mu.Unlock()
			if all = errors.Join(all, err); ctx.Err() != nil {
				return all
			}
		}
	}
	all = errors.Join(all, s.tellStale(ctx))
	if s.reader || !s.shared {
		return all
	}
	return errors.Join(all, s.noteUsed(ctx))
}

// write adds the counts to the stories, and notes on the keys when they were let in last.
// A gate may not write on a key: noteUsed does that for it.
func (s *Service) write(tx *store.Tx, n map[use]*int64) error {
	uses := make([]use, 0, len(n))
	for u := range n {
		uses = append(uses, u)
	}
	// In one order, so that two processes never wait for each other's rows.
	slices.SortFunc(uses, func(a, b use) int {
		if c := strings.Compare(string(a.key), string(b.key)); c != 0 {
			return c
		}
		if a.minute != b.minute {
			return int(a.minute - b.minute)
		}
		if c := a.addr.Compare(b.addr); c != 0 {
			return c
		}
		return strings.Compare(string(a.class)+string(a.code), string(b.class)+string(b.code))
	})
	var used []usedAt
	for _, u := range uses {
		addr := ""
		if u.addr.IsValid() {
			addr = u.addr.String()
		}
		minute := store.Micros(time.Unix(u.minute*60, 0))
		if err := tx.Later(sqlTally, string(u.key), minute, addr, string(u.class), string(u.code), *n[u]); err != nil {
			return err
		}
		switch last := len(used) - 1; {
		case u.code != "":
		case last >= 0 && used[last].key == string(u.key):
			used[last].at = minute // they are in order
		default:
			used = append(used, usedAt{string(u.key), minute})
		}
	}
	if s.reader {
		return nil
	}
	return note(tx, used)
}

func note(tx *store.Tx, used []usedAt) error {
	for _, u := range used {
		if err := tx.Later(sqlUsed, u.at, u.key); err != nil {
			return err
		}
	}
	return nil
}

const (
	// usedLately: how far back a server looks for what gates counted. Most write once a
	// minute; one that had lost the database writes what it kept when it is back.
	usedLately = time.Hour

	// farEvery: it looks back that far only so often, because with many keys in use an hour
	// has many lines.
	farEvery = 10 * time.Minute
)

// noteUsed writes on the keys when gates let them in last.
func (s *Service) noteUsed(ctx context.Context) error {
	now := s.db.Now()
	far := now.Sub(s.tally.far) >= farEvery
	back := talliesLate + clocksApart
	if far {
		back = usedLately
	}
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		used, err := usedBetween(tx, tx.Now.Add(-back), tx.Now.Add(clocksApart))
		if err != nil {
			return err
		}
		return note(tx, used)
	})
	if err == nil && far {
		s.tally.far = now
	}
	return err
}

type usedAt struct {
	key string
	at  int64
}

// usedBetween: not what a gate says of tomorrow, or nobody would know again when the key
// is used.
func usedBetween(tx *store.Tx, from, to time.Time) (out []usedAt, err error) {
	rows, err := tx.Rows(sqlUsedLately, store.Micros(from), store.Micros(to))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var u usedAt
		if err := rows.Scan(&u.key, &u.at); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// Run writes the counts until ctx ends, and then once more.
func (s *Service) Run(ctx context.Context, report func(error)) {
	if s.shared && !s.reader {
		looking := make(chan struct{})
		go func() { defer close(looking); s.lookForSightings(ctx, report) }()
		defer func() { <-looking }()
	}
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.traps.tell()
			if err := errors.Join(s.Flush(last), s.SoundAlarms(last)); err != nil {
				report(err)
			}
			return
		case <-s.traps.bell:
			if err := s.SoundAlarms(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		case <-t.C:
			s.traps.tell()
			err := errors.Join(s.Flush(ctx), s.SoundAlarms(ctx))
			if !s.reader { // a gate deletes nothing, and makes no digest
				err = errors.Join(err, s.FillLookups(ctx), s.db.Housekeeping(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(sqlForgetClaims, store.Micros(tx.Now.Add(-clocksApart)))
					return err
				}))
			}
			if err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// Line is what a key did in one minute from one address.
type Line struct {
	Minute time.Time
	Addr   string // "" when there were too many to name
	Class  Class
	Code   Code // "" was let in
	N      int64
}

// Story lists what a key did in a window, the newest first.
func (s *Service) Story(tx *store.Tx, k Key, from, to time.Time) ([]Line, error) {
	return lines(tx, sqlStory, string(k.ID), store.Micros(from), store.Micros(to))
}

// Refusals lists what of a key was refused since a time and why, the newest first.
func (s *Service) Refusals(tx *store.Tx, k Key, since time.Time) ([]Line, error) {
	return lines(tx, sqlRefused, string(k.ID), store.Micros(since))
}

func lines(tx *store.Tx, q string, args ...any) (out []Line, err error) {
	rows, err := tx.Rows(q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		var at int64
		if err := rows.Scan(&at, &l.Addr, (*string)(&l.Class), (*string)(&l.Code), &l.N); err != nil {
			return nil, err
		}
		l.Minute = store.Time(at)
		out = append(out, l)
	}
	return out, rows.Err()
}

// Sweep forgets stories that are older than anybody asks for.
func (s *Service) Sweep(tx *store.Tx) error {
	long := store.Micros(tx.Now.Add(-storyKept))
	if err := tx.Later(sqlForgetErased); err != nil {
		return err
	}
	if err := tx.Later(sqlForgetUse, long); err != nil {
		return err
	}
	if err := tx.Later(sqlForgetSpent, store.Micros(tx.Now.Add(-spentKept))); err != nil {
		return err
	}
	return sweepRotations(tx, long)
}
