package apikey

// liveLeak finds a version of the key $2 that somebody showed to have, and that still signs
// at $3: the one that is being replaced does until its overlap is over.
const liveLeak = `SELECT 1 FROM apikey_version l WHERE l.key_id = $2 AND l.leaked_at > 0 AND (l.ends_at = 0 OR l.ends_at > $3)`

const (
	sqlLookup = `UPDATE apikey_version SET lookup = $1 WHERE key_id = $2 AND n = $3`

	// The oldest first: whoever registers somebody's public key a thousand times does not
	// push its owner's out of the list.
	sqlFound = `SELECT v.key_id, v.n, k.honey, v.leaked_at FROM apikey_version v JOIN apikey_key k ON k.id = v.key_id WHERE v.lookup = $1 ORDER BY k.made_at, k.id LIMIT 64`

	// The first report of a secret that still opens something; every later one finds no row.
	sqlLeaked = `UPDATE apikey_version SET leaked_at = $3, leaked_via = $4, leaked_url = $5
WHERE key_id = $1 AND n = $2 AND leaked_at = 0 AND (ends_at = 0 OR ends_at > $3) AND EXISTS (SELECT 1 FROM apikey_key k WHERE k.id = $1 AND k.status <> 'revoked') RETURNING n`
	sqlQuarantineLeaked = `UPDATE apikey_key SET status = 'quarantined', ended_why = 'leaked', locked = CASE WHEN scopes LIKE '%withdraw%' THEN TRUE ELSE FALSE END, version = version + 1
WHERE id = $1 AND status <> 'revoked' RETURNING version`

	sqlLeak = `SELECT leaked_at, leaked_via, leaked_url, CASE WHEN ends_at = 0 OR ends_at > $2 THEN TRUE ELSE FALSE END FROM apikey_version WHERE key_id = $1 AND leaked_at > 0 ORDER BY n DESC LIMIT 1`

	// What was made before there were digests, or by a statement that does not know of them.
	// An index of exactly these: there are none of them nearly always, and this is asked
	// every minute.
	sqlUnfound = `SELECT key_id, n, public, sealed FROM apikey_version WHERE lookup IS NULL AND (sealed IS NOT NULL OR public IS NOT NULL) AND key_id > $1 ORDER BY key_id LIMIT 200`
)

const (
	sqlInsertHoney = `INSERT INTO apikey_key (id, account, sub, purpose, profile, alg, scopes, symbols, allow, deny, starts, expires, window_ms, per_min, partner,
 made_at, made_addr, made_agent, made_device, status, locked, version, used_at, ended_at, ended_why, browser_at, locked_by, honey)
VALUES ($1, '', '', $2, $3, $4, '', '', '', '', $5, $6, $7, $8, '', $5, '', '', '', 'active', FALSE, 1, 0, 0, '', 0, '', TRUE)`
	sqlHoneytokens = `SELECT ` + keyCols + ` FROM apikey_key k WHERE k.honey AND k.status <> 'revoked' ORDER BY k.made_at DESC, k.id LIMIT 1000`
	sqlHoneyUsed   = `UPDATE apikey_key SET used_at = $1 WHERE id = $2 AND honey AND status <> 'revoked' AND used_at < $1`
	sqlEndHoney    = `UPDATE apikey_key SET status = 'revoked', ended_at = $2, ended_why = 'operator', version = version + 1 WHERE id = $1 AND honey AND status <> 'revoked' RETURNING version`
)

// idle: since when nobody used a key. A key that nobody ever used counts from its making,
// or from its beginning; one that was woken, from then.
const idle = `(CASE WHEN k.used_at > k.starts AND k.used_at > k.woken_at THEN k.used_at WHEN k.woken_at > k.starts THEN k.woken_at WHEN k.starts > k.made_at THEN k.starts ELSE k.made_at END)`

const (
	sqlIdle = `SELECT ` + keyCols + `, k.warned, k.warned_at, ` + idle + ` FROM apikey_key k
WHERE k.status = 'active' AND NOT k.honey AND k.asleep < 3 AND k.expires > $2 AND ` + idle + ` <= $3 AND k.id > $1 ORDER BY k.id LIMIT 200`

	sqlLastUse = `SELECT COALESCE(MAX(minute), 0) FROM apikey_use WHERE key_id = $1 AND code = ''`

	// All that was decided by is a condition: a call that came in meanwhile, a touch, or
	// another process that was quicker keeps the key as it is.
	sqlWarn = `UPDATE apikey_key SET warned = $4, warned_at = $5, version = version + 1 WHERE id = $1 AND version = $2 AND used_at = $3 AND status = 'active' RETURNING version`
	sqlStep = `UPDATE apikey_key SET asleep = $4, idle_since = $5, locked = CASE WHEN scopes LIKE '%withdraw%' THEN TRUE ELSE locked END, version = version + 1
WHERE id = $1 AND version = $2 AND used_at = $3 AND asleep < $4 AND status = 'active' RETURNING version`
	sqlWake = `UPDATE apikey_key SET asleep = 0, idle_since = 0, warned = 0, warned_at = 0, woken_at = $3, version = version + 1 WHERE account = $1 AND id = $2 AND asleep > 0 AND status = 'active' RETURNING version`
)

const (
	sqlMatching = `SELECT ` + keyCols + ` FROM apikey_key k WHERE k.status <> 'revoked' AND NOT k.honey AND k.id > $1
 AND (CAST($2 AS TEXT) = '' OR k.account = $2) AND (CAST($3 AS TEXT) = '' OR k.partner = $3) AND k.made_at >= $4 AND k.made_at < $5 ORDER BY k.id LIMIT 500`
	sqlUsedFrom = `SELECT DISTINCT addr FROM apikey_use WHERE key_id = $1 AND code = '' AND addr <> '' LIMIT 5000`
)
