package audit

import (
	"errors"
	"strings"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Whoever has the database password but not the root key.
func TestVerifyFindsWhatAnInsiderDoes(t *testing.T) {
	t.Parallel()
	const at3 = `(SELECT event FROM audit_index WHERE n = 3)`
	tricks := []struct {
		name string
		do   []string
		want string
	}{
		{"changes what was done", []string{`UPDATE audit_event SET action = 'key.renamed' WHERE id = ` + at3}, "event 3"},
		{"changes who did it", []string{`UPDATE audit_event SET actor = 'account:acc_x' WHERE id = ` + at3}, "event 3"},
		{"changes when", []string{`UPDATE audit_event SET at = at + 1 WHERE id = ` + at3}, "event 3"},
		{"moves it into another account's history", []string{`UPDATE audit_event SET account = 'acc_x' WHERE id = ` + at3}, "event 3"},
		{"hides it from its owner", []string{`UPDATE audit_event SET shown = FALSE WHERE id = ` + at3}, "event 3"},
		{"changes what it touched", []string{`UPDATE audit_event SET effects = '[]' WHERE id = ` + at3}, "event 3"},
		{"changes the request", []string{`UPDATE audit_event SET request = 'X' WHERE id = ` + at3}, "event 3"},
		{"changes the address", []string{`UPDATE audit_event SET payload = replace(payload, '203', '198') WHERE id = ` + at3}, "event 3"},
		{"pretends an erasure and keeps the salt", []string{`UPDATE audit_event SET payload = NULL WHERE id = ` + at3}, "event 3"},
		{"changes the hash of an erased payload", []string{
			`UPDATE audit_event SET payload = NULL, salt = NULL, payload_hash = mac WHERE id = ` + at3}, "event 3"},
		{"deletes an event", []string{`DELETE FROM audit_event WHERE id = ` + at3}, "event 3"},
		{"deletes an event with its place", []string{`DELETE FROM audit_event WHERE id = ` + at3, `DELETE FROM audit_index WHERE n = 3`}, "event 3"},
		{"deletes a place", []string{`DELETE FROM audit_index WHERE n = 3`}, "event 3"},
		{"swaps two events", []string{
			`UPDATE audit_index SET n = -9 WHERE n = 3`, `UPDATE audit_index SET n = 3 WHERE n = 4`, `UPDATE audit_index SET n = 4 WHERE n = -9`}, "those that were signed"},
		{"closes the gap after a deletion", []string{
			`DELETE FROM audit_event WHERE id = ` + at3, `DELETE FROM audit_index WHERE n = 3`, `UPDATE audit_index SET n = 3 WHERE n = 9`}, "those that were signed"},
		{"cuts the end off", []string{
			`DELETE FROM audit_event WHERE id IN (SELECT event FROM audit_index WHERE n > 6)`, `DELETE FROM audit_index WHERE n > 6`}, "cut off"},
		{"cuts the end off, tree included", []string{
			`DELETE FROM audit_event WHERE id IN (SELECT event FROM audit_index WHERE n > 6)`, `DELETE FROM audit_index WHERE n > 6`,
			`DELETE FROM audit_hash WHERE size > 7`}, "cut off"},
		{"empties the log", []string{`DELETE FROM audit_event`, `DELETE FROM audit_index`}, "cut off"},
		{"edits a checkpoint", []string{`UPDATE audit_checkpoint SET note = replace(note, 'time 2', 'time 1')`}, "checkpoint of"},
		{"edits the size a checkpoint stands at", []string{`UPDATE audit_checkpoint SET size = size - 1`}, "checkpoint of"},
		{"copies an old checkpoint over the newest", []string{
			`UPDATE audit_checkpoint SET note = (SELECT note FROM audit_checkpoint ORDER BY size LIMIT 1)`}, "checkpoint of"},
		{"edits a stored hash", []string{`UPDATE audit_hash SET hashes = (SELECT payload_hash FROM audit_event LIMIT 1) WHERE first = 18`}, "stored tree"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range tricks {
			t.Run(c.name, func(t *testing.T) {
				db := db
				if db.Dialect() == store.SQLite {
					db = storetest.SQLite(t)
				} else {
					db = storetest.Postgres(t)
				}
				d := newDesk(t, db)
				for _, n := range []int{5, 5, 1} {
					d.signIns(n)
					d.seal()
				}
				d.verified()
				for _, q := range c.do {
					d.exec(q)
				}
				rep, err := d.log.VerifyDB(t.Context(), db)
				if !errors.Is(err, ErrTampered) {
					t.Fatalf("verify: %v", err)
				}
				found := false
				for _, f := range rep.Faults {
					found = found || strings.Contains(f.String(), c.want)
				}
				if !found {
					t.Errorf("faults %v do not name %q", rep.Faults, c.want)
				}
			})
		}
	})
}

func TestVerifyReadsLogsLongerThanABatch(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storetest.Open(t))
	account := d.signIns(readBatch + 500)
	d.seal()
	d.do(store.Cause{Actor: "operator:min"}, Event{Action: "account.closed", Account: account})
	d.seal()
	rep := d.verified()
	if rep.Size != readBatch+501 || rep.Checkpoints != 2 || rep.SignedAt.IsZero() {
		t.Errorf("%+v", rep)
	}
}
