package session

import (
	"strings"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Round trips decide how many refreshes a second PostgreSQL gives, so they are
// counted, by somebody who sits on the wire.
func TestTripsToPostgreSQL(t *testing.T) {
	wire := storetest.Tap(t, storetest.PostgresURL(t))
	db, err := store.Open(t.Context(), store.Options{URL: wire.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := newWorld(t, db, nil)
	p := w.person()
	one, two, weak := p.signIn(bound), p.signIn(bound, elsewhere), p.signIn(elsewhere)
	var old Issued
	for _, row := range []struct {
		name string
		want int
		f    func(t *testing.T) error
	}{
		{"a turn: the statement that decides, then the proof and the event with the commit", 2, func(*testing.T) error { old = one.iss; return one.refresh() }},
		{"a turn without a key is no more", 2, func(*testing.T) error { return weak.refresh() }},
		{"a retry reads once more, and spends its proof on the side", 5, func(*testing.T) error { _, err := one.present(old.Refresh, one.jkt); return err }},
		{"a check that is not in memory", 1, func(*testing.T) error { w.s.cache.forget(two.iss.Session); return two.check() }},
		{"a check from memory", 0, func(*testing.T) error { return two.check() }},
		{"a forged token", 0, func(t *testing.T) error {
			_, err := one.present(strings.ToUpper(one.iss.Refresh), one.jkt)
			w.refused(err, ErrRefreshInvalid)
			return nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 2 { // the first prepares the statements
				wire.Forget()
				if err := row.f(t); err != nil {
					t.Fatal(err)
				}
			}
			if n := wire.Trips(); n != row.want {
				t.Errorf("%d trips, want %d", n, row.want)
			}
		})
	}
}
