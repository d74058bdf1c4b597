package audit

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/mod/sumdb/tlog"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// The frontier is our own; tlog is what others verify with. They must agree on
// every hash and every root.
func TestFrontierIsTheTreeOfTlog(t *testing.T) {
	var f frontier
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = stored[n]
		}
		return out, nil
	})
	for n := range int64(300) {
		leaf := tlog.RecordHash([]byte(name(int(n))))
		want, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		got := f.add(leaf)
		if !slices.Equal(got, want) {
			t.Fatalf("leaf %d: stored hashes differ", n)
		}
		stored = append(stored, got...)
		root, err := tlog.TreeHash(n+1, reader)
		if err != nil || f.root() != root {
			t.Fatalf("root of %d leaves differs (%v)", n+1, err)
		}
		edges, err := reader.ReadHashes(edge(n + 1))
		if err != nil || !slices.Equal(edges, f.hashes) {
			t.Fatalf("right edge of %d leaves differs (%v)", n+1, err)
		}
	}
}

// The leaf is what the design says, computed here a second time from the words
// of the design alone.
func TestLeafIsTheDocumentedOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		account := d.signIns(3)
		d.seal()
		var tree []tlog.Hash
		if err := db.View(t.Context(), func(tx *store.Tx) error {
			list, err := sealed(tx, -1, 10)
			if err != nil {
				return err
			}
			m, err := cbor.CoreDetEncOptions().EncMode()
			if err != nil {
				return err
			}
			for _, p := range list {
				r := p.row
				if r.account != account {
					t.Errorf("account = %q", r.account)
				}
				effects := sha256.Sum256([]byte(r.effects))
				payload := sha256.Sum256(append(slices.Clone(r.salt), *r.payload...))
				b, err := m.Marshal([]any{p.n, []any{1, r.id, r.at, r.action, r.actor, r.account, r.target, r.request, r.shown, effects[:]}})
				if err != nil {
					return err
				}
				tree = append(tree, sha256.Sum256(slices.Concat([]byte{0}, b, payload[:])))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := tlog.NodeHash(tlog.NodeHash(tree[0], tree[1]), tree[2])
		if rep := d.verified(); rep.Root != want || rep.Size != 3 || rep.Signed != 3 {
			t.Errorf("report %+v, want root %s of 3", rep, want)
		}
	})
}

func TestIndexInCBORHasOneForm(t *testing.T) {
	for _, n := range []uint64{0, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<63 - 1} {
		want, err := canonical.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendUint(nil, n); !slices.Equal(got, want) {
			t.Errorf("%d is %x, want %x", n, got, want)
		}
	}
}

// Batches, restarts and single events in any mixture give one and the same tree.
func TestSealingInAnyRhythmGivesOneTree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		s := d.sealer("")
		total := int64(0)
		for _, n := range []int{1, 2, 1, 300, 7, 255, 256} {
			d.signIns(n)
			total += int64(n)
			if n == 7 { // a restart: nothing in memory
				if err := s.sealAlone(t.Context()); err != nil {
					t.Fatal(err)
				}
				s = d.sealer("")
			}
			if err := s.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			rep := d.verified()
			if rep.Size != total || rep.Signed != total || rep.Unsealed != 0 {
				t.Fatalf("size %d, signed %d, unsealed %d; want %d, %d, 0", rep.Size, rep.Signed, rep.Unsealed, total, total)
			}
		}
		if n := d.count(`SELECT count(*) FROM audit_pending`); n != 0 {
			t.Errorf("%d events still in the queue", n)
		}
	})
}

