package audit

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

const sqlChange = `INSERT INTO store_meta (name, value) VALUES ($1, $2)`

var errRefused = errors.New("refused")

// Every committed change has exactly one event, and every event its change.
func TestEventsAndChangesAreABijection(t *testing.T) {
	tries := []struct {
		name      string
		events    int
		change    bool
		result    error
		committed bool
	}{
		{"a change with its event commits", 1, true, nil, true},
		{"a change without an event is refused", 0, true, nil, false},
		{"a change with two events is refused", 2, true, nil, false},
		{"an event alone commits", 1, false, nil, true},
		{"two events alone are refused", 2, false, nil, false},
		{"an error takes change and event back", 1, true, errRefused, false},
		{"a refusal that must stick keeps both", 1, true, store.CommitWith(errRefused), true},
		{"a refusal that must stick needs its event too", 0, true, store.CommitWith(errRefused), false},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		for i, c := range tries {
			t.Run(c.name, func(t *testing.T) {
				before := d.count(`SELECT count(*) FROM audit_event`)
				_ = db.Update(t.Context(), cause("acc_1", "R"), func(tx *store.Tx) error {
					if c.change {
						if _, err := tx.Exec(sqlChange, name(i), []byte("x")); err != nil {
							return err
						}
					}
					for range c.events {
						if _, err := d.log.Append(tx, Event{Action: "account.updated", Target: name(i)}); err != nil {
							return err
						}
					}
					return c.result
				})
				changes := d.count(`SELECT count(*) FROM store_meta WHERE name = $1`, name(i))
				events := d.count(`SELECT count(*) FROM audit_event WHERE target = $1`, name(i))
				total := d.count(`SELECT count(*) FROM audit_event`) - before
				want := int64(0)
				if c.committed {
					want = 1
				}
				if events != want || total != want || c.change && changes != want {
					t.Errorf("%d changes, %d events; want %d of each", changes, events, want)
				}
			})
		}
	})
}

func TestUnknownActionsAndMalformedEventsAreRefused(t *testing.T) {
	db := storetest.Open(t)
	d := newDesk(t, db)
	for _, c := range []struct {
		name string
		e    Event
	}{
		{"an action that is not in the table", Event{Action: "account.hacked"}},
		{"an effect whose id could end the JSON text", Event{Action: "account.updated", Effects: []Effect{{"account", `x"],["`, 1}}}},
		{"an effect without a kind", Event{Action: "account.updated", Effects: []Effect{{"", "x", 1}}}},
		{"a target as long as a letter", Event{Action: "account.updated", Target: strings.Repeat("x", 500)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
				_, err := d.log.Append(tx, c.e)
				return err
			}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// People name their devices as they like; the change they make must not fail for it.
func TestLongAndBrokenNamesAreCutNotRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		id := d.do(cause("acc_1", "R"), Event{Action: "device.named", Payload: map[string]string{
			"device": strings.Repeat("폰", 500), "key": "broken \xff utf-8", "old": "",
		}})
		rec, err := d.log.ByID(t.Context(), db, id)
		if err != nil {
			t.Fatal(err)
		}
		if got := rec.Payload["device"]; len(got) > maxValue || !strings.HasSuffix(got, "폰…") {
			t.Errorf("device = %q", got)
		}
		if got := rec.Payload["key"]; got != "broken \uFFFD utf-8" {
			t.Errorf("key = %q", got)
		}
		d.seal()
		d.verified()
	})
}

// Writers only insert, each its own rows: under SERIALIZABLE none may ever have
// to try again because of another one's event.
func TestWritersNeverConflictThroughTheLog(t *testing.T) {
	db := storetest.Postgres(t, storetest.WithConns(8))
	d := newDesk(t, db)
	sealer := d.sealer("")
	ctx, stop := t.Context(), make(chan struct{})
	var sealing, writing sync.WaitGroup
	sealing.Go(func() {
		for {
			if err := sealer.Seal(ctx); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	const writers, each = 8, 60
	var calls atomic.Int64
	for range writers {
		account := newAccount()
		writing.Go(func() {
			for range each {
				if err := db.Update(ctx, cause(account, "R"), func(tx *store.Tx) error {
					calls.Add(1)
					_, err := d.log.Append(tx, Event{Action: "session.refreshed", Effects: []Effect{{"family", "fam_1", 2}}})
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	sealing.Wait()
	if got := calls.Load(); got != writers*each {
		t.Errorf("%d commits took %d tries", writers*each, got)
	}
	if err := sealer.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if rep := d.verified(); rep.Size != writers*each {
		t.Errorf("sealed %d events, want %d", rep.Size, writers*each)
	}
}
