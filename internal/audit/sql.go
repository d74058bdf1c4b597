package audit

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	columns = `id, at, action, actor, account, target, request, shown, effects, payload, salt, payload_hash, mac`

	// The place in the log (SQLite) or in the queue of the sealer (PostgreSQL) is
	// given by a trigger, so this is one statement on both.
	sqlAppend = `INSERT INTO audit_event (id, at, action, actor, account, target, request, shown,
		effects, payload, salt, payload_hash, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

	sqlSealed   = `SELECT n, event FROM audit_index WHERE n > $1 ORDER BY n LIMIT $2`
	sqlUnsealed = `SELECT event FROM audit_pending WHERE refused = FALSE ORDER BY event LIMIT $1`

	// shown stands as an equation because SQLite takes nothing less for its index.
	sqlOfAccount = `SELECT ` + columns + ` FROM audit_event
		WHERE account = $1 AND account <> '' AND shown = $2 AND id < $3 ORDER BY id DESC LIMIT $4`
	sqlFirst = `SELECT ` + columns + ` FROM audit_event
		WHERE account = $1 AND account <> '' AND shown = $2 AND action = $3 ORDER BY id LIMIT 1`
	// A refresh, three of four events, is kept out of the index of requests: at a
	// random place in it, it would cost the append as much as the event itself.
	// Those are looked for among the newest only.
	sqlByRequest       = `SELECT ` + columns + ` FROM audit_event WHERE request = $1 AND request <> '' AND shown LIMIT $2`
	sqlByRequestLately = `SELECT * FROM (SELECT ` + columns + ` FROM audit_event ORDER BY id DESC LIMIT 5000) lately
		WHERE request = $1 AND shown = FALSE`
	sqlByID = `SELECT ` + columns + ` FROM audit_event WHERE id = $1`

	sqlErase = `UPDATE audit_event SET payload = NULL, salt = NULL
		WHERE account = $1 AND account <> '' AND payload IS NOT NULL`
)

const (
	sqlLast = `SELECT coalesce(max(n), -1) FROM audit_index`

	sqlBeat = `INSERT INTO audit_lease (id, n, at) VALUES ($1, 1, $2)
		ON CONFLICT (id) DO UPDATE SET n = audit_lease.n + 1, at = $2`
	sqlLeases       = `SELECT id, n FROM audit_lease`
	sqlDropLease    = `DELETE FROM audit_lease WHERE id = $1`
	sqlForgetLeases = `DELETE FROM audit_lease`
	sqlDropLeases   = `DELETE FROM audit_lease WHERE at < $1`
)

const (
	sqlTreeSize  = `SELECT size FROM audit_hash ORDER BY first DESC LIMIT 1`
	sqlHashRow   = `SELECT first, hashes FROM audit_hash WHERE first <= $1 ORDER BY first DESC LIMIT 1`
	sqlAddHashes = `INSERT INTO audit_hash (first, size, hashes) VALUES ($1, $2, $3)`

	// Fenced: without the lease this adds nothing, whatever the process believes.
	sqlAddHashesFenced = `INSERT INTO audit_hash (first, size, hashes)
		SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BYTEA) FROM audit_sealer WHERE id = 'sealer' AND n = $4`
	sqlWaiting = `SELECT EXISTS (SELECT 1 FROM audit_pending WHERE refused = FALSE)`
	sqlRefuse  = `UPDATE audit_pending SET refused = TRUE WHERE event = $1`

	sqlSealer     = `SELECT n, beat, free FROM audit_sealer WHERE id = 'sealer'`
	sqlSealerBeat = `UPDATE audit_sealer SET beat = beat + 1 WHERE id = 'sealer' AND n = $1`
	sqlTakeSealer = `UPDATE audit_sealer SET n = n + 1, beat = beat + 1, free = FALSE
		WHERE id = 'sealer' AND n = $1 AND beat = $2`
	sqlFreeSealer = `UPDATE audit_sealer SET free = TRUE WHERE id = 'sealer' AND n = $1`

	sqlLastSigned    = `SELECT size FROM audit_checkpoint ORDER BY size DESC LIMIT 1`
	sqlLastNote      = `SELECT size, note FROM audit_checkpoint ORDER BY size DESC LIMIT 1`
	sqlAddCheckpoint = `INSERT INTO audit_checkpoint (size, at, note) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING`
	sqlKeep          = `UPDATE audit_checkpoint SET kept = TRUE WHERE size = $1`
	// The newest stays, whatever its age: verification begins with it.
	sqlThinOut     = `DELETE FROM audit_checkpoint WHERE NOT kept AND at < $1 AND size < $2`
	sqlCheckpoints = `SELECT size, note FROM audit_checkpoint WHERE size > $1 ORDER BY size LIMIT $2`

	sqlAccept   = `INSERT INTO audit_restore (anchor, event) VALUES ($1, $2) ON CONFLICT (anchor) DO NOTHING`
	sqlAccepted = `SELECT EXISTS (SELECT 1 FROM audit_restore WHERE anchor = $1)`
)

// Verification only: these read everything.
const (
	sqlOutside = `SELECT count(*) FROM audit_event e WHERE NOT EXISTS (SELECT 1 FROM audit_index i WHERE i.event = e.id)
		AND NOT EXISTS (SELECT 1 FROM audit_pending p WHERE p.event = e.id)`
	sqlQueue = `SELECT coalesce(sum(CASE WHEN refused THEN 0 ELSE 1 END), 0), coalesce(sum(CASE WHEN refused THEN 1 ELSE 0 END), 0)
		FROM audit_pending`
)

// Rows are fetched by key, many at a time, and never by a join: a planner that
// misjudges how few rows wait or are new walks through all events instead, every
// 100 ms. The texts have places for few and for many keys; unused places repeat
// the last key.
var (
	sqlEvents  = manyKeys(`SELECT ` + columns + ` FROM audit_event WHERE id IN (%s)`)
	sqlPlaces  = manyKeys(`SELECT n, event FROM audit_index WHERE event IN (%s)`)
	sqlDequeue = manyKeys(`DELETE FROM audit_pending WHERE event IN (%s)`)

	// Most of a log is turns of refresh tokens, which tell most readers nothing.
	sqlEventsButTurns = manyKeys(`SELECT ` + columns + ` FROM audit_event WHERE id IN (%s) AND action NOT IN ('session.refreshed', 'grant.refreshed')`)

	// What a gate reads, and may read: what was touched, and nothing that was said of it.
	sqlEventsUntold = manyKeys(`SELECT id, at, action, '', account, target, '', shown, effects, CAST(NULL AS TEXT), CAST(NULL AS BYTEA), CAST(NULL AS BYTEA), CAST(NULL AS BYTEA)
		FROM audit_event WHERE id IN (%s)`)

	// Fenced, as those above.
	sqlPlace = manyPlaces(`INSERT INTO audit_index (n, event) SELECT v.n, v.event
		FROM (VALUES %s) AS v(n, event), audit_sealer s WHERE s.id = 'sealer' AND s.n = $1 AND v.event IS NOT NULL`)
)

// turns are the actions that sqlEventsButTurns leaves out.
var turns = []Action{"session.refreshed", "grant.refreshed"}

const (
	fewKeys = 16
	maxKeys = 256
)

// keyed is one statement over a list of keys, in two sizes.
type keyed struct{ few, many string }

func manyKeys(format string) keyed {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i + 1))
		}
		return fmt.Sprintf(format, b.String())
	}
	return keyed{list(fewKeys), list(maxKeys)}
}

// manyPlaces is a statement over a fence, $1, and pairs of place and event.
func manyPlaces(format string) keyed {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "(CAST($%d AS BIGINT), CAST($%d AS TEXT))", 2*i+2, 2*i+3)
		}
		return fmt.Sprintf(format, b.String())
	}
	return keyed{list(fewKeys), list(maxKeys)}
}

// places runs f for every statement that is needed to give events their places from
// n on. Places that are left over in a text hold no event.
func (k keyed) places(fence, n int64, events []string, f func(q string, args ...any) error) error {
	for len(events) > 0 {
		q, size := k.many, maxKeys
		if len(events) <= fewKeys {
			q, size = k.few, fewKeys
		}
		args := append(make([]any, 0, 2*size+1), fence)
		for i := range size {
			if i < len(events) {
				args = append(args, n+int64(i), events[i])
			} else {
				args = append(args, int64(0), nil)
			}
		}
		if err := f(q, args...); err != nil {
			return err
		}
		took := min(size, len(events))
		events, n = events[took:], n+int64(took)
	}
	return nil
}

// each runs f for every statement that is needed for all keys.
func (k keyed) each(keys []string, f func(q string, args []any) error) error {
	for len(keys) > 0 {
		q, n := k.many, maxKeys
		if len(keys) <= fewKeys {
			q, n = k.few, fewKeys
		}
		args := make([]any, n)
		for i := range args {
			args[i] = keys[min(i, len(keys)-1)]
		}
		if err := f(q, args); err != nil {
			return err
		}
		keys = keys[min(n, len(keys)):]
	}
	return nil
}

// Where a follower is. sqlMoveCursor is the whole agreement between processes: two
// that read the same place both try, and one finds no row (READ COMMITTED re-checks
// WHERE after waiting for the other).
const (
	sqlCursor      = `SELECT at FROM audit_cursor WHERE name = $1`
	sqlStartCursor = `INSERT INTO audit_cursor (name, at, moved_at) VALUES ($1, -1, $2) ON CONFLICT (name) DO NOTHING`
	sqlMoveCursor  = `UPDATE audit_cursor SET at = $3, moved_at = $4 WHERE name = $1 AND at = $2`
)

// For followers from afar.
const (
	sqlHasPlace    = `SELECT EXISTS (SELECT 1 FROM audit_index WHERE n = $1)`
	sqlBeatAgain   = `UPDATE audit_lease SET n = n + 1, at = $2 WHERE id = $1 AND n = $3`
	sqlTimeOfPlace = `SELECT e.at FROM audit_index i JOIN audit_event e ON e.id = i.event WHERE i.n = $1`
)
