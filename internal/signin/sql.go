package signin

const (
	sqlInsertCode = `INSERT INTO signin_code (hash, account) VALUES ($1, $2)`
	sqlDropCodes  = `DELETE FROM signin_code WHERE account = $1`
	sqlUseCode    = `UPDATE signin_code SET used_at = $1 WHERE hash = $2 AND account = $3 AND used_at = 0`
	sqlFindCode   = `SELECT account, used_at FROM signin_code WHERE hash = $1`
	sqlCodesLeft  = `SELECT COALESCE(SUM(CASE WHEN used_at = 0 THEN 1 ELSE 0 END), 0), COALESCE(MAX(used_at), 0) FROM signin_code WHERE account = $1`
	sqlCodeSet    = `SELECT made_at, rehearsed_at, version FROM signin_codeset WHERE account = $1`
	sqlPutCodeSet = `INSERT INTO signin_codeset (account, made_at, version) VALUES ($1, $2, 1)
ON CONFLICT (account) DO UPDATE SET made_at = excluded.made_at, rehearsed_at = 0, version = signin_codeset.version + 1
RETURNING version`
	sqlRehearsed   = `UPDATE signin_codeset SET rehearsed_at = $1, version = version + 1 WHERE account = $2 RETURNING version`
	sqlDropCodeSet = `DELETE FROM signin_codeset WHERE account = $1`
)

const joinCols = `id, state, account, session, jkt, agent, addr, key_id, made_at, expires_at, version`

const (
	sqlShowJoin = `INSERT INTO signin_join (id, code_hash, bind, jkt, agent, addr, state, account, session, key_id, made_at, expires_at, version)
VALUES ($1, $2, $3, $4, $5, $6, 'shown', '', '', '', $7, $8, 1)`
	sqlDropShown = `DELETE FROM signin_join WHERE bind = $1 AND jkt IN ('', $2) AND state = 'shown'`

	// Who shows another code has given the first one up, typed or not: its time is over.
	sqlGiveUpJoin = `UPDATE signin_join SET expires_at = $3 WHERE bind = $1 AND jkt IN ('', $2) AND state IN ('claimed', 'admitted') AND expires_at > $3`

	sqlJoinOfBind = `SELECT ` + joinCols + ` FROM signin_join WHERE bind = $1 ORDER BY made_at DESC, id DESC LIMIT 1`
	sqlJoin       = `SELECT ` + joinCols + ` FROM signin_join WHERE id = $1 AND account = $2`
	sqlOpenJoin   = `SELECT ` + joinCols + ` FROM signin_join WHERE account = $1 AND state IN ('claimed', 'admitted') AND expires_at > $2 ORDER BY made_at DESC LIMIT 1`

	// Each arrow of the state machine is one of these, with all its conditions.
	sqlClaimJoin = `UPDATE signin_join SET state = 'claimed', account = $2, session = $3, version = version + 1
WHERE code_hash = $1 AND state = 'shown' AND expires_at > $4 RETURNING ` + joinCols
	sqlAdmitJoin = `UPDATE signin_join SET state = 'admitted', expires_at = $4, version = version + 1
WHERE id = $1 AND account = $2 AND session = $3 AND state = 'claimed' AND expires_at > $5 RETURNING ` + joinCols
	sqlRefuseJoin = `UPDATE signin_join SET state = 'refused', version = version + 1
WHERE id = $1 AND account = $2 AND state IN ('claimed', 'admitted') AND expires_at > $3 RETURNING ` + joinCols
	sqlUseJoin = `UPDATE signin_join SET state = 'used', key_id = $4, version = version + 1
WHERE id = $1 AND bind = $2 AND jkt IN ('', $3) AND account = $5 AND state = 'admitted' AND expires_at > $6 RETURNING version`

	sqlSweepJoins = `DELETE FROM signin_join WHERE expires_at < $1`
	sqlEraseJoins = `DELETE FROM signin_join WHERE account = $1`
)
