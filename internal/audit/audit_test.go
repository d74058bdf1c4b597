package audit

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
)

// desk is a log, its database and somebody who writes.
type desk struct {
	t   testing.TB
	db  *store.DB
	log *Log
}

func newDesk(t testing.TB, db *store.DB) *desk {
	return &desk{t, db, New(keyringtest.NewTestRing(t))}
}

func (d *desk) sealer(anchor string) *Sealer {
	return NewSealer(d.db, d.log, anchor, time.Now, nil)
}

func (d *desk) seal() {
	d.t.Helper()
	if err := d.sealer("").sealAlone(d.t.Context()); err != nil {
		d.t.Fatalf("seal: %v", err)
	}
}

// sealAlone is Seal by a process that leaves the lease behind.
func (s *Sealer) sealAlone(ctx context.Context) error {
	err := s.Seal(ctx)
	s.release(ctx)
	return err
}

const addr = "203.0.113.7"

func cause(account, request string) store.Cause {
	return store.Cause{Actor: "account:" + account, Addr: netip.MustParseAddr(addr), Request: request, Device: "dev_1"}
}

func newAccount() string { return keyring.NewID("acc_", time.Now()) }

// do appends one event in a transaction of its own and returns its id.
func (d *desk) do(c store.Cause, e Event) string {
	d.t.Helper()
	var id string
	if err := d.db.Update(d.t.Context(), c, func(tx *store.Tx) (err error) {
		id, err = d.log.Append(tx, e)
		return err
	}); err != nil {
		d.t.Fatalf("append %s: %v", e.Action, err)
	}
	return id
}

// signIn is a typical event.
func (d *desk) signIn(account string) string {
	d.t.Helper()
	session := keyring.NewID("ses_", time.Now())
	return d.do(cause(account, "8F3K-21"), Event{
		Action: "session.started", Account: account, Target: session,
		Effects: []Effect{{"session", session, 1}, {"key", keyring.NewID("key_", time.Now()), 3}},
		Payload: map[string]string{"agent": "Chrome, Windows 11", "method": "passkey", "key": "Galaxy S26"},
	})
}

// signIns writes n of them, several at once so that they share commits.
func (d *desk) signIns(n int) (account string) {
	d.t.Helper()
	account = newAccount()
	var left atomic.Int64
	left.Store(int64(n))
	var g sync.WaitGroup
	for range min(n, 16) {
		g.Go(func() {
			for left.Add(-1) >= 0 {
				d.signIn(account)
			}
		})
	}
	g.Wait()
	return account
}

// exec is somebody at the database itself.
func (d *desk) exec(q string, args ...any) int64 {
	d.t.Helper()
	var n int64
	if err := d.db.Housekeeping(d.t.Context(), func(tx *store.Tx) (err error) {
		n, err = tx.Exec(q, args...)
		return err
	}); err != nil {
		d.t.Fatalf("%s: %v", q, err)
	}
	return n
}

func (d *desk) count(q string, args ...any) (n int64) {
	d.t.Helper()
	if err := d.db.Get(d.t.Context(), q, args...).Scan(&n); err != nil {
		d.t.Fatalf("%s: %v", q, err)
	}
	return n
}

func (d *desk) verified() Report {
	d.t.Helper()
	rep, err := d.log.VerifyDB(d.t.Context(), d.db)
	if err != nil {
		d.t.Fatalf("verify: %v (%v)", err, rep.Faults)
	}
	return rep
}

func name(i int) string { return fmt.Sprintf("%04d", i) }

func contextWithCancel(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func eventually(t testing.TB, patience time.Duration, ok func() bool) {
	t.Helper()
	patience = max(patience, time.Minute) // a busy machine is late; what is never so fails all the same
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after %v", patience)
		}
	}
}
