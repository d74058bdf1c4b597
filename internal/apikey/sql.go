package apikey

import (
	"fmt"
	"strings"
)

const keyCols = `k.id, k.account, k.sub, k.purpose, k.profile, k.alg, k.scopes, k.symbols, k.allow, k.deny, k.starts, k.expires, k.window_ms, k.per_min, k.partner,
 k.made_at, k.made_addr, k.made_agent, k.made_device, k.status, k.locked, k.version, k.used_at,
 COALESCE((SELECT u.addr FROM apikey_use u WHERE u.key_id = k.id AND u.code = '' ORDER BY u.minute DESC LIMIT 1), ''), k.ended_at, k.ended_why, k.browser_at, k.locked_by, k.clock_at, k.honey, k.asleep, k.idle_since, k.woken_at, k.per_day, k.per_day_in`

const (
	// The bound is part of the statement, so that two requests at once cannot both slip
	// under it.
	sqlInsert = `INSERT INTO apikey_key (id, account, sub, purpose, profile, alg, scopes, symbols, allow, deny, starts, expires, window_ms, per_min, partner,
 made_at, made_addr, made_agent, made_device, status, locked, version, used_at, ended_at, ended_why, browser_at, locked_by, per_day, per_day_in)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT), CAST($9 AS TEXT), CAST($10 AS TEXT),
 CAST($11 AS BIGINT), CAST($12 AS BIGINT), CAST($13 AS BIGINT), CAST($14 AS BIGINT), CAST($15 AS TEXT), CAST($16 AS BIGINT), CAST($17 AS TEXT), CAST($18 AS TEXT), CAST($19 AS TEXT),
 'active', CAST($20 AS BOOLEAN), 1, 0, 0, '', 0, CAST($19 AS TEXT), CAST($23 AS BIGINT), CAST($24 AS TEXT)
WHERE (SELECT COUNT(*) FROM apikey_key o WHERE o.account = $2 AND o.status <> 'revoked' AND o.expires > $21) < $22
 AND (SELECT COUNT(*) FROM apikey_key o WHERE o.account = $2 AND o.sub = $3 AND o.status <> 'revoked' AND o.expires > $21) < $25`

	sqlInsertVersion = `INSERT INTO apikey_version (key_id, n, public, sealed, made_at, ends_at) VALUES ($1, $2, $3, $4, $5, 0)`

	sqlOwn  = `SELECT ` + keyCols + ` FROM apikey_key k WHERE k.account = $1 AND k.id = $2`
	sqlList = `SELECT ` + keyCols + ` FROM apikey_key k WHERE k.account = $1 ORDER BY k.made_at DESC, k.id LIMIT 200`

	// A key that was brought in has no device.
	sqlMadeFrom = `SELECT ` + keyCols + ` FROM apikey_key k WHERE k.account = $1 AND k.made_device = $2 AND k.made_device <> '' AND k.status <> 'revoked' ORDER BY k.made_at DESC, k.id`

	sqlPurpose  = `SELECT purpose FROM apikey_key WHERE id = $1`
	sqlVersions = `SELECT n, public, sealed, name, ends_at FROM apikey_version WHERE key_id = $1 AND (ends_at = 0 OR ends_at > $2) ORDER BY n DESC`

	// Secrets go with the key: what no longer opens anything must not be there to leak.
	sqlRevoke      = `UPDATE apikey_key SET status = 'revoked', ended_at = $3, ended_why = $4, version = version + 1 WHERE account = $1 AND id = $2 AND status <> 'revoked' RETURNING version`
	sqlRevokeSub   = `UPDATE apikey_key SET status = 'revoked', ended_at = $3, ended_why = $4, version = version + 1 WHERE account = $1 AND sub = $2 AND sub <> '' AND status <> 'revoked' RETURNING id, version`
	sqlDropSecrets = `UPDATE apikey_version SET sealed = NULL, ends_at = $2 WHERE key_id = $1 AND (ends_at = 0 OR ends_at > $2)`

	// The version that was read is a condition: two changes at once are not one wide one.
	sqlChange = `UPDATE apikey_key SET purpose = $4, scopes = $5, symbols = $6, allow = $7, deny = $8, expires = $9, per_min = $10, locked = $11, locked_by = $12, per_day = $13, per_day_in = $14, version = version + 1
WHERE account = $1 AND id = $2 AND version = $3 AND status = 'active' RETURNING version`
	sqlUnlock = `UPDATE apikey_key SET locked = FALSE, version = version + 1 WHERE account = $1 AND id = $2 AND locked AND status = 'active' AND locked_by <> $3 RETURNING version`

	sqlInBrowser         = `UPDATE apikey_key SET browser_at = $1, version = version + 1 WHERE id = $2 AND browser_at = 0 AND status = 'active' AND CAST($3 AS BIGINT) > 0 RETURNING version`
	sqlQuarantineExposed = `UPDATE apikey_key SET status = 'quarantined', ended_why = 'in_browser', locked = CASE WHEN scopes LIKE '%withdraw%' THEN TRUE ELSE FALSE END, version = version + 1
WHERE id = $2 AND status = 'active' AND browser_at > 0 AND browser_at <= $3 AND CAST($1 AS BIGINT) > 0 RETURNING version`

	// Which keys were ended after the backup nobody knows any more.
	sqlQuarantineAll = `UPDATE apikey_key SET status = 'quarantined', locked = CASE WHEN scopes LIKE '%withdraw%' THEN TRUE ELSE FALSE END, version = version + 1 WHERE status = 'active'`
	sqlRelease       = `UPDATE apikey_key SET status = 'active', ended_why = '', browser_at = 0, version = version + 1 WHERE account = $1 AND id = $2 AND status = 'quarantined' AND NOT EXISTS (` + liveLeak + `) RETURNING version`

	// From what gates counted, which may not write to keys.
	sqlUsedLately = `SELECT u.key_id, u.at FROM (SELECT key_id, MAX(minute) AS at FROM apikey_use WHERE code = '' AND minute >= $1 AND minute <= $2 GROUP BY key_id) AS u
JOIN apikey_key k ON k.id = u.key_id WHERE k.used_at < u.at ORDER BY u.key_id`
	sqlClockOff = `UPDATE apikey_key SET clock_at = $1, version = version + 1 WHERE id = $2 AND clock_at < $3 AND status = 'active' RETURNING version`

	sqlUsed = `UPDATE apikey_key SET used_at = $1 WHERE id = $2 AND used_at < $1`

	// Not for a key whose account was erased, which has no purpose left: what is counted in
	// memory would write its addresses again.
	sqlTally = `INSERT INTO apikey_use (key_id, minute, addr, class, code, n)
SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT)
WHERE EXISTS (SELECT 1 FROM apikey_key k WHERE k.id = $1 AND k.purpose <> '')
ON CONFLICT (key_id, minute, addr, class, code) DO UPDATE SET n = apikey_use.n + $6`
	sqlStory = `SELECT minute, addr, class, code, n FROM apikey_use WHERE key_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute DESC, addr, class, code LIMIT 2000`

	// One answer for each reason and place: what the owner can do something about.
	sqlRefused = `SELECT MAX(minute), addr, class, code, SUM(n) FROM apikey_use WHERE key_id = $1 AND minute >= $2 AND code <> '' GROUP BY addr, class, code ORDER BY 1 DESC, addr LIMIT 20`

	// One statement decides: of two orders at two gates that together go over the cap, one
	// is refused. The row of a day begins with its first order, which the SELECT holds to
	// the cap as well.
	sqlSpend = `INSERT INTO apikey_spent (key_id, day, spent) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT) WHERE CAST($3 AS BIGINT) <= CAST($4 AS BIGINT)
ON CONFLICT (key_id, day) DO UPDATE SET spent = apikey_spent.spent + $3 WHERE apikey_spent.spent + $3 <= $4`
	sqlSpent       = `SELECT spent FROM apikey_spent WHERE key_id = $1 AND day = $2`
	sqlForgetSpent = `DELETE FROM apikey_spent WHERE day < $1`

	// What was on its way when an account was erased.
	sqlForgetErased = `DELETE FROM apikey_use WHERE key_id IN (SELECT id FROM apikey_key WHERE purpose = '' AND status = 'revoked')`
	sqlForgetUse    = `DELETE FROM apikey_use WHERE minute < $1`

	// Ended too: without its places a key would work from everywhere.
	sqlEraseKeys = `UPDATE apikey_key SET purpose = '', made_addr = '', made_agent = '', partner = '', sub = '', allow = '', deny = '', version = version + 1,
 ended_at = CASE WHEN status = 'revoked' THEN ended_at ELSE $2 END, ended_why = CASE WHEN status = 'revoked' THEN ended_why ELSE 'erased' END, status = 'revoked' WHERE account = $1`
	sqlEraseSecrets = `UPDATE apikey_version SET sealed = NULL, leaked_url = '' WHERE key_id IN (SELECT id FROM apikey_key WHERE account = $1)`
	sqlEraseSpent   = `DELETE FROM apikey_spent WHERE key_id IN (SELECT id FROM apikey_key WHERE account = $1)`
	sqlEraseUse     = `DELETE FROM apikey_use WHERE key_id IN (SELECT id FROM apikey_key WHERE account = $1)`
)

