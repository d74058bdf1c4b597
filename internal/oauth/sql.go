package oauth

const clientCols = `id, name, owner, kind, auth, jwks, first_party, domain, redirects, scopes, audience, life, created_at, off_at, version,
 purpose, profile, details, backchannel, after_logout`

const (
	sqlInsertClient = `INSERT INTO oauth_client (id, name, owner, kind, auth, secret, jwks, first_party, domain, redirects, scopes, audience, life, created_at, version,
 purpose, profile, details, backchannel, after_logout)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $16, $17, $18, $19)`

	sqlClient  = `SELECT ` + clientCols + `, secret FROM oauth_client WHERE id = $1`
	sqlClients = `SELECT ` + clientCols + ` FROM oauth_client ORDER BY created_at, id LIMIT 1000`

	sqlVerified = `UPDATE oauth_client SET domain = $1, version = version + 1 WHERE id = $2 AND off_at = 0 RETURNING version`
	sqlOff      = `UPDATE oauth_client SET off_at = $1, version = version + 1 WHERE id = $2 AND off_at = 0 RETURNING version, name`

	sqlUnverified = `UPDATE oauth_client SET domain = $1, version = version + 1 WHERE id = $2 AND off_at = 0 AND domain <> $1 RETURNING version, name`
	sqlDropCodes  = `DELETE FROM oauth_code WHERE client = $1 AND spent_at = 0`
)

const (
	sqlInsertCode = `INSERT INTO oauth_code (id, client, account, session, redirect, challenge, scope, nonce, jkt, exp, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

	// One statement decides who may spend a code (RFC 6749 §4.1.2). Whoever lacks the
	// verifier, the client or the key spends nothing by trying.
	sqlSpendCode = `UPDATE oauth_code SET spent_at = $1 WHERE id = $2 AND client = $3 AND redirect = $4 AND challenge = $5
 AND (jkt = '' OR jkt = $6) AND spent_at = 0 AND exp > $1
 AND EXISTS (SELECT 1 FROM oauth_client c WHERE c.id = $3 AND c.off_at = 0) RETURNING account, session, scope, nonce, details`

	sqlCodeGave  = `UPDATE oauth_code SET grt = $1 WHERE id = $2`
	sqlSpentCode = `SELECT account, grt FROM oauth_code WHERE id = $1 AND client = $2 AND spent_at > 0 AND grt <> ''`
	sqlSweepCode = `DELETE FROM oauth_code WHERE id IN (SELECT id FROM oauth_code WHERE exp < $1 LIMIT 1000)`

	sqlKeepAsk   = `INSERT INTO oauth_ask (id, client, query, pushed, exp) VALUES ($1, $2, $3, $4, $5)`
	sqlKeptAsk   = `SELECT client, query FROM oauth_ask WHERE id = $1 AND exp > $2`
	sqlPushedAsk = `SELECT client, query FROM oauth_ask WHERE id = $1 AND exp > $2 AND client = $3 AND pushed`
	sqlTakeAsk   = `DELETE FROM oauth_ask WHERE id = $1 AND exp > $2`
	sqlSweepAsk  = `DELETE FROM oauth_ask WHERE id IN (SELECT id FROM oauth_ask WHERE exp < $1 LIMIT 1000)`
)
