package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Whatever a batch holds, the database afterwards has exactly what the callers
// were told: the notes of those who got no error or a refusal that sticks, each
// function's two notes or neither, and follow-ups of these in the same order.
func TestABatchKeepsWhatItsCallersWereTold(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	housekeep(t, db, `CREATE TABLE store_blob (b BLOB)`)
	housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('taken', 1)`)
	var pages int
	if err := db.Get(t.Context(), `SELECT page_count FROM pragma_page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	// Full for a megabyte at every time, and never for the notes of this test.
	housekeep(t, db, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+200))

	endings := map[string]struct {
		end  func(*store.Tx) error
		told error // nil stands for any error where keep is false
		keep bool
	}{
		"returns":          {func(*store.Tx) error { return nil }, nil, true},
		"refuses":          {func(*store.Tx) error { return errRefused }, errRefused, false},
		"refuses for good": {func(*store.Tx) error { return store.CommitWith(errRefused) }, errRefused, true},
		"panics":           {func(*store.Tx) error { panic("broken") }, nil, false},
		"exits":            {func(*store.Tx) error { goexit(); return nil }, errGoexit, false},
		"forgets":          {func(tx *store.Tx) error { tx.MarkAudited(); return nil }, store.ErrUnaudited, false},
		"collides": {func(tx *store.Tx) error {
			_, _ = tx.Exec(`INSERT INTO store_note (id, n) VALUES ('taken', 1)`)
			return nil
		}, store.ErrUnique, false},
		"collides for good": {func(tx *store.Tx) error {
			_, _ = tx.Exec(`INSERT INTO store_note (id, n) VALUES ('taken', 1)`)
			return store.CommitWith(errRefused)
		}, store.ErrUnique, false},
		"fills the disk": {func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO store_blob (b) VALUES ($1)`, make([]byte, 2<<20))
			return err
		}, nil, false},
		"leaves rows open": {func(tx *store.Tx) error {
			_, err := tx.Rows(`SELECT id FROM store_note`)
			return err
		}, nil, true},
	}
	names := make([]string, 0, len(endings))
	for name := range endings {
		names = append(names, name)
	}
	slices.Sort(names)

	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		script := rapid.SliceOfN(rapid.SampledFrom(names), 1, 7).Draw(rt, "script")
		var followed, wantFollowed []int
		var fs []func(*store.Tx) error
		for i, name := range script {
			fs = append(fs, func(tx *store.Tx) error {
				tx.AfterCommit(func() { followed = append(followed, i) })
				if err := add(tx, fmt.Sprintf("%d/%d/a", round, i), i); err != nil {
					return err
				}
				if err := tx.Later(`INSERT INTO store_note (id, n) VALUES ($1, 1)`, fmt.Sprintf("%d/%d/b", round, i)); err != nil {
					return err
				}
				return endings[name].end(tx)
			})
		}
		got, err := batch(db, nil, fs...)
		if err != nil {
			rt.Fatal(err)
		}
		for i, name := range script {
			e := endings[name]
			switch {
			case e.told != nil && !errors.Is(got[i], e.told), e.told == nil && (got[i] == nil) != e.keep:
				rt.Errorf("caller %d, who %s, was told %v", i, name, got[i])
			}
			if e.keep {
				wantFollowed = append(wantFollowed, i)
			}
			var n int
			if err := db.Get(context.Background(), `SELECT count(*) FROM store_note WHERE id IN ($1, $2)`,
				fmt.Sprintf("%d/%d/a", round, i), fmt.Sprintf("%d/%d/b", round, i)).Scan(&n); err != nil {
				rt.Fatal(err)
			}
			if want := map[bool]int{true: 2}[e.keep]; n != want {
				rt.Errorf("caller %d, who %s, left %d notes, want %d", i, name, n, want)
			}
		}
		if !slices.Equal(followed, wantFollowed) {
			rt.Errorf("follow-ups of %v ran, want %v", followed, wantFollowed)
		}
		if err := db.Housekeeping(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Exec(`DELETE FROM store_note WHERE id <> 'taken'`)
			return err
		}); err != nil {
			rt.Fatal(err)
		}
	})
}
