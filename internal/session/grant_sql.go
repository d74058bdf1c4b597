package session

const grantCols = `g.id, g.account, g.session, g.client, g.family, g.scope, g.details, g.audience, g.acr, g.amr, g.auth_time, g.key_id, g.jkt, g.offline, g.keeps,
 g.created_at, g.abs_exp, g.epoch, g.suspect_at, g.ended_at, g.ended_why, g.version`

// grantText is what tokens say of a grant, as one text: a RETURNING may not name
// another table's columns on SQLite, and a subquery for each would be read a dozen
// times. No field can hold the separator: they are ids, words, or JSON, which escapes it.
const grantText = `g.session || '` + fieldSep + `' || g.scope || '` + fieldSep + `' || g.details || '` + fieldSep + `' || g.audience || '` + fieldSep + `' || g.acr
 || '` + fieldSep + `' || g.amr || '` + fieldSep + `' || CAST(g.auth_time AS TEXT) || '` + fieldSep + `' || g.key_id || '` + fieldSep + `' || g.jkt
 || '` + fieldSep + `' || CASE WHEN g.offline THEN '1' ELSE '' END || '` + fieldSep + `' || CAST(g.created_at AS TEXT) || '` + fieldSep + `' || CAST(g.abs_exp AS TEXT)
 || '` + fieldSep + `' || CAST(g.epoch AS TEXT) || '` + fieldSep + `' || CAST(g.suspect_at AS TEXT) || '` + fieldSep + `' || CAST(g.version AS TEXT)`

const fieldSep = "\x1f" // ASCII unit separator

// usable holds for a grant g that nothing has ended. A session that was ended by an
// act takes its grants along; one that was only signed out of, or replaced by the
// next sign-in of the same browser, leaves those with offline access.
const usable = `g.ended_at = 0 AND g.epoch = COALESCE((SELECT e.epoch FROM session_epoch e WHERE e.account = g.account), 0)
 AND EXISTS (SELECT 1 FROM session_session s WHERE s.id = g.session
  AND (s.ended_at = 0 OR g.offline AND s.ended_why IN ('sign_out', 'replaced', 'crowded')))`

