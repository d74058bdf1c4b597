package session

const sessionCols = `s.id, s.account, s.device, s.kind, s.family, s.acr, s.amr, s.auth_time, s.key_id, s.jkt, s.remember,
 s.created_at, s.last_seen, s.abs_exp, s.addr, s.agent, s.epoch, s.suspect_at, s.vouched_at, s.ended_at, s.ended_why, s.reach_ms, s.version`

const (
	sqlInsertSession = `INSERT INTO session_session (id, account, device, kind, family, acr, amr, auth_time, key_id, jkt, remember,
 created_at, last_seen, abs_exp, addr, agent, epoch, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1)`

	sqlInsertFamily = `INSERT INTO session_family (id, session, gen, cur_kid, cur_hash, idle_exp, abs_exp, jkt, epoch, state)
VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, 'live')`

	sqlEpoch = `SELECT epoch FROM session_epoch WHERE account = $1`

	sqlBumpEpoch = `INSERT INTO session_epoch (account, epoch, at, why) VALUES ($1, 1, $2, $3)
ON CONFLICT (account) DO UPDATE SET epoch = session_epoch.epoch + 1, at = excluded.at, why = excluded.why
RETURNING epoch`

	// One read decides a refresh: family, its session and the account's epoch.
	sqlForRefresh = `SELECT f.gen, f.cur_kid, f.cur_hash, f.prev_hash, f.prev_at, f.idle_exp, f.abs_exp, f.jkt, f.epoch, f.state,
 ` + sessionCols + `, COALESCE(e.epoch, 0)
FROM session_family f JOIN session_session s ON s.id = f.session LEFT JOIN session_epoch e ON e.account = s.account
WHERE f.id = $1`

	// The turn itself. No row: somebody else turned it first.
	sqlRotate = `UPDATE session_family SET gen = gen + 1, cur_kid = $1, prev_hash = cur_hash, cur_hash = $2, prev_at = $3, idle_exp = $4
WHERE id = $5 AND cur_hash = $6 AND gen = $7 AND state = 'live'`

	sqlEndFamily = `UPDATE session_family SET state = 'ended' WHERE id = $1 AND state = 'live'`

	sqlMarkSuspect = `UPDATE session_session SET suspect_at = $1, version = version + 1
WHERE id = $2 AND suspect_at = 0 AND ended_at = 0 RETURNING version`

	sqlJTI = `INSERT INTO session_jti (id, exp) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`

	sqlSweepJTI = `DELETE FROM session_jti WHERE exp < $1`

	sqlForCheck = `SELECT ` + sessionCols + `, COALESCE(e.epoch, 0)
FROM session_session s LEFT JOIN session_epoch e ON e.account = s.account WHERE s.id = $1`

	sqlList = `SELECT ` + sessionCols + `, COALESCE(e.epoch, 0), COALESCE(e.at, 0), COALESCE(e.why, ''), f.idle_exp
FROM session_session s JOIN session_family f ON f.id = s.family LEFT JOIN session_epoch e ON e.account = s.account
WHERE s.account = $1 AND (s.ended_at = 0 OR s.ended_at > $2) AND s.abs_exp > $2
ORDER BY s.created_at DESC LIMIT 200`

	sqlEndOne = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1
WHERE ended_at = 0 AND account = $3 AND id = $4 RETURNING id, version`

	sqlEndOthers = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1
WHERE ended_at = 0 AND account = $3 AND id <> $4 AND abs_exp > $5 RETURNING id, version`

	sqlEndOnDevice = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1
WHERE ended_at = 0 AND account = $3 AND device = $4 AND kind = $5 RETURNING id, version`

	sqlEndDevice = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1
WHERE ended_at = 0 AND account = $3 AND device = $4 RETURNING id, version`

	sqlEndByKey = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1
WHERE ended_at = 0 AND account = $3 AND key_id = $4 AND id <> $5 RETURNING id, version`

	sqlElevate = `UPDATE session_session SET family = $1, acr = $2, amr = $3, auth_time = $4, key_id = $5, jkt = $6, suspect_at = 0,
 remember = $7, abs_exp = $8, version = version + 1 WHERE id = $9 AND ended_at = 0 RETURNING version`

	sqlVouch = `UPDATE session_session SET vouched_at = $1, version = version + 1
WHERE account = $2 AND id = $3 AND ended_at = 0 RETURNING version`

	sqlReach = `UPDATE session_session SET reach_ms = $1 WHERE id = $2`

	sqlSeen = `UPDATE session_session SET last_seen = $1 WHERE id = $2 AND last_seen < $1`

	sqlEndEverywhere = `UPDATE session_session SET ended_at = $1, ended_why = $2, version = version + 1 WHERE ended_at = 0`

	sqlErase = `UPDATE session_session SET addr = '', agent = '|' WHERE account = $1`

	sqlByID = `SELECT ` + sessionCols + `, COALESCE(e.epoch, 0)
FROM session_session s LEFT JOIN session_epoch e ON e.account = s.account WHERE s.account = $1 AND s.id = $2`
)
