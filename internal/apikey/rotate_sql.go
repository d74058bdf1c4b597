package apikey

// live holds for a version that still signs at a time.
const live = `(v.ends_at = 0 OR v.ends_at > $2)`

const (
	sqlLive = `SELECT v.n, v.name, v.made_at, v.ends_at, COALESCE(r.how, ''), COALESCE(r.why, ''), COALESCE(r.began_at, 0), COALESCE(r.had_expires, 0)
FROM apikey_version v LEFT JOIN apikey_rotation r ON r.key_id = v.key_id AND r.n = v.n WHERE v.key_id = $1 AND ` + live + ` ORDER BY v.n DESC`
	sqlNewest = `SELECT MAX(n) FROM apikey_version WHERE key_id = $1`

	// The version that was read is a condition, and so is that one version lives: of two
	// rotations at once one happens, and never are there three that sign. A key that may have
	// leaked ($7) ends them all first.
	sqlTurn = `UPDATE apikey_key SET expires = $4, locked = $5, locked_by = $6, status = 'active', version = version + 1,
 ended_why = CASE WHEN $7 THEN '' ELSE ended_why END, browser_at = CASE WHEN $7 THEN 0 ELSE browser_at END
WHERE account = $1 AND id = $3 AND version = $8 AND (status = 'active' OR status = 'quarantined' AND $7)
 AND ($7 OR (SELECT COUNT(*) FROM apikey_version v WHERE v.key_id = $3 AND ` + live + `) = 1) RETURNING version`
	sqlRetiring = `UPDATE apikey_version SET ends_at = $3 WHERE key_id = $1 AND n = $2 AND ends_at = 0`

	sqlNextVersion  = `INSERT INTO apikey_version (key_id, n, public, sealed, made_at, ends_at, name) VALUES ($1, $2, $3, $4, $5, 0, $6)`
	sqlHadPublic    = `SELECT COUNT(*) FROM apikey_version WHERE key_id = $1 AND public = $2`
	sqlNoteRotation = `INSERT INTO apikey_rotation (key_id, n, how, why, began_at, had_expires, request) VALUES ($1, $2, $3, $4, $5, $6, $7)`

	// What was asked in the same words, and what came of it while it lives.
	sqlAsked = `SELECT r.request, v.name, v.sealed FROM apikey_rotation r JOIN apikey_version v ON v.key_id = r.key_id AND v.n = r.n
WHERE r.key_id = $1 AND ` + live + ` AND r.n = $3 AND r.request IS NOT NULL`

	// An old version that is still used is not ended in passing ($4 says that it is meant):
	// quiet since $5, the one that replaces it ($6, and not one that was undone) seen to be
	// let in, and both for as long as that.
	sqlRetire = `UPDATE apikey_version SET ends_at = $2, sealed = NULL WHERE key_id = $1 AND n = $3 AND ends_at > $2
 AND ($4 OR (EXISTS (SELECT 1 FROM apikey_rotation r WHERE r.key_id = $1 AND r.n = $6 AND r.began_at <= $5)
 AND NOT EXISTS (SELECT 1 FROM apikey_meter m WHERE m.key_id = $1 AND m.n = $3 AND m.last_at > $5)
 AND EXISTS (SELECT 1 FROM apikey_meter m WHERE m.key_id = $1 AND m.n = $6 AND m.code = ''))) RETURNING n`
	sqlKeep    = `UPDATE apikey_version SET ends_at = $4 WHERE key_id = $1 AND n = $3 AND ends_at > $2 AND ends_at < $4 RETURNING n`
	sqlBack    = `UPDATE apikey_version SET ends_at = 0 WHERE key_id = $1 AND n = $3 AND ends_at > $2 RETURNING n`
	sqlDropOne = `UPDATE apikey_version SET ends_at = $2, sealed = NULL WHERE key_id = $1 AND n = $3 AND ends_at = 0 RETURNING n`

	sqlTouched     = `UPDATE apikey_key SET version = version + 1 WHERE account = $1 AND id = $2 AND version = $3 AND status <> 'revoked' RETURNING version`
	sqlBackExpires = `UPDATE apikey_key SET expires = $4, version = version + 1 WHERE account = $1 AND id = $2 AND version = $3 AND status = 'active' RETURNING version`

	sqlNamed = `SELECT key_id FROM apikey_version WHERE name = $1 AND name <> '' LIMIT 1`

	// A version whose time is over opens nothing: its secret must not be there to leak.
	sqlDropEnded = `UPDATE apikey_version SET sealed = $1 WHERE ends_at > 0 AND ends_at <= $2 AND sealed IS NOT NULL`
)