const (
	sqlInsertGrant = `INSERT INTO session_grant (id, account, session, client, family, scope, details, audience, acr, amr, auth_time, key_id, jkt, offline, keeps,
 created_at, abs_exp, epoch, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 1)`

	sqlInsertGrantFamily = `INSERT INTO session_family (id, session, account, remember, gen, cur_kid, cur_hash, idle_exp, abs_exp, jkt, epoch, grt)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11)`

	sqlGrant = `SELECT ` + grantCols + ` FROM session_grant g WHERE g.id = $1 AND g.abs_exp > $2 AND ` + usable

	// With when its chain last moved. One whose refresh token was not used in time
	// gives nothing any more.
	sqlGrants = `SELECT ` + grantCols + `, COALESCE(f.prev_at, 0), w.device, w.agent
FROM session_grant g JOIN session_session w ON w.id = g.session LEFT JOIN session_family f ON f.id = g.family
WHERE g.account = $1 AND g.abs_exp > $2 AND (f.id IS NULL OR f.idle_exp > $2) AND ` + usable + ` ORDER BY g.created_at DESC, g.id DESC LIMIT 300`

	// The scope as it was read is a condition: what another act took away meanwhile
	// does not come back. It only ever gets shorter in time, too.
	sqlNarrowGrant = `UPDATE session_grant SET scope = $1, offline = $2, version = version + 1,
 abs_exp = CASE WHEN $2 OR NOT offline THEN abs_exp ELSE (SELECT CASE WHEN w.abs_exp < session_grant.abs_exp THEN w.abs_exp ELSE session_grant.abs_exp END
  FROM session_session w WHERE w.id = session_grant.session) END
WHERE id = $3 AND account = $4 AND scope = $5 AND ended_at = 0 RETURNING version, abs_exp`
	sqlNarrowFamily = `UPDATE session_family SET remember = FALSE, abs_exp = $1, idle_exp = CASE WHEN idle_exp < CAST($2 AS BIGINT) THEN idle_exp ELSE CAST($2 AS BIGINT) END
WHERE id = $3`

	// A chain that does not turn notes its use here, once a minute at most: nothing
	// but a turn reads prev_at, and this one has none.
	sqlUsedGrant = `UPDATE session_family SET prev_at = $1 WHERE id = $2 AND prev_at < $1`

	sqlCountGrants = `SELECT COUNT(*) FROM (SELECT g.id FROM session_grant g WHERE g.client = $1 AND g.abs_exp > $2 AND ` + usable + ` LIMIT 1001) n`

	endGrant       = `UPDATE session_grant SET ended_at = $1, ended_why = $2, version = version + 1 WHERE ended_at = 0 `
	sqlEndGrant    = endGrant + `AND account = $3 AND id = $4 RETURNING id, version`
	sqlEndGrantsOf = endGrant + `AND client = $3 RETURNING id, version`

	sqlEndGrantsLike = endGrant + `AND account = $3 AND client = (SELECT o.client FROM session_grant o WHERE o.id = $4 AND o.account = $3) RETURNING id, version`

	// What ends sessions ends the grants made in them, also where the session itself
	// is over by now: signed out of, replaced or run out, it is no row that an end of
	// sessions touches, and an app with offline access would outlive the removal of
	// the very device it was let in from.
	sqlEndGrantsIn       = endGrant + `AND account = $3 AND session = $4 RETURNING id, version`
	sqlEndGrantsOthers   = endGrant + `AND account = $3 AND session <> $4 RETURNING id, version`
	sqlEndGrantsOnDevice = endGrant + `AND account = $3 AND session IN (SELECT s.id FROM session_session s WHERE s.account = $3 AND s.device = $4) RETURNING id, version`
	sqlEndGrantsByKey    = endGrant + `AND account = $3 AND key_id = $4 RETURNING id, version`
	sqlEndGrantsAll      = `UPDATE session_grant SET ended_at = $1, ended_why = $2, version = version + 1 WHERE ended_at = 0`

	sqlSuspectGrant = `UPDATE session_grant SET suspect_at = $1, version = version + 1 WHERE id = $2 AND suspect_at = 0 AND ended_at = 0 RETURNING version`

	sqlEndOldGrants = endGrant + `AND id IN (SELECT o.id FROM session_grant o WHERE o.account = $3 AND o.client = $4 AND o.ended_at = 0 AND o.abs_exp > $1
 ORDER BY o.created_at DESC, o.id DESC LIMIT 1000 OFFSET $5) RETURNING id, version`

	// The turn of a grant's chain: rule 2 in one statement, as sqlTurn. The client is
	// one of its conditions, so a token in another app's hands changes nothing.
	sqlTurnGrant = `UPDATE session_family SET gen = gen + 1, cur_kid = $1, prev_hash = cur_hash, cur_hash = $2, prev_at = $3,
 idle_exp = CASE WHEN abs_exp < CASE WHEN remember THEN CAST($4 AS BIGINT) ELSE CAST($9 AS BIGINT) END THEN abs_exp
  WHEN remember THEN CAST($4 AS BIGINT) ELSE CAST($9 AS BIGINT) END
WHERE id = $5 AND cur_hash = $6 AND grt <> '' AND (jkt = '' OR jkt = $7) AND idle_exp > $3 AND abs_exp > $3
 AND EXISTS (SELECT 1 FROM session_grant g WHERE g.id = session_family.grt AND g.epoch = session_family.epoch AND g.client = $8 AND g.keeps = FALSE AND ` + usable + `)
RETURNING grt, account, gen, idle_exp, (SELECT ` + grantText + ` FROM session_grant g WHERE g.id = session_family.grt)`

	// Why a turn found no row, and whose it is.
	sqlForGrantRefresh = `SELECT ` + grantCols + `, f.gen, f.cur_kid, f.cur_hash, f.prev_hash, f.prev_at, f.idle_exp,
 CASE WHEN ` + usable + ` AND f.epoch = g.epoch THEN TRUE ELSE FALSE END
FROM session_family f JOIN session_grant g ON g.id = f.grt WHERE f.id = $1`

	// Apps that were let in from a session that is over, whatever became of the grants.
	left = `SELECT DISTINCT g.client, g.account, g.session FROM session_grant g JOIN session_session s ON s.id = g.session
 WHERE s.abs_exp > $1 AND (s.ended_at > 0 OR s.epoch < COALESCE((SELECT e.epoch FROM session_epoch e WHERE e.account = s.account), 0)) `
	sqlLeftSession = left + `AND g.session = $2`
	sqlLeftAccount = left + `AND g.account = $2 ORDER BY g.session DESC LIMIT 1000`
	sqlLeftAll     = left + `AND g.session > $2 ORDER BY g.session LIMIT 500`

	sqlSessionOver = `SELECT EXISTS (SELECT 1 FROM session_session WHERE id = $1 AND ended_at > 0)`
	sqlGrantOver   = `SELECT EXISTS (SELECT 1 FROM session_grant WHERE id = $1 AND ended_at > 0)`

	sqlEraseGrants = `UPDATE session_grant SET details = '' WHERE account = $1`
)
