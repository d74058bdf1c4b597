package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// The log: whether appending stays as cheap as it was when it has grown, and what
// an event takes on disk once it is hashed into the tree.

const (
	appenders = 16
	noteAfter = 250_000

	historians = 50_000 // accounts whose history the log is
)

// event is the kind of event that fills a log: a refresh three times of four, and
// a sign-in with everything an owner is told about it.
func (c *core) event(tx *store.Tx, i int) audit.Event {
	r := rand.Uint32()
	acc := "acc_" + bareID("", int(r%historians))[1:]
	tx.Cause = store.Cause{
		Actor: "account:" + acc, Addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		Request: fmt.Sprintf("%04X-%04X", r&0xffff, r>>16&0xffff), Device: keyring.NewID("dev_", tx.Now),
	}
	ses := keyring.NewID("ses_", tx.Now)
	if i%4 != 0 {
		return audit.Event{Action: "session.refreshed", Account: acc, Target: ses, Effects: []audit.Effect{{Kind: "family", ID: keyring.NewID("fam_", tx.Now), Version: int64(i)}}}
	}
	return audit.Event{
		Action: "session.started", Account: acc, Target: ses,
		Effects: []audit.Effect{{Kind: "session", ID: ses, Version: 1}, {Kind: "key", ID: keyring.NewID("key_", tx.Now)}},
		Payload: map[string]string{"agent": "Chrome on Linux", "method": "passkey", "key": "iCloud Keychain"},
	}
}

// history is a database with its log and a sealer, in this process.
type history struct {
	*core
	d      *deployment
	sealer *audit.Sealer
	next   atomic.Int64
}

func (b *bench) history(ctx context.Context, name, url string) (*history, error) {
	d, err := b.deploy(ctx, name, url)
	if err != nil {
		return nil, err
	}
	h := &history{d: d}
	if h.core, err = d.open(ctx); err != nil {
		return nil, err
	}
	h.sealer = audit.NewSealer(h.db, h.log, filepath.Join(d.dir, "anchor"), time.Now, nil)
	return h, nil
}

// fill appends n events in large transactions and seals them.
func (h *history) fill(ctx context.Context, n int, say func(string, ...any)) error {
	const batch = 1000
	begin := time.Now()
	for done := 0; done < n; done += batch {
		if err := h.db.Housekeeping(ctx, func(tx *store.Tx) error {
			for range batch {
				if _, err := h.log.Append(tx, h.event(tx, int(h.next.Add(1)))); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if done > 0 && done%noteAfter == 0 {
			say("  %d events after %s", done, time.Since(begin).Round(time.Second))
		}
	}
	say("  %d events after %s", n, time.Since(begin).Round(time.Second))
	if err := h.seal(ctx); err != nil {
		return err
	}
	say("  sealed after %s", time.Since(begin).Round(time.Second))
	return nil
}

// seal brings everything into the tree. On PostgreSQL the lease comes first, and
// the sealer takes it at its second look.
func (h *history) seal(ctx context.Context) error {
	for range 200 {
		if err := h.sealer.Seal(ctx); err != nil {
			return err
		}
		if _, waiting, err := h.log.Tail(ctx, h.db, 1<<62, 1); err != nil || len(waiting) == 0 {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the log is not sealed")
}

// appending measures durable transactions that append one event and nothing else.
func (h *history) appending(ctx context.Context) (sample, error) {
	var done atomic.Int64
	errs := make([]error, appenders)
	begin := time.Now()
	each(appenders, func(i int) {
		for time.Since(begin) < time.Second && errs[i] == nil {
			errs[i] = h.db.Update(ctx, store.Cause{}, func(tx *store.Tx) error {
				_, err := h.log.Append(tx, h.event(tx, int(h.next.Add(1))))
				return err
			})
			done.Add(1)
		}
	})
	rate := float64(done.Load()) / time.Since(begin).Seconds()
	return sample{rate: rate}, errors.Join(append(errs, h.seal(ctx))...)
}

// bytes is what the database takes on disk.
func (h *history) bytes(ctx context.Context) (int64, error) {
	if h.db.Dialect() == store.PostgreSQL {
		conn, err := pgx.Connect(ctx, h.d.url)
		if err != nil {
			return 0, err
		}
		defer conn.Close(ctx)
		var n int64
		return n, conn.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&n)
	}
	// Reopened, so that nothing is only in the write-ahead log.
	if err := h.db.Close(); err != nil {
		return 0, err
	}
	fi, err := os.Stat(filepath.Join(h.d.dir, "keyward.db"))
	if err != nil {
		return 0, err
	}
	if h.core, err = h.d.open(ctx); err != nil {
		return 0, err
	}
	h.sealer = audit.NewSealer(h.db, h.log, filepath.Join(h.d.dir, "anchor"), time.Now, nil)
	return fi.Size(), nil
}

func (b *bench) auditLog(ctx context.Context) error {
	if err := b.auditOn(ctx, "SQLite", b.events, func() (string, error) { return "", nil }); err != nil {
		return err
	}
	c, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	// A quarter, because sealing takes a minute for half a million and is not what
	// is measured.
	return b.auditOn(ctx, "PostgreSQL", b.events/4, func() (string, error) { return c.database(ctx) })
}

func (b *bench) auditOn(ctx context.Context, on string, events int, database func() (string, error)) (err error) {
	var both []*history
	defer func() {
		for _, h := range both {
			err = errors.Join(err, h.db.Close())
		}
	}()
	for _, name := range []string{"-empty", "-grown"} {
		url, err := database()
		if err != nil {
			return err
		}
		h, err := b.history(ctx, "audit-"+slug(on, 0)+name, url)
		if err != nil {
			return err
		}
		both = append(both, h)
	}
	empty, grown := both[0], both[1]
	before, err := grown.bytes(ctx)
	if err != nil {
		return err
	}
	if err := grown.fill(ctx, events, b.say); err != nil {
		return err
	}
	after, err := grown.bytes(ctx)
	if err != nil {
		return err
	}
	s, err := b.rounds(ctx,
		gauge{on + " append, empty log", empty.appending},
		gauge{on + " append, grown log", grown.appending},
	)
	if err != nil {
		return err
	}
	part := "audit log, " + on
	b.add(
		against(figure{Part: part, Name: "append at " + count(events) + " events", Of: "ours on an empty log", Least: noise, Remark: "durable, 16 callers; less than 10 % is noise"}, s[1], s[0]),
		figure{Part: part, Name: "an event on disk", Ours: float64(after-before) / float64(events), Unit: "B", AtMost: 1024, Remark: "row, indexes, place and tree; one of four is a sign-in"},
	)
	return nil
}
