package audit

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"keyward/internal/store"
)

const (
	refusalEvery  = time.Minute
	maxRefusals   = 4096 // counters held; the rest is counted together
	maxPerMinute  = 60   // events written per minute; the rest is counted together
	everyoneElse  = "*"  // credential of the common counter
	maxCredential = 64
)

// Refusals counts refusals before proof: a bad tag, an unknown key, a wrong
// code. Such a refusal costs an attacker nothing, so one event each would let
// anybody fill the log and hide in it. Per minute there is one event for each
// (credential or prefix, reason), and never more than maxPerMinute.
//
// After proof a refusal is an event of its own, written by whoever refuses.
type Refusals struct {
	db  *store.DB
	log *Log

	mu     sync.Mutex // guards counts
	counts map[refusal]int64
}

type refusal struct{ credential, reason string }

// NewRefusals makes an empty set of counters.
func NewRefusals(db *store.DB, log *Log) *Refusals {
	return &Refusals{db: db, log: log, counts: map[refusal]int64{}}
}

// Count notes one refusal. The credential is an id or a public prefix, never the
// presented secret; the reason is a code of the problem table.
func (f *Refusals) Count(credential, reason string) {
	if !plain(credential) || len(credential) > maxCredential {
		credential = everyoneElse // not of our making: an attacker chose it
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := refusal{credential, reason}
	if _, ok := f.counts[key]; !ok && len(f.counts) >= maxRefusals {
		f.thinOut()
	}
	f.counts[key]++
}

// thinOut adds the smallest counters up. The large ones stay, so an attacker who
// tries one credential in earnest cannot hide it behind a flood of invented ones.
func (f *Refusals) thinOut() {
	for most := int64(1); len(f.counts) > maxRefusals/2; most *= 2 {
		for k, n := range f.counts {
			if n <= most && k.credential != everyoneElse {
				delete(f.counts, k)
				f.counts[refusal{everyoneElse, k.reason}] += n
			}
		}
		if most > 1<<40 {
			return // nothing but the common counters is left
		}
	}
}

// Run writes the counters each minute, and once more when ctx ends.
func (f *Refusals) Run(ctx context.Context, logger *slog.Logger) error {
	t := time.NewTicker(refusalEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := f.Flush(ctx); err != nil {
				logger.Warn("refusals were not written yet", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return f.Flush(last)
		}
	}
}

// Flush writes what was counted. What could not be written is counted again.
func (f *Refusals) Flush(ctx context.Context) error {
	f.mu.Lock()
	counts := f.counts
	f.counts = map[refusal]int64{}
	f.mu.Unlock()

	for i, c := range capped(counts) {
		err := f.db.Update(ctx, store.Cause{Actor: "system:edge"}, func(tx *store.Tx) error {
			_, err := f.log.Append(tx, Event{Action: "refusal.counted", Target: c.credential, Payload: map[string]string{
				"n": strconv.FormatInt(c.n, 10), "reason": c.reason,
			}})
			return err
		})
		if err != nil {
			f.putBack(capped(counts)[i:])
			return err
		}
	}
	return nil
}

type counted struct {
	refusal
	n int64
}

// capped sorts the counters, the largest first, and adds up those beyond the
// cap by reason.
func capped(counts map[refusal]int64) []counted {
	all := make([]counted, 0, len(counts))
	for k, n := range counts {
		all = append(all, counted{k, n})
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.credential, b.credential), cmp.Compare(a.reason, b.reason))
	})
	if len(all) <= maxPerMinute {
		return all
	}
	rest := counted{refusal: refusal{everyoneElse, "several"}}
	for _, c := range all[maxPerMinute-1:] {
		rest.n += c.n
	}
	return append(all[:maxPerMinute-1:maxPerMinute-1], rest)
}

func (f *Refusals) putBack(cs []counted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range cs {
		f.counts[c.refusal] += c.n
	}
}
