package audit

const (
	columns = `e.id, e.at, e.action, e.actor, e.account, e.target, e.request, e.shown,
		e.effects, e.payload, e.salt, e.payload_hash, e.mac`

	// The place in the log (SQLite) or in the queue of the sealer (PostgreSQL) is
	// given by a trigger, so this is one statement on both.
	sqlAppend = `INSERT INTO audit_event (id, at, action, actor, account, target, request, shown,
		effects, payload, salt, payload_hash, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

	sqlSealed = `SELECT i.n, ` + columns + ` FROM audit_index i JOIN audit_event e ON e.id = i.event
		WHERE i.n > $1 ORDER BY i.n LIMIT $2`
	sqlUnsealed = `SELECT CAST(-1 AS BIGINT), ` + columns + ` FROM audit_pending p JOIN audit_event e ON e.id = p.event
		WHERE NOT p.refused ORDER BY p.event LIMIT $1`

	sqlActivity = `SELECT coalesce(i.n, -1), ` + columns + ` FROM audit_event e LEFT JOIN audit_index i ON i.event = e.id
		WHERE e.account = $1 AND e.account <> '' AND e.shown AND e.id < $2 ORDER BY e.id DESC LIMIT $3`
	// Two walks over one index, merged: an order over both kinds at once would
	// read every refresh of the account to find its last ten events.
	sqlForAccount = `SELECT coalesce(i.n, -1), ` + columns + ` FROM (
		SELECT id FROM (SELECT id FROM audit_event
			WHERE account = $1 AND account <> '' AND shown AND id < $2 ORDER BY id DESC LIMIT $3) a
		UNION ALL
		SELECT id FROM (SELECT id FROM audit_event
			WHERE account = $1 AND account <> '' AND NOT shown AND id < $2 ORDER BY id DESC LIMIT $3) b
		) w JOIN audit_event e ON e.id = w.id LEFT JOIN audit_index i ON i.event = e.id
		ORDER BY e.id DESC LIMIT $3`
	sqlByRequest = `SELECT coalesce(i.n, -1), ` + columns + ` FROM audit_event e LEFT JOIN audit_index i ON i.event = e.id
		WHERE e.request = $1 AND e.request <> '' ORDER BY e.id LIMIT $2`
	sqlByID = `SELECT coalesce(i.n, -1), ` + columns + ` FROM audit_event e LEFT JOIN audit_index i ON i.event = e.id
		WHERE e.id = $1`

	sqlErase = `UPDATE audit_event SET payload = NULL, salt = NULL
		WHERE account = $1 AND account <> '' AND payload IS NOT NULL`
)

const (
	sqlLast = `SELECT coalesce(max(n), -1) FROM audit_index`

	sqlBeat = `INSERT INTO audit_lease (id, n, at) VALUES ($1, 1, $2)
		ON CONFLICT (id) DO UPDATE SET n = audit_lease.n + 1, at = $2`
	sqlLeases     = `SELECT id, n FROM audit_lease`
	sqlDropLease  = `DELETE FROM audit_lease WHERE id = $1`
	sqlDropLeases = `DELETE FROM audit_lease WHERE at < $1`
)

const (
	sqlTreeSize  = `SELECT size FROM audit_hash ORDER BY first DESC LIMIT 1`
	sqlHashRow   = `SELECT first, hashes FROM audit_hash WHERE first <= $1 ORDER BY first DESC LIMIT 1`
	sqlAddHashes = `INSERT INTO audit_hash (first, size, hashes) VALUES ($1, $2, $3)`

	// Fenced: without the lease these add nothing, whatever the process believes.
	sqlPlace = `INSERT INTO audit_index (n, event)
		SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT) FROM audit_sealer WHERE id = 'sealer' AND n = $3`
	sqlAddHashesFenced = `INSERT INTO audit_hash (first, size, hashes)
		SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BYTEA) FROM audit_sealer WHERE id = 'sealer' AND n = $4`
	sqlDequeue = `DELETE FROM audit_pending WHERE event IN (SELECT event FROM audit_index WHERE n >= $1 AND n < $2)`
	sqlWaiting = `SELECT EXISTS (SELECT 1 FROM audit_pending WHERE NOT refused)`
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
