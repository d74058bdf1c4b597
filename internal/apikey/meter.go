package apikey

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"keyward/internal/store"
)

// meter counts which version signed, while a key has two. It is written more often than
// the tally, because somebody waits for it: whether the old one may end.
type meter struct {
	shards [shards]struct {
		mu   sync.Mutex // guards the rest
		n    map[metered]metering
		many map[ID]int
	}
}

// metered is one line of it.
type metered struct {
	key    ID
	n      int64 // of the version
	minute int64 // unix minutes
	addr   netip.Addr
	code   Code
}

type metering struct {
	uses int64
	last int64 // microseconds
}

func (m *meter) count(shard int, k *opened, n int64, addr netip.Addr, code Code, now time.Time) {
	line := metered{k.ID, n, now.Unix() / 60, addr.Unmap().WithZone(""), code}
	sh := &m.shards[shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	was, known := sh.n[line]
	if !known {
		if sh.n == nil {
			sh.n, sh.many = map[metered]metering{}, map[ID]int{}
		}
		if sh.many[k.ID] >= maxTally {
			line.addr = netip.Addr{}
			was = sh.n[line]
		} else {
			sh.many[k.ID]++
		}
	}
	sh.n[line] = metering{was.uses + 1, max(was.last, store.Micros(now))}
}

// FlushMeter writes what was counted of keys with two versions. What cannot be written is
// counted again later.
func (s *Service) FlushMeter(ctx context.Context) error {
	for i := range s.meter.shards {
		sh := &s.meter.shards[i]
		sh.mu.Lock()
		n := sh.n
		sh.n, sh.many = nil, nil
		sh.mu.Unlock()
		if len(n) == 0 {
			continue
		}
		if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error { return writeMeter(tx, n) }); err != nil {
			sh.mu.Lock()
			for line, m := range n {
				if sh.n == nil {
					sh.n, sh.many = map[metered]metering{}, map[ID]int{}
				}
				was := sh.n[line]
				sh.n[line] = metering{was.uses + m.uses, max(was.last, m.last)}
			}
			sh.mu.Unlock()
			return err
		}
	}
	return nil
}

func writeMeter(tx *store.Tx, n map[metered]metering) error {
	lines := make([]metered, 0, len(n))
	for line := range n {
		lines = append(lines, line)
	}
	// In one order, so that two processes never wait for each other's rows.
	slices.SortFunc(lines, func(a, b metered) int {
		if c := strings.Compare(string(a.key), string(b.key)); c != 0 {
			return c
		}
		if a.n != b.n || a.minute != b.minute {
			return int((a.n-b.n)<<32 + a.minute - b.minute)
		}
		if c := a.addr.Compare(b.addr); c != 0 {
			return c
		}
		return strings.Compare(string(a.code), string(b.code))
	})
	for _, line := range lines {
		addr := ""
		if line.addr.IsValid() {
			addr = line.addr.String()
		}
		m := n[line]
		if err := tx.Later(sqlMeter, string(line.key), line.n, store.Micros(time.Unix(line.minute*60, 0)), addr, string(line.code), m.uses, m.last); err != nil {
			return err
		}
	}
	return nil
}

