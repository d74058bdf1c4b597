package audit

import (
	"strings"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Hot reads cost what they return, however long the log is: every one of them
// must go by an index, and none may sort or walk the events.
func TestReadsGoByTheirIndexes(t *testing.T) {
	t.Parallel()
	keys := make([]any, fewKeys)
	for i := range keys {
		keys[i] = "evt_" + name(i)
	}
	queries := map[string]struct {
		q    string
		args []any
	}{
		"a page of an account's history": {sqlOfAccount, []any{"acc_1", true, "~", int64(20)}},
		"how an account began":           {sqlFirst, []any{"acc_1", true, "account.created"}},
		"the events of a request":        {sqlByRequest, []any{"R", int64(20)}},
		"what is new in the log":         {sqlSealed, []any{int64(5), int64(20)}},
		"what waits for its place":       {sqlUnsealed, []any{int64(20)}},
		"events by key":                  {sqlEvents.few, keys},
		"places by key":                  {sqlPlaces.few, keys},
		"the newest place":               {sqlLast, nil},
		"the tree's size":                {sqlTreeSize, nil},
		"a stored hash":                  {sqlHashRow, []any{int64(7)}},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		stock(t, d, 6000)
		d.seal()
		explain := `EXPLAIN `
		if db.Dialect() == store.SQLite {
			explain = `EXPLAIN QUERY PLAN `
		} else {
			d.exec(`ANALYZE`)
		}
		for what, c := range queries {
			plan := d.plan(explain+c.q, c.args...)
			bad := []string{"Seq Scan on audit_event", "Seq Scan on audit_index", "SCAN audit_event\n", "USE TEMP B-TREE"}
			for _, b := range bad {
				if strings.Contains(plan, b) {
					t.Errorf("%s:\n%s", what, plan)
				}
			}
		}
	})
}

func (d *desk) plan(q string, args ...any) string {
	d.t.Helper()
	var b strings.Builder
	if err := d.db.View(d.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Rows(q, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a, b2, c any
			var line string
			dst := []any{&line}
			if d.db.Dialect() == store.SQLite {
				dst = []any{&a, &b2, &c, &line}
			}
			if err := rows.Scan(dst...); err != nil {
				return err
			}
			b.WriteString(line + "\n")
		}
		return rows.Err()
	}); err != nil {
		d.t.Fatal(err)
	}
	return b.String()
}
