package confirm

const cols = `i.id, i.account, i.client, i.asset, i.network, i.amount, i.max_fee, i.address, i.memo, i.created_at, i.expires_at,
 i.session, i.device, i.seal, i.state, i.decided_at, i.decided_in, i.key_id, i.grade, i.rule, i.evidence, i.version,
 COALESCE(a.first_at, 0), COALESCE(a.hold_until, 0), COALESCE(a.uses, 0), COALESCE(a.used_at, 0)`

const from = ` FROM confirm_intent i LEFT JOIN confirm_address a ON a.account = i.account AND a.asset = i.asset AND a.network = i.network
 AND a.address = i.address AND a.memo = i.memo `

const (
	sqlInsert = `INSERT INTO confirm_intent (id, account, client, asset, network, amount, max_fee, address, memo, created_at, expires_at,
 session, device, seal, state, decided_at, decided_in, key_id, grade, rule, evidence, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'pending', 0, '', '', '', '', '', 1)`

	sqlIntent   = `SELECT ` + cols + from + `WHERE i.id = $1 AND i.account = $2`
	sqlOfClient = `SELECT ` + cols + from + `WHERE i.id = $1 AND i.client = $2`
	sqlWaiting  = `SELECT ` + cols + from + `WHERE i.account = $1 AND i.state = 'pending' AND i.expires_at > $2 ORDER BY i.created_at, i.id`
	sqlOpen     = `SELECT COUNT(*) FROM confirm_intent WHERE account = $1 AND state = 'pending' AND expires_at > $2`

	// One of two that decide at once finds it pending.
	sqlApprove = `UPDATE confirm_intent SET state = 'approved', decided_at = $4, decided_in = $5, key_id = $6, grade = $7, rule = $8, evidence = $9, version = version + 1
WHERE id = $1 AND account = $2 AND seal = $3 AND state = 'pending' AND expires_at > $4 RETURNING version`
	sqlRefuse = `UPDATE confirm_intent SET state = 'refused', decided_at = $3, decided_in = $4, version = version + 1
WHERE id = $1 AND account = $2 AND state = 'pending' AND expires_at > $3 RETURNING version`
	sqlExpire = `UPDATE confirm_intent SET state = 'expired', decided_at = $2, version = version + 1
WHERE id = $1 AND state = 'pending' AND expires_at <= $2 RETURNING account, version`
	sqlRanOut = `SELECT id FROM confirm_intent WHERE state = 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2`

	// What was approved of an asset lately, the oldest first.
	sqlApproved = `SELECT amount, rule, decided_at FROM confirm_intent WHERE account = $1 AND state = 'approved' AND decided_at > $2 AND LOWER(asset) = LOWER($3) ORDER BY decided_at, id`

	// A hold grows with the operator's setting and never gets shorter.
	sqlMeetAddress = `INSERT INTO confirm_address (account, asset, network, address, memo, first_at, hold_until, uses, used_at)
VALUES ($1, $2, $3, $4, $5, $6, $8, 0, 0)
ON CONFLICT (account, asset, network, address, memo) DO UPDATE SET
 hold_until = CASE WHEN confirm_address.first_at + $7 > confirm_address.hold_until THEN confirm_address.first_at + $7 ELSE confirm_address.hold_until END
RETURNING first_at, hold_until, uses, used_at`
	sqlMetLately = `SELECT COUNT(*), COALESCE(MIN(first_at), 0) FROM confirm_address WHERE account = $1 AND first_at > $2`

	// Whoever said no to an address is not asked to trust it a day after somebody else began to ask.
	sqlHoldAgain = `UPDATE confirm_address SET hold_until = CASE WHEN $6 > hold_until THEN $6 ELSE hold_until END
WHERE account = $1 AND asset = $2 AND network = $3 AND address = $4 AND memo = $5 AND uses = 0`
	sqlUseAddress = `UPDATE confirm_address SET uses = uses + 1, used_at = $6 WHERE account = $1 AND asset = $2 AND network = $3 AND address = $4 AND memo = $5`

	sqlEraseIntents = `UPDATE confirm_intent SET address = '', memo = '', evidence = '', version = version + 1,
 decided_at = CASE WHEN state = 'pending' THEN $2 ELSE decided_at END, state = CASE WHEN state = 'pending' THEN 'refused' ELSE state END WHERE account = $1`
	sqlEraseAddresses = `DELETE FROM confirm_address WHERE account = $1`
)