// RunMeter writes the meter until ctx ends, and then once more.
func (s *Service) RunMeter(ctx context.Context, report func(error)) {
	t := time.NewTicker(meterEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := s.FlushMeter(last); err != nil {
				report(err)
			}
			return
		case <-t.C:
			if err := s.FlushMeter(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// What is something that would break, or did in a rehearsal. Part of the contract of the
// API: never renamed.
type What string

// The things that break.
const (
	OldUsed     What = "old_used"     // the old version signs still, or did shortly before it ended
	NewUnseen   What = "new_unseen"   // nothing was ever let in that the new version signed
	NewRefused  What = "new_refused"  // what the new version signs is refused, and why
	OldUnused   What = "old_unused"   // of a rehearsal: nobody signed with the old version during the overlap, so nothing was tried
	FailedAfter What = "failed_after" // after the old version ended, calls came that no version had signed
	TooEarly    What = "began_lately" // both have signed for less than what counts as quiet
)

// Finding is one of them.
type Finding struct {
	What    What
	Addr    string // "" when there were too many to name, or none
	Refused Code   // of NewRefused
	N       int64  // calls
	At      time.Time
}

// Metered is what a version did.
type Metered struct {
	Version
	Calls   int64 // let in within the last hour
	Refused int64 // after its signature held
	Last    time.Time
	Addr    string // where the last one came from; "" with a zero Last
}

// Meter is how far a rotation has come.
type Meter struct {
	Versions []Metered // the newest first
	Blockers []Finding // what would stop when the old version ended now; none: nothing that is known
}

// meteredFor: what the meter shows.
const meteredFor = time.Hour

type meterLine struct {
	n    int64
	addr string
	code Code
	uses int64
	last time.Time
}

func meterLines(tx *store.Tx, k ID, since time.Time) (out []meterLine, err error) {
	rows, err := tx.Rows(sqlMetered, string(k), store.Micros(since))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l meterLine
		var last int64
		if err := rows.Scan(&l.n, &l.addr, (*string)(&l.code), &l.uses, &last); err != nil {
			return nil, err
		}
		l.last = store.Time(last)
		out = append(out, l)
	}
	return out, rows.Err()
}

// Meter tells of the versions of a key and of what they did. Call FlushMeter before for
// what this process has not written yet; other gates write within ten seconds.
func (s *Service) Meter(tx *store.Tx, k Key) (m Meter, err error) {
	versions, err := s.Versions(tx, k)
	if err != nil {
		return m, err
	}
	hour, err := meterLines(tx, k.ID, tx.Now.Add(-meteredFor))
	if err != nil {
		return m, err
	}
	for _, v := range versions {
		one := Metered{Version: v}
		for _, l := range hour {
			if l.n != v.N {
				continue
			}
			if l.code == "" {
				one.Calls += l.uses
			} else {
				one.Refused += l.uses
			}
			if l.last.After(one.Last) {
				one.Last, one.Addr = l.last, l.addr
			}
		}
		m.Versions = append(m.Versions, one)
	}
	if len(versions) < 2 {
		return m, nil
	}
	all, err := meterLines(tx, k.ID, versions[0].Began.Truncate(time.Minute))
	if err != nil {
		return m, err
	}
	m.Blockers = blockers(tx.Now, versions, all)
	return m, nil
}

// blockers says what would stop if the old version ended now, what matters most first.
// Whether it may end is decided by sqlRetire, by the same rules; calls of the new version
// that are refused are told as well, and keep nothing from ending once others were let in.
func blockers(now time.Time, versions []Version, lines []meterLine) (out []Finding) {
	made, old := versions[0], versions[1]
	var refused []Finding
	seen := false
	for _, l := range lines {
		switch {
		case l.n == old.N && now.Sub(l.last) < quietFor:
			out = append(out, Finding{What: OldUsed, Addr: l.addr, N: l.uses, At: l.last})
		case l.n == made.N && l.code == "":
			seen = true
		case l.n == made.N && now.Sub(l.last) < meteredFor:
			refused = append(refused, Finding{What: NewRefused, Addr: l.addr, Refused: l.code, N: l.uses, At: l.last})
		}
	}
	switch {
	case !seen:
		return append(append(out, refused...), Finding{What: NewUnseen})
	case now.Sub(made.Began) < quietFor && len(out) == 0:
		out = append(out, Finding{What: TooEarly, At: made.Began})
	}
	return append(out, refused...)
}

// sweepRotations forgets what nobody asks for any more, and secrets of versions whose
// time is over.
func sweepRotations(tx *store.Tx, long int64) error {
	if err := tx.Later(sqlForgetMeter, long); err != nil {
		return err
	}
	return tx.Later(sqlDropEnded, nil, store.Micros(tx.Now))
}
