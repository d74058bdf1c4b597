package apikey

import (
	"context"
	"net/http"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// A client that hangs up while its key is looked up leaves a place behind.
func TestInventedIDsDoNotStayInMemory(t *testing.T) {
	db := storetest.SQLite(t)
	s := New(Parts{DB: db, Ring: keyringtest.NewTestRing(t)})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		r := &Request{Method: "GET", Authority: "a.example", Path: "/", Header: http.Header{
			"X-Bapi-Api-Key": {string(newID(false))}, "X-Bapi-Timestamp": {"1700000000000"}, "X-Bapi-Sign": {"0000000000000000000000000000000000000000000000000000000000000000"}}}
		_, no := s.Verify(gone, r, Need{})
		if no == nil {
			t.Fatal("let in")
		}
	}
	n := 0
	for i := range s.keys.shards {
		n += len(s.keys.shards[i].m)
	}
	if n != 0 {
		t.Errorf("%d invented ids are remembered", n)
	}
}

// A place is kept as long as the slowest clock among the gates could still take the
// request: the sweeper of a gate that is three seconds ahead must not open it.
func TestAClaimOutlivesTheClockOfTheSlowestGate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := &claims{db: db}
		now := db.Now().Truncate(time.Microsecond)
		// Signed a second ahead with the longest window: good until now+61s by our clock.
		id := [16]byte(keyring.Random(16))
		if _, taken, err := c.claim(t.Context(), id, id, now.Add(replayLife)); err != nil || taken {
			t.Fatal(taken, err)
		}
		// Our own clock says now+62s+ε; the clock of another gate is three seconds behind.
		if err := db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(sqlForgetClaims, store.Micros(now.Add(replayLife+time.Millisecond-clocksApart))) // as Run does
			return err
		}); err != nil {
			t.Fatal(err)
		}
		theirs := now.Add(replayLife + time.Millisecond - 3*time.Second)
		good := !theirs.After(now.Add(ahead + maxWindow))
		if _, taken, err := c.claim(t.Context(), id, id, theirs.Add(replayLife)); err != nil || good && !taken {
			t.Errorf("let in again at a gate that is three seconds behind (%v)", err)
		}
	})
}