// An insider with the database password but without the root key adds an event.
func TestForgedEventNeverEntersTheTree(t *testing.T) {
	forge := func(d *desk) {
		d.exec(`INSERT INTO audit_event (id, at, action, actor, account, target, request, shown, effects, payload, salt, payload_hash, mac)
			SELECT 'evt_forged', at, 'account.unfrozen', actor, account, target, request, shown, effects, payload, salt, payload_hash, mac
			FROM audit_event`)
	}
	t.Run("on PostgreSQL it is refused and the log goes on", func(t *testing.T) {
		d := newDesk(t, storetest.Postgres(t))
		d.signIns(1)
		forge(d)
		_, unsealed, err := d.log.Tail(t.Context(), d.db, -1, 10)
		if err != nil || len(unsealed) != 1 {
			t.Errorf("the tail shows %d unsealed events (%v), want the genuine one alone", len(unsealed), err)
		}
		d.seal()
		d.signIns(2)
		d.seal()
		rep, err := d.log.VerifyDB(t.Context(), d.db)
		if !errors.Is(err, ErrTampered) || rep.Size != 3 || len(rep.Faults) != 1 || !strings.Contains(rep.Faults[0].What, "refused") {
			t.Errorf("%v %+v", err, rep)
		}
	})
	t.Run("on SQLite sealing stops before it and says so", func(t *testing.T) {
		d := newDesk(t, storetest.SQLite(t))
		d.signIns(1)
		forge(d)
		if err := d.sealer("").Seal(t.Context()); !errors.Is(err, ErrForged) {
			t.Errorf("seal: %v, want ErrForged", err)
		}
		rep, err := d.log.VerifyDB(t.Context(), d.db)
		if !errors.Is(err, ErrTampered) || rep.Faults[0].N != 1 {
			t.Errorf("%v %+v", err, rep)
		}
	})
}

// Freshness does not wait for sealing (DESIGN §7).
func TestTailShowsAnEventBeforeItIsSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		account := newAccount()
		first := d.signIn(account)
		sealed, unsealed, err := d.log.Tail(t.Context(), db, -1, 10)
		if err != nil {
			t.Fatal(err)
		}
		both := append(sealed, unsealed...)
		if len(both) != 1 || both[0].ID != first || len(both[0].Effects) != 2 {
			t.Fatalf("tail = %+v", both)
		}
		if db.Dialect() == store.PostgreSQL && both[0].Index != -1 {
			t.Errorf("index = %d, want -1", both[0].Index)
		}
		d.seal()
		second := d.signIn(account)
		d.seal()
		sealed, unsealed, err = d.log.Tail(t.Context(), db, 0, 10)
		if err != nil || len(unsealed) != 0 || len(sealed) != 1 || sealed[0].ID != second || sealed[0].Index != 1 {
			t.Fatalf("tail after 0 = %+v, %+v, %v", sealed, unsealed, err)
		}
	})
}

// Readers poll while writers commit and two sealers place: each event must be
// seen at every read from its commit on, sealed or not, and the sealed ones
// without a gap.
func TestTailNeverLosesAnEventBetweenQueueAndPlace(t *testing.T) {
	d := newDesk(t, storetest.Postgres(t, storetest.WithConns(8)))
	ctx, stop := t.Context(), make(chan struct{})
	var mu sync.Mutex
	committed := map[string]bool{}
	var writing, rest sync.WaitGroup
	for range 3 {
		writing.Go(func() {
			account := newAccount()
			for range 60 {
				id := d.signIn(account)
				mu.Lock()
				committed[id] = true
				mu.Unlock()
			}
		})
	}
	for range 2 {
		s := d.sealer("")
		rest.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.Seal(ctx); err != nil {
					t.Error(err)
				}
				s.release(ctx) // gives the other one a turn
			}
		})
	}
	rest.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			mu.Lock()
			want := make([]string, 0, len(committed))
			for id := range committed {
				want = append(want, id)
			}
			mu.Unlock()
			sealed, unsealed, err := d.log.Tail(ctx, d.db, -1, 1000)
			if err != nil {
				t.Error(err)
				return
			}
			seen := map[string]bool{}
			for i, r := range sealed {
				if r.Index != int64(i) {
					t.Errorf("index %d stands at %d", r.Index, i)
				}
				seen[r.ID] = true
			}
			for _, r := range unsealed {
				if seen[r.ID] {
					t.Errorf("%s is both sealed and unsealed", r.ID)
				}
				seen[r.ID] = true
			}
			for _, id := range want {
				if !seen[id] {
					t.Errorf("%s was committed and is not in the tail", id)
				}
			}
		}
	})
	writing.Wait()
	close(stop)
	rest.Wait()
	d.seal()
	if rep := d.verified(); rep.Size != 180 {
		t.Errorf("size %d, want 180", rep.Size)
	}
}