const (
	// As with sqlTally: nothing is written of a key whose account was erased.
	sqlMeter = `INSERT INTO apikey_meter (key_id, n, minute, addr, code, uses, last_at)
SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT), CAST($7 AS BIGINT)
WHERE EXISTS (SELECT 1 FROM apikey_key k WHERE k.id = $1 AND k.purpose <> '')
ON CONFLICT (key_id, n, minute, addr, code) DO UPDATE SET uses = apikey_meter.uses + $6, last_at = CASE WHEN apikey_meter.last_at < $7 THEN $7 ELSE apikey_meter.last_at END`
	sqlMetered     = `SELECT n, addr, code, SUM(uses), MAX(last_at) FROM apikey_meter WHERE key_id = $1 AND minute >= $2 GROUP BY n, addr, code ORDER BY n DESC, 4 DESC, addr, code LIMIT 200`
	sqlForgetMeter = `DELETE FROM apikey_meter WHERE minute < $1`
	sqlEraseMeter  = `DELETE FROM apikey_meter WHERE key_id IN (SELECT id FROM apikey_key WHERE account = $1)`
	sqlFailedSince = `SELECT addr, SUM(n), MAX(minute) FROM apikey_use WHERE key_id = $1 AND minute >= $2 AND code = 'AUTH_FAILED' GROUP BY addr ORDER BY 2 DESC, addr LIMIT 50`
)

const (
	// Keys that end within two weeks, with how many days before it was said last; 0: not yet.
	sqlEnding = `SELECT k.id, k.expires, k.starts, (SELECT MAX(v.made_at) FROM apikey_version v WHERE v.key_id = k.id),
 COALESCE((SELECT MIN(r.days) FROM apikey_reminder r WHERE r.key_id = k.id AND r.expires = k.expires), 0)
FROM apikey_key k WHERE k.status = 'active' AND k.expires > $1 AND k.expires <= $2 AND k.id > $3 ORDER BY k.id LIMIT 200`
	sqlRemind = `INSERT INTO apikey_reminder (key_id, expires, days, sent_at)
SELECT k.id, k.expires, CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM apikey_key k WHERE k.id = $1 AND k.expires = $2 AND k.status = 'active'
ON CONFLICT (key_id, expires, days) DO NOTHING`

	sqlOfPartner = `SELECT id FROM apikey_key WHERE LOWER(partner) = LOWER($1) AND status <> 'revoked' AND expires > $2 AND id > $3 ORDER BY id LIMIT 200`
	sqlAsk       = `INSERT INTO apikey_asked (key_id, what, why, at) VALUES ($1, $2, $3, $4) ON CONFLICT (key_id, what) DO NOTHING`
	sqlAskedOf   = `SELECT what, why, at FROM apikey_asked WHERE key_id = $1 AND at > $2 ORDER BY at DESC LIMIT 1`

	sqlTurns = `SELECT n, how, why, began_at FROM apikey_rotation WHERE key_id = $1 ORDER BY n DESC LIMIT 20`
	// The version that one replaced: the newest before it that still signed then.
	sqlReplaced = `SELECT n, ends_at FROM apikey_version WHERE key_id = $1 AND n < $2 AND (ends_at = 0 OR ends_at >= $3) ORDER BY n DESC LIMIT 1`
	sqlRehearse = `SELECT ` + keyCols + ` FROM apikey_key k WHERE k.account = $1 AND k.id <> $2 AND k.profile = $3 AND k.alg = $4 AND k.scopes = $5 AND k.symbols = $6 AND k.allow = $7 AND k.deny = $8
 ORDER BY k.made_at DESC, k.id LIMIT 50`
)
