package apikey_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/keyring"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// lies writes what a gate that was taken over may write with its database role.
func (o *owner) lies(kind string, key apikey.ID, addr string, at time.Time, n int64) {
	o.t.Helper()
	o.w.Must(o.w.DB.Housekeeping(o.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec("INSERT INTO apikey_sighting (id, kind, key_id, addr, at, n) VALUES ($1, $2, $3, $4, $5, $6)",
			keyring.NewID("lie_", o.w.DB.Now()), kind, string(key), addr, store.Micros(at), n)
		return err
	}))
}

// taken runs a server until it has taken in what gates wrote, and what it reported.
func (o *owner) taken() (reports []string) {
	o.t.Helper()
	var mu sync.Mutex
	ctx, stop := context.WithCancel(o.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.w.BotKeys.Run(ctx, func(err error) { mu.Lock(); defer mu.Unlock(); reports = append(reports, err.Error()) })
	}()
	empty := func() bool {
		var n int
		o.w.Must(o.w.DB.Get(o.t.Context(), "SELECT COUNT(*) FROM apikey_sighting").Scan(&n))
		return n == 0
	}
	o.soon("all is taken out", empty)
	o.lies("first", "", "", o.w.DB.Now(), 0)
	o.soon("and told, or the next would not be taken", empty)
	stop()
	<-done
	return reports
}

func (o *owner) isKey(id apikey.ID) (k apikey.Key) {
	o.t.Helper()
	o.w.Must(o.w.DB.View(o.t.Context(), func(tx *store.Tx) (err error) {
		k, err = o.w.BotKeys.ByID(tx, o.p.Account, id)
		return err
	}))
	return k
}

// onPostgres is an owner where gates of their own can be: on PostgreSQL.
func onPostgres(t *testing.T) *owner {
	t.Helper()
	clock := signintest.NewClock()
	o := &owner{t: t, w: signintest.New(t, storetest.Postgres(t, storetest.WithNow(clock.Now)), clock)}
	o.p = o.w.NewPerson()
	o.w.Must(o.p.SignUp())
	clock.Sleep(time.Minute)
	return o
}

// Whoever took a gate over may write sightings of any key. They come to nothing that an
// honest gate could not have seen.
func TestAServerBelievesNoGateThatSaysNonsense(t *testing.T) {
	o := onPostgres(t)
	_, key := o.p.Bot(trading)
	now := o.w.DB.Now()
	o.lies("first", key.ID, "", now.AddDate(5, 0, 0), 0)
	o.lies("clock", key.ID, home.String(), now, math.MaxInt64)
	for range 50 {
		o.lies("stale", "", "", now, -1)
		o.lies("stale", "", "", now, 2)
	}
	o.lies("quarantine", key.ID, "", now, 0)
	o.w.Must(o.w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error { // a use in five years
		_, err := tx.Exec("INSERT INTO apikey_use (key_id, minute, addr, class, code, n) VALUES ($1, $2, '', 'read', '', 1)", string(key.ID), store.Micros(now.AddDate(5, 0, 0)))
		return err
	}))
	o.lies("in_browser", key.ID, "fe80::1%<b>call +1 555 0100</b>", now, 0)
	if said := o.taken(); len(said) > 0 {
		t.Error(said)
	}
	if k := o.isKey(key.ID); !k.UsedAt.IsZero() {
		t.Errorf("used at %v", k.UsedAt)
	}
	if n := o.count("apikey.clock_off"); n != 0 {
		t.Errorf("the owner was told %q of a clock", o.said("apikey.clock_off"))
	}
	if n := o.count("gate.stale"); n != 1 {
		t.Errorf("%d events of one lie in fifty rows", n)
	}
	if n := o.count("apikey.in_browser"); n != 1 {
		t.Errorf("%d events", n)
	}
	recs, unsealed, err := o.w.Log.Tail(t.Context(), o.w.DB, -1, 1000)
	o.w.Must(err)
	for _, r := range append(recs, unsealed...) {
		if strings.Contains(fmt.Sprintf("%+v", r), "555 0100") {
			t.Errorf("free text stands in the log: %+v", r)
		}
	}
}

// One gate that lies must not stop every bot of the exchange, nor write to all of its
// customers.
func TestOneGateQuarantinesNotEveryKey(t *testing.T) {
	o := onPostgres(t)
	var keys []apikey.ID
	people := map[apikey.ID]*signintest.Person{}
	for range 13 { // an account has few keys
		p := o.w.NewPerson()
		o.w.Must(p.SignUp())
		o.w.Clock.Sleep(time.Minute)
		for range 10 {
			_, key := p.Bot(trading)
			keys, people[key.ID] = append(keys, key.ID), p
		}
	}
	accuse := func() []string {
		for _, id := range keys {
			o.lies("in_browser", id, "", o.w.DB.Now(), 0)
		}
		return o.taken()
	}
	said := accuse()
	if n := o.count("apikey.in_browser"); n != 100 {
		t.Errorf("%d owners were told at once", n)
	}
	if len(said) == 0 || !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "more keys than is likely") }) {
		t.Errorf("no operator heard of it: %q", said)
	}
	o.w.Clock.Sleep(2 * time.Minute)
	accuse()
	if n := o.count("apikey.quarantined"); n > 12 {
		t.Errorf("%d keys went into quarantine", n)
	}
	// Time goes by, and what is true is told.
	o.w.Clock.Sleep(20 * time.Minute)
	o.lies("in_browser", keys[0], "", o.w.DB.Now(), 0)
	o.taken()
	if n := o.count("apikey.quarantined"); n == 0 {
		t.Error("nothing is told any more")
	}
}
