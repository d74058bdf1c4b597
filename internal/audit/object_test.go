package audit

import (
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

func TestWhatTouchedAnObjectInAWindow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		alice, bob := newAccount(), newAccount()
		key := func(account, id string, action Action, more ...Effect) string {
			return d.do(cause(account, "R"), Event{Action: action, Account: account, Target: id, Effects: append([]Effect{{"apikey", id, 1}}, more...), Payload: map[string]string{"purpose": "Grid", "scopes": "read.account"}})
		}
		made := key(alice, "kwk_1", "apikey.added")
		key(alice, "kwkX1", "apikey.added") // an underscore in a pattern would take it
		key(bob, "kwk_1", "apikey.added")   // a key of that name of somebody else
		d.signIn(alice)
		ended := d.do(store.Cause{Actor: "operator:mina.secret", Request: "R"}, Event{Action: "apikey.revoked", Account: alice, Target: "sub_1", Effects: []Effect{{"subaccount", "sub_1", 2}, {"apikey", "kwk_1", 2}}, Payload: map[string]string{"purpose": "Grid"}})
		d.seal()
		of := Object{Account: alice, Kind: "apikey", ID: "kwk_1"}
		view := func(from, to time.Time, limit int) (recs []Record, leaves []Leaf) {
			t.Helper()
			if err := db.View(t.Context(), func(tx *store.Tx) (err error) {
				if recs, err = d.log.OfObject(tx, of, from, to, limit); err != nil {
					return err
				}
				leaves, _, err = d.log.LeavesOfObject(tx, of, from, to, limit)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return recs, leaves
		}
		now := time.Now()
		recs, leaves := view(now.Add(-time.Hour), now.Add(time.Hour), 100)
		if len(recs) != 2 || recs[0].ID != ended || recs[1].ID != made || len(leaves) != 2 {
			t.Fatalf("%+v", recs)
		}
		for _, l := range leaves {
			if err := Intact(l); err != nil {
				t.Error(err)
			}
		}
		if s := leaves[0]; s.Actor != "operator" || s.ID != "" || s.Payload != nil || len(s.Leaf) != 32 || strings.Contains(string(s.Effects), "kwk") {
			t.Errorf("what staff did is told whole: %+v", s)
		}
		other := leaves[1]
		other.Target = "kwk_2"
		if Intact(other) == nil {
			t.Error("a changed event is the same")
		}
		if recs, _ := view(now.Add(-2*time.Hour), now.Add(-time.Hour), 100); len(recs) != 0 {
			t.Errorf("an hour ago: %+v", recs)
		}
		if recs, _ := view(now.Add(time.Hour), now.Add(-time.Hour), 100); len(recs) != 0 {
			t.Errorf("a window turned around: %+v", recs)
		}
	})
}

func TestAStatementIsOfOneKindAndOneDocument(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.signIn(newAccount())
		d.seal()
		body := []byte(`{"a":1}`)
		signed, err := d.log.Sign("keyward-test-1", body)
		if err != nil {
			t.Fatal(err)
		}
		var checkpoint string
		if err := db.View(t.Context(), func(tx *store.Tx) (err error) {
			checkpoint, err = d.log.Newest(tx)
			return err
		}); err != nil || checkpoint == "" {
			t.Fatal(checkpoint, err)
		}
		if err := OpenStatement("keyward-test-1", body, signed, d.log.Key()); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"another kind":                OpenStatement("keyward-test-2", body, signed, d.log.Key()),
			"another document":            OpenStatement("keyward-test-1", []byte(`{"a":2}`), signed, d.log.Key()),
			"a checkpoint":                OpenStatement("keyward-test-1", body, checkpoint, d.log.Key()),
			"another log's key":           OpenStatement("keyward-test-1", body, signed, newDesk(t, db).log.Key()+"x"),
			"a second signature":          OpenStatement("keyward-test-1", body, signed+"— someone AAAAAA==\n", d.log.Key()),
			"no signature":                OpenStatement("keyward-test-1", body, "", d.log.Key()),
			"a statement as a checkpoint": func() error { _, err := openCheckpoint(signed, d.log.verifier()); return err }(),
		} {
			if err == nil {
				t.Errorf("%s is taken", name)
			}
		}
	})
}
