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
