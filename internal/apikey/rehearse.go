package apikey

import (
	"net/netip"
	"strings"
	"time"

	"keyward/internal/store"
)

// Stage is how far a rehearsal has come.
type Stage string

// The stages. Part of the contract of the API: never renamed.
const (
	NoTwin   Stage = "no_test_key" // there is no test key of the same shape
	NotBegun Stage = "not_begun"   // there is one, and it was not rotated
	Under    Stage = "running"     // both of its versions sign
	Done     Stage = "done"
)

// Rehearsal is what a rotation of a test key of the same shape showed.
type Rehearsal struct {
	Twin     Key // the test key; zero without one
	Stage    Stage
	Findings []Finding // what would break
	Passed   bool      // it was done, and nothing broke
}

// IsTest reports whether an id is that of a key for the sandbox.
func (id ID) IsTest() bool {
	return strings.HasPrefix(strings.TrimPrefix(string(id), "account-"), testID)
}

// Twin is the test key that a rehearsal for k is done with: the same rights, places,
// markets and way to sign, so that the same programs at the same addresses can take part.
func (k Key) Twin(public []byte) NewKey {
	scopes := k.Scopes &^ Money // a rehearsal moves none
	return NewKey{Purpose: k.Purpose, Sub: k.Sub, Profile: k.Profile, Alg: k.Alg, Public: public, Scopes: scopes, Symbols: k.Symbols, Allow: k.Allow, Deny: k.Deny,
		Life: 7 * 24 * time.Hour, Window: k.Window, PerMin: k.PerMin, Partner: k.Partner, Test: true}
}

// Rehearsal reads what the newest test key of the same shape went through.
func (s *Service) Rehearsal(tx *store.Tx, k Key) (r Rehearsal, err error) {
	r.Stage = NoTwin
	twins, err := s.twins(tx, k)
	if err != nil || len(twins) == 0 {
		return r, err
	}
	// The newest that was rotated; without one, the newest.
	r.Twin, r.Stage = twins[0], NotBegun
	for _, twin := range twins {
		var n int64
		if err := tx.Row(sqlNewest, string(twin.ID)).Scan(&n); err != nil {
			return r, err
		}
		if n > 1 {
			return s.drilled(tx, twin, n)
		}
	}
	return r, nil
}

func (s *Service) twins(tx *store.Tx, k Key) (out []Key, err error) {
	rows, err := tx.Rows(sqlRehearse, string(k.Account), string(k.ID), string(k.Profile), string(k.Alg), (k.Scopes &^ Money).String(), strings.Join(k.Symbols, " "), joinPlaces(k.Allow), joinPlaces(k.Deny))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		twin, err := scanKey(rows)
		if err != nil {
			return nil, err
		}
		if twin.ID.IsTest() && twin.Made.Device != "" {
			out = append(out, twin)
		}
	}
	return out, rows.Err()
}

// drilled says what the last rotation of a test key showed.
func (s *Service) drilled(tx *store.Tx, twin Key, n int64) (Rehearsal, error) {
	r := Rehearsal{Twin: twin, Stage: Under}
	var how, why string
	var began, ends, old int64
	if err := tx.Row(sqlTurns, string(twin.ID)).Scan(&n, &how, &why, &began); err != nil {
		return r, err
	}
	versions, err := s.Versions(tx, twin)
	if err != nil {
		return r, err
	}
	if len(versions) == 0 || versions[0].N != n {
		r.Stage = NotBegun // it was undone, or the key ended
		return r, nil
	}
	if err := tx.Row(sqlReplaced, string(twin.ID), n, began).Scan(&old, &ends); err != nil {
		return r, err
	}
	ended := ends > 0 && ends <= store.Micros(tx.Now)
	at := tx.Now
	if ended {
		r.Stage, at = Done, store.Time(ends)
	}
	lines, err := meterLines(tx, twin.ID, store.Time(began).Truncate(time.Minute))
	if err != nil {
		return r, err
	}
	var oldSeen, newSeen bool
	for _, l := range lines {
		switch {
		case l.n == n && l.code == "":
			newSeen = true
		case l.n == n:
			r.Findings = append(r.Findings, Finding{What: NewRefused, Addr: l.addr, Refused: l.code, N: l.uses, At: l.last})
		case l.n == old:
			oldSeen = true
			if at.Sub(l.last) < quietFor {
				r.Findings = append(r.Findings, Finding{What: OldUsed, Addr: l.addr, N: l.uses, At: l.last})
			}
		}
	}
	if !newSeen {
		r.Findings = append(r.Findings, Finding{What: NewUnseen})
	}
	if !oldSeen {
		r.Findings = append(r.Findings, Finding{What: OldUnused})
	}
	if ended {
		failed, err := failedSince(tx, twin, at)
		if err != nil {
			return r, err
		}
		r.Findings = append(r.Findings, failed...)
	}
	r.Passed = r.Stage == Done && len(r.Findings) == 0
	return r, nil
}

// failedSince lists the calls that no version had signed, after the old one ended: a
// program that was forgotten. By the minute, so the one in which it ended is left out.
// Only from where the key works: anybody can send rubbish under its name.
func failedSince(tx *store.Tx, k Key, at time.Time) (out []Finding, err error) {
	rows, err := tx.Rows(sqlFailedSince, string(k.ID), store.Micros(at.Truncate(time.Minute).Add(time.Minute)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		f := Finding{What: FailedAfter}
		var last int64
		if err := rows.Scan(&f.Addr, &f.N, &last); err != nil {
			return nil, err
		}
		f.At = store.Time(last)
		if from, err := netip.ParseAddr(f.Addr); err == nil && within(from, k.Allow, k.Deny) {
			out = append(out, f)
		}
	}
	return out, rows.Err()
}

// rehearsed asks for a rehearsal before the first rotation of a live key, unless its
// owner says that there was none and goes on. After a leak nobody is kept waiting.
func (s *Service) rehearsed(tx *store.Tx, k Key, t Turn) error {
	if t.Unrehearsed || t.Why == MayHaveLeaked || k.ID.IsTest() {
		return nil
	}
	var n int64
	if err := tx.Row(sqlNewest, string(k.ID)).Scan(&n); err != nil || n > 1 {
		return err
	}
	r, err := s.Rehearsal(tx, k)
	if err == nil && !r.Passed {
		err = ErrUnrehearsed.With("stage", string(r.Stage))
	}
	return err
}