const (
	sqlClaimed      = `SELECT decision FROM apikey_replay WHERE id = $1`
	sqlClaimOne     = `INSERT INTO apikey_replay (id, decision, exp) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`
	sqlGrow         = `INSERT INTO apikey_nonce (key_id, high) VALUES ($1, $2) ON CONFLICT (key_id) DO UPDATE SET high = $2 WHERE apikey_nonce.high < $2`
	sqlForgetClaims = `DELETE FROM apikey_replay WHERE exp < $1`
)

const (
	// By id, so that versions of one key never stand in two pages.
	sqlSealed = `SELECT key_id, n, sealed FROM apikey_version WHERE sealed IS NOT NULL AND key_id > $1 AND key_id IN
 (SELECT key_id FROM apikey_version WHERE sealed IS NOT NULL AND key_id > $1 ORDER BY key_id LIMIT $2) ORDER BY key_id, n`
	sqlNewestSealed = `SELECT key_id, n, sealed FROM apikey_version WHERE sealed IS NOT NULL ORDER BY made_at DESC LIMIT 1`

	sqlReseal = `UPDATE apikey_version SET sealed = $4 WHERE key_id = $1 AND n = $2 AND sealed = $3`
)

const (
	sqlSight         = `INSERT INTO apikey_sighting (id, kind, key_id, addr, at, n) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`
	sqlTakeSightings = `DELETE FROM apikey_sighting WHERE id IN (SELECT id FROM apikey_sighting ORDER BY at LIMIT $1) RETURNING substr(kind, 1, 20), substr(key_id, 1, 200), substr(addr, 1, 64), at, n`
)

const (
	fewClaimRows = 8
	maxClaimRows = 128
)

// sqlOpenKey leaves out where and with what its owner made a key: what lets requests in has
// no use for that, and a gate may not read it.
var sqlOpenKey = "SELECT " + strings.Replace(keyCols, "k.made_addr, k.made_agent", "'', ''", 1) + " FROM apikey_key k WHERE k.id = $1"

// sqlClaim takes the places of many requests at once, in two sizes; rows without an id
// fill a text up.
var sqlClaim = manyClaims(`INSERT INTO apikey_replay (id, decision, exp) SELECT v.id, v.decision, v.exp
FROM (VALUES %s) AS v(id, decision, exp) WHERE v.id IS NOT NULL ON CONFLICT (id) DO NOTHING RETURNING id`)

func manyClaims(format string) (q struct{ few, many string }) {
	list := func(n int) string {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("(CAST($%d AS BYTEA), CAST($%d AS BYTEA), CAST($%d AS BIGINT))", 3*i+1, 3*i+2, 3*i+3)
		}
		return fmt.Sprintf(format, strings.Join(rows, ", "))
	}
	q.few, q.many = list(fewClaimRows), list(maxClaimRows)
	return q
}