// Two sealers that both believe to hold the lease: the fence lets one of them add.
func TestFencedSealerAddsNothing(t *testing.T) {
	d := newDesk(t, storetest.Postgres(t))
	old, young := d.sealer(""), d.sealer("")
	d.signIns(5)
	if err := old.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.exec(`UPDATE audit_sealer SET free = TRUE`) // the old one looked dead
	d.signIns(5)
	if err := young.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.signIns(3)
	if _, err := old.placeBatch(t.Context()); err == nil {
		t.Error("the old sealer placed a batch")
	}
	if n := d.count(`SELECT count(*) FROM audit_index`); n != 10 {
		t.Errorf("%d events have a place, want 10", n)
	}
	if err := old.Seal(t.Context()); err != nil || old.fence != 0 {
		t.Errorf("the old sealer: fence %d, %v; want it to step back quietly", old.fence, err)
	}
	if err := young.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rep := d.verified(); rep.Size != 13 {
		t.Errorf("size %d, want 13", rep.Size)
	}
}

func TestSilentSealerIsReplaced(t *testing.T) {
	d := newDesk(t, storetest.Postgres(t))
	now := time.Now()
	clock := func() time.Time { return now }
	gone := NewSealer(d.db, d.log, "", clock, nil)
	next := NewSealer(d.db, d.log, "", clock, nil)
	d.signIns(1)
	if err := gone.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.signIns(1)
	for _, c := range []struct {
		after time.Duration
		size  int64
	}{{0, 1}, {sealerDead - time.Millisecond, 1}, {time.Millisecond, 2}} {
		now = now.Add(c.after)
		if err := next.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := d.count(`SELECT count(*) FROM audit_index`); n != c.size {
			t.Errorf("after %v more: %d events have a place, want %d", c.after, n, c.size)
		}
	}
}

func TestRunSealsSignsAndLeavesNothingBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		s := d.sealer("")
		ctx, cancel := contextWithCancel(t)
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		d.signIns(20)
		eventually(t, 3*time.Second, func() bool {
			return d.count(`SELECT coalesce(max(size), 0) FROM audit_checkpoint`) > 0
		})
		d.signIns(rand.N(5) + 1)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if rep := d.verified(); rep.Signed != rep.Size || rep.Unsealed != 0 || rep.Size < 21 {
			t.Errorf("%+v", rep)
		}
		if err := s.Err(); err != nil {
			t.Error(err)
		}
	})
}

// Checkpoints come every second under load; what nobody anchored goes after a day.
func TestOldCheckpointsAreThinnedOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		s := d.sealer("")
		for range 5 { // five seconds of one minute
			d.signIns(1)
			if err := s.grow(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.sign(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
		d.exec(`UPDATE audit_checkpoint SET at = at - $1`, (25 * time.Hour).Microseconds())
		d.signIns(1)
		if err := s.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := d.count(`SELECT count(*) FROM audit_checkpoint`); n != 1 {
			t.Errorf("%d checkpoints, want the newest alone", n)
		}
		d.verified()
	})
}

func TestPayloadIsJSONWithSortedKeys(t *testing.T) {
	d := newDesk(t, storetest.Open(t))
	d.signIns(1)
	var p string
	if err := d.db.Get(t.Context(), `SELECT payload FROM audit_event`).Scan(&p); err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(p), &m); err != nil {
		t.Fatal(err)
	}
	if want := `{"addr":"203.0.113.7","agent":"Chrome, Windows 11","dev":"dev_1","key":"Galaxy S26","method":"passkey"}`; p != want {
		t.Errorf("payload %s\nwant    %s", p, want)
	}
}
