package session

const sessionCols = `s.id, s.account, s.device, s.kind, s.family, s.acr, s.amr, s.auth_time, s.key_id, s.jkt, s.remember,
 s.created_at, s.last_seen, s.abs_exp, s.addr, s.agent, s.epoch, s.suspect_at, s.vouched_at, s.ended_at, s.ended_why, s.reach_ms, s.version,
 s.dbsc_jkt, s.dbsc_at, s.lapsed_at`

const (
	sqlInsertSession = `INSERT INTO session_session (id, account, device, kind, family, acr, amr, auth_time, key_id, jkt, remember,
 created_at, last_seen, abs_exp, addr, agent, epoch, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1)`

	sqlInsertFamily = `INSERT INTO session_family (id, session, account, remember, gen, cur_kid, cur_hash, idle_exp, abs_exp, jkt, epoch)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10)`

	// What a new session needs to know of the account, in one trip.
	sqlBeforeStart = `SELECT COALESCE((SELECT epoch FROM session_epoch WHERE account = $1), 0),
 (SELECT COUNT(*) FROM session_session WHERE account = $1 AND ended_at = 0 AND abs_exp > $2)`

	sqlBumpEpoch = `INSERT INTO session_epoch (account, epoch, at, why) VALUES ($1, 1, $2, $3)
ON CONFLICT (account) DO UPDATE SET epoch = session_epoch.epoch + 1, at = excluded.at, why = excluded.why
RETURNING epoch`

	// The turn itself, with every condition of rule 2 in the one statement: the
	// token is the current one, its key is the family's, neither the family, the
	// session nor the account's epoch has ended it, and the bound cookie is there
	// where the session is bound to a device. No row: read and decide.
	sqlTurn = `UPDATE session_family SET gen = gen + 1, cur_kid = $1, prev_hash = cur_hash, cur_hash = $2, prev_at = $3,
 idle_exp = CASE WHEN remember OR abs_exp < $4 THEN abs_exp ELSE $4 END
WHERE id = $5 AND cur_hash = $6 AND (jkt = '' OR jkt = $7) AND idle_exp > $3 AND abs_exp > $3
 AND epoch = COALESCE((SELECT e.epoch FROM session_epoch e WHERE e.account = session_family.account), 0)
 AND EXISTS (SELECT 1 FROM session_session s WHERE s.id = session_family.session AND s.family = session_family.id
  AND s.ended_at = 0 AND s.epoch = session_family.epoch
  AND (s.dbsc_jkt = '' OR s.dbsc_at > $8 OR (s.id = $9 AND s.dbsc_jkt = $10)))
RETURNING session, account, gen, idle_exp, abs_exp, jkt, remember`

	// Why a turn found no row: family, its session and the account's epoch.
	sqlForRefresh = `SELECT f.gen, f.cur_kid, f.cur_hash, f.prev_hash, f.prev_at, f.idle_exp, f.abs_exp, f.jkt, f.epoch,
 ` + sessionCols + `, COALESCE(e.epoch, 0)
FROM session_family f JOIN session_session s ON s.id = f.session LEFT JOIN session_epoch e ON e.account = s.account
WHERE f.id = $1`

	sqlJTI = `INSERT INTO session_jti (id, exp) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`

	// The same for a transaction that has nothing to do but fail on a replay: its
	// result is not waited for, so it costs no trip (store.ErrUnique tells).
	sqlJTIOrFail = `INSERT INTO session_jti (id, exp) VALUES ($1, $2)`

	sqlSweepJTI = `DELETE FROM session_jti WHERE id IN (SELECT id FROM session_jti WHERE exp < $1 LIMIT $2)`

	sqlForCheck = `SELECT ` + sessionCols + `, COALESCE(e.epoch, 0)
FROM session_session s LEFT JOIN session_epoch e ON e.account = s.account WHERE s.id = $1`

	// What has ended a session besides its own row: everything at once, idleness.
	standingCols = `, COALESCE(e.epoch, 0), COALESCE(e.at, 0), COALESCE(e.why, ''), f.idle_exp
FROM session_session s JOIN session_family f ON f.id = s.family LEFT JOIN session_epoch e ON e.account = s.account `

	sqlList = `SELECT ` + sessionCols + standingCols + `
WHERE s.account = $1 AND (s.ended_at = 0 OR s.ended_at > $2) AND s.abs_exp > $2
ORDER BY CASE WHEN s.ended_at = 0 AND f.idle_exp > $3 AND s.epoch = COALESCE(e.epoch, 0) THEN 0 ELSE 1 END, s.created_at DESC, s.id DESC LIMIT 300`

	sqlByID = `SELECT ` + sessionCols + standingCols + `WHERE s.account = $1 AND s.id = $2`
)

