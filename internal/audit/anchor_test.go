package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// rollBack makes the database what it was when it had n events, as restoring a
// backup does.
func (d *desk) rollBack(n int64) {
	d.t.Helper()
	d.exec(`DELETE FROM audit_event WHERE id IN (SELECT event FROM audit_index WHERE n >= $1)`, n)
	d.exec(`DELETE FROM audit_index WHERE n >= $1`, n)
	d.exec(`DELETE FROM audit_hash WHERE size > $1`, n)
	d.exec(`DELETE FROM audit_checkpoint WHERE size > $1`, n)
}

func TestAnchorStopsARolledBackDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		path := filepath.Join(t.TempDir(), "anchor")
		ctx := t.Context()
		check := func() error { return d.log.CheckAnchor(ctx, db, path) }
		seal := func() error { return d.sealer(path).sealAlone(ctx) }

		if err := check(); err != nil {
			t.Fatalf("first start, no anchor yet: %v", err)
		}
		d.signIns(4)
		if err := seal(); err != nil {
			t.Fatal(err)
		}
		backup, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d.signIns(3)
		if err := seal(); err != nil {
			t.Fatal(err)
		}
		if err := check(); err != nil {
			t.Fatalf("nothing happened: %v", err)
		}

		d.rollBack(4)
		var behind *Behind
		if err := check(); !errors.Is(err, ErrBehindAnchor) || !errors.As(err, &behind) || behind.Size != 4 || behind.AnchorSize != 7 {
			t.Fatalf("rolled back to 4 of 7: %v", err)
		}
		if !strings.Contains(behind.Error(), "restore accept") {
			t.Errorf("%q does not say what to do", behind)
		}

		// Growing past the anchor does not hide it: the tree at its size is another.
		d.signIns(5)
		if err := seal(); !errors.Is(err, ErrBehindAnchor) {
			t.Fatalf("sealing over a foreign anchor: %v", err)
		}
		if err := check(); !errors.Is(err, ErrBehindAnchor) || !errors.As(err, &behind) || behind.Size != 9 {
			t.Fatalf("grown again to 9: %v", err)
		}
		if now, _ := os.ReadFile(path); string(now) == string(backup) {
			t.Error("the anchor was overwritten")
		}

		// An operator takes responsibility; the event says so for ever.
		if err := db.Update(ctx, store.Cause{Actor: "operator:min"}, func(tx *store.Tx) error {
			return d.log.AcceptRestore(tx, behind)
		}); err != nil {
			t.Fatal(err)
		}
		if err := check(); err != nil {
			t.Fatalf("accepted: %v", err)
		}
		if err := seal(); err != nil {
			t.Fatal(err)
		}
		if rep := d.verified(); rep.Size != 10 {
			t.Errorf("size %d, want 10", rep.Size)
		}

		// The acceptance was for that anchor, not for the next one.
		d.rollBack(9)
		if err := check(); !errors.Is(err, ErrBehindAnchor) {
			t.Errorf("rolled back once more: %v", err)
		}
	})
}

func TestAnchorOfAnotherInstallationIsRefused(t *testing.T) {
	db := storetest.Open(t)
	d := newDesk(t, db)
	path := filepath.Join(t.TempDir(), "anchor")
	d.signIns(1)
	if err := d.sealer(path).Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := New(keyringtest.NewTestRing(t))
	if err := other.CheckAnchor(t.Context(), db, path); !errors.Is(err, ErrAnchorForeign) {
		t.Errorf("other root secret: %v", err)
	}
	b, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), "\n1\n", "\n0\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.log.CheckAnchor(t.Context(), db, path); !errors.Is(err, ErrAnchorForeign) {
		t.Errorf("edited: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.log.CheckAnchor(t.Context(), db, path); !errors.Is(err, ErrAnchorForeign) {
		t.Errorf("emptied: %v", err)
	}
}

func TestAnchorFollowsByTimeAndByCount(t *testing.T) {
	db := storetest.Open(t)
	d := newDesk(t, db)
	path := filepath.Join(t.TempDir(), "anchor")
	now := time.Now()
	s := NewSealer(db, d.log, path, func() time.Time { return now }, nil)
	size := func() int64 {
		_, c, err := d.log.readAnchor(path)
		if err != nil {
			t.Fatal(err)
		}
		return c.size
	}
	step := func(after time.Duration) {
		now = now.Add(after)
		if err := s.step(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	d.signIns(1)
	step(0)
	if size() != 1 {
		t.Fatal("the first checkpoint is anchored at once")
	}
	d.signIns(1)
	step(59 * time.Second)
	if size() != 1 {
		t.Error("anchored before its time")
	}
	step(time.Second)
	if size() != 2 {
		t.Error("not anchored after a minute")
	}
	d.signIns(anchorAfter)
	step(2 * time.Second)
	if size() != 2+anchorAfter {
		t.Error("not anchored after a thousand events")
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
}