// live holds for the sessions of account $2 that nothing has ended by $1. Idleness
// stands in the family and is left out on purpose, see below.
//
// What revokes must never read what a refresh writes. A refresh reads the session
// and writes the family; an end that read the family and wrote the session would
// close the circle, and one of the two be aborted by PostgreSQL each time they
// meet. Whoever refreshes in a tight loop could then keep an end from ever
// committing. As it is, ends and touches meet no refresh at all.
const live = `account = $2 AND ended_at = 0 AND abs_exp > $1
 AND epoch = COALESCE((SELECT e.epoch FROM session_epoch e WHERE e.account = $2), 0)`

// ending touches live sessions only: one that was ended before keeps its reason
// and is not counted again.
const ending = `UPDATE session_session SET ended_at = $1, ended_why = $3, version = version + 1 WHERE ` + live + ` `

const (
	sqlEndOne    = ending + `AND id = $4 RETURNING id, version`
	sqlEndOthers = ending + `AND id <> $4 RETURNING id, version`
	sqlEndDevice = ending + `AND device = $4 RETURNING id, version`
	sqlEndOldest = ending + `AND id IN (SELECT o.id FROM session_session o WHERE o.account = $2 AND o.ended_at = 0 AND o.abs_exp > $1
 ORDER BY o.created_at DESC, o.id DESC LIMIT 1000 OFFSET $4) RETURNING id, version`
	sqlEndByKey = ending + `AND key_id = $4 AND id <> $5 RETURNING id, version`

	// Only while the tokens in question are still the session's: a touch may have
	// given it new ones since.
	sqlEndReplayed = ending + `AND id = $4 AND family = $5 RETURNING id, version`
	sqlMarkSuspect = `UPDATE session_session SET suspect_at = $1, version = version + 1 WHERE ` + live + `
 AND id = $3 AND family = $4 AND suspect_at = 0 RETURNING version`
)

// sqlReplace ends what a new session of $2 takes the place of. Of this account alone:
// whoever shows a copy and a passkey of their own must not end the owner's session.
const sqlReplace = `UPDATE session_session SET ended_at = $1, version = version + 1,
 ended_why = CASE WHEN lapsed_at <> 0 OR id = $7 THEN $4 ELSE $3 END WHERE ` + live + `
 AND (device = $5 AND kind = $6 OR id = $7) RETURNING id, version, ended_why`

const (
	sqlElevate = `UPDATE session_session SET family = $1, acr = $2, amr = $3, auth_time = $4, key_id = $5, jkt = $6, suspect_at = 0, lapsed_at = 0,
 remember = $7, abs_exp = $8, version = version + 1 WHERE id = $9 AND ended_at = 0 AND abs_exp > $10 AND family = $11 RETURNING version`

	sqlVouch = `UPDATE session_session SET vouched_at = $1, version = version + 1 WHERE ` + live + ` AND id = $3 RETURNING version`

	// Once, and of a session of a browser: who registers a second time finds no row.
	sqlBindDevice = `UPDATE session_session SET dbsc_jkt = $4, dbsc_key = $5, dbsc_at = $1, version = version + 1 WHERE ` + live + `
 AND id = $3 AND kind = 'web' AND dbsc_jkt = '' RETURNING version`

	sqlDeviceKey = `SELECT dbsc_key FROM session_session WHERE id = $1`

	sqlByIDAlone = `SELECT ` + sessionCols + standingCols + `WHERE s.id = $1`

	sqlMarkLapsed = `UPDATE session_session SET lapsed_at = $1, version = version + 1 WHERE ` + live + `
 AND id = $3 AND family = $4 AND lapsed_at = 0 RETURNING version`

	sqlReach = `UPDATE session_session SET reach_ms = $1 WHERE id = $2`

	sqlSeen = `UPDATE session_session SET last_seen = $1 WHERE id = $2 AND last_seen < $1`

	sqlEndEverywhere = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1 WHERE ended_at = 0`

	sqlErase = `UPDATE session_session SET addr = '', agent = '|' WHERE account = $1`
)
