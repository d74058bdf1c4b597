package staff

const operatorCols = `id, name, roles, status, invited_by, created_at, version`

const (
	sqlAnyOperator = `SELECT COUNT(*) FROM staff_operator`
	sqlOperators   = `SELECT ` + operatorCols + ` FROM staff_operator ORDER BY status, created_at, id LIMIT $1`
	sqlOperator    = `SELECT ` + operatorCols + ` FROM staff_operator WHERE id = $1`

	sqlInsertOperator = `INSERT INTO staff_operator (id, name, handle, roles, status, invited_by, created_at, version)
VALUES ($1, $2, $3, $4, 'active', $5, $6, 1)`

	// Nobody changes themselves: whoever acts is an active admin and somebody else,
	// so an admin is always left.
	sqlSetRoles = `UPDATE staff_operator SET roles = $1, version = version + 1
WHERE id = $2 AND id <> $3 AND status = 'active' RETURNING ` + operatorCols
	sqlDisable = `UPDATE staff_operator SET status = 'disabled', version = version + 1
WHERE id = $1 AND id <> $2 AND status = 'active' RETURNING ` + operatorCols
)

const (
	sqlInsertKey = `INSERT INTO staff_key (id, operator, credential_id, public_key, alg, aaguid, grade, be, bs, counter, counter_before,
 transports, attestation, client_data_hash, format, created_at, last_used, removed_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14, $15, 0, 0, 1)
ON CONFLICT DO NOTHING`

	sqlForAssert = `SELECT k.id, k.operator, o.handle, k.public_key, k.be FROM staff_key k JOIN staff_operator o ON o.id = k.operator
WHERE k.credential_id = $1`

	sqlUseKey = `UPDATE staff_key SET counter_before = counter, counter = $1, bs = $2, last_used = $3, version = version + 1
WHERE id = $4 AND operator = $5 AND removed_at = 0
 AND EXISTS (SELECT 1 FROM staff_operator o WHERE o.id = staff_key.operator AND o.status = 'active')
RETURNING counter_before, version`

	sqlHandle      = `SELECT handle FROM staff_operator WHERE id = $1`
	sqlKeys        = `SELECT id, grade, created_at, last_used FROM staff_key WHERE operator = $1 AND removed_at = 0 ORDER BY created_at, id`
	sqlCredentials = `SELECT credential_id FROM staff_key WHERE operator = $1 AND removed_at = 0`
	sqlCountKeys   = `SELECT COALESCE(SUM(CASE WHEN id = $2 THEN 1 ELSE 0 END), 0), COUNT(*) FROM staff_key WHERE operator = $1 AND removed_at = 0`

	// Never the last one, and never by its own touch.
	sqlRemoveKey = `UPDATE staff_key SET removed_at = $1, version = version + 1
WHERE id = $2 AND operator = $3 AND removed_at = 0 AND id <> $4
 AND EXISTS (SELECT 1 FROM staff_key k WHERE k.operator = $3 AND k.removed_at = 0 AND k.id <> $2)
RETURNING version`

	sqlSpend = `INSERT INTO staff_spent (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`
	sqlSweep = `DELETE FROM staff_spent WHERE expires_at < $1`
)

// A session is live while nobody ended it, its operator is active, and both clocks run.
const live = `s.ended_at = 0 AND s.ends_at > $2 AND s.last_used > $3 AND o.status = 'active'`

const (
	sqlInsertSession = `INSERT INTO staff_session (id, hash, operator, started_at, ends_at, last_used, ended_at, version)
VALUES ($1, $2, $3, $4, $5, $4, 0, 1)`

	liveCols = `s.id, s.started_at, s.ends_at, s.last_used, s.version, o.id, o.name, o.roles, o.status, o.invited_by, o.created_at, o.version`

	sqlLive     = `SELECT ` + liveCols + ` FROM staff_session s JOIN staff_operator o ON o.id = s.operator WHERE s.hash = $1 AND ` + live
	sqlLiveByID = `SELECT ` + liveCols + ` FROM staff_session s JOIN staff_operator o ON o.id = s.operator WHERE s.id = $1 AND ` + live

	sqlLiveOf = `SELECT s.id, s.started_at, s.ends_at, s.last_used, s.version FROM staff_session s JOIN staff_operator o ON o.id = s.operator
WHERE s.operator = $1 AND ` + live + ` ORDER BY s.started_at, s.id`

	sqlLastUsed = `UPDATE staff_session SET last_used = $1 WHERE id = $2 AND ended_at = 0 AND last_used < $1`

	sqlEndSession  = `UPDATE staff_session SET ended_at = $1, version = version + 1 WHERE id = $2 AND ended_at = 0 RETURNING version`
	sqlEndByCookie = `UPDATE staff_session SET ended_at = $1, version = version + 1 WHERE hash = $2 AND ended_at = 0 RETURNING id, version`
	sqlEndOne      = `UPDATE staff_session SET ended_at = $1, version = version + 1 WHERE operator = $2 AND id = $3 AND ended_at = 0 RETURNING id, version`
	sqlEndOthers   = `UPDATE staff_session SET ended_at = $1, version = version + 1 WHERE operator = $2 AND id <> $3 AND ended_at = 0 RETURNING id, version`
	sqlEndSessions = `UPDATE staff_session SET ended_at = $1, version = version + 1 WHERE operator = $2 AND ended_at = 0 RETURNING id, version`
)

// What a restored backup could bring back.
const (
	sqlEndEverySession  = `UPDATE staff_session SET ended_at = $1, version = version + 1 WHERE ended_at = 0`
	sqlVoidEveryInvite  = `UPDATE staff_invite SET voided_at = $1 WHERE used_at = 0 AND voided_at = 0`
	sqlLetRequestsLapse = `UPDATE staff_request SET expires_at = $1, version = version + 1 WHERE state = 'open' AND expires_at > $1`
)

// An invitation is open while it was neither used nor replaced nor ran out, and
// while whoever made it may still invite. The first one dies with the first operator.
const open = `hash = $1 AND used_at = 0 AND voided_at = 0 AND expires_at > $2
 AND ((bootstrap = TRUE AND NOT EXISTS (SELECT 1 FROM staff_operator))
  OR (bootstrap = FALSE AND EXISTS (SELECT 1 FROM staff_operator o WHERE o.id = staff_invite.invited_by AND o.status = 'active' AND o.roles LIKE '%"admin"%')))`

const inviteCols = `operator, handle, name, roles, invited_by, expires_at`

const (
	sqlVoidBootstrap = `UPDATE staff_invite SET voided_at = $1 WHERE bootstrap = TRUE AND used_at = 0 AND voided_at = 0`
	sqlInsertInvite  = `INSERT INTO staff_invite (hash, operator, handle, name, roles, bootstrap, invited_by, made_at, expires_at, used_at, voided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0)`
	sqlInvite    = `SELECT ` + inviteCols + ` FROM staff_invite WHERE ` + open
	sqlUseInvite = `UPDATE staff_invite SET used_at = $2 WHERE ` + open + ` RETURNING ` + inviteCols
)

const requestCols = `id, kind, target, diff, reason, requester, made_at, expires_at, state, decided_by, decided_at, decided_reason, version`

const (
	sqlInsertRequest = `INSERT INTO staff_request (id, kind, target, diff, reason, requester, made_at, expires_at, state, decided_by, decided_at, decided_reason, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', '', 0, '', 1)`
	sqlRequest  = `SELECT ` + requestCols + ` FROM staff_request WHERE id = $1`
	sqlRequests = `SELECT ` + requestCols + ` FROM staff_request ORDER BY made_at DESC, id DESC LIMIT $1`

	decide = `UPDATE staff_request SET state = $1, decided_by = $2, decided_at = $3, decided_reason = $4, version = version + 1
WHERE id = $5 AND state = 'open' AND expires_at > $3`

	// Four eyes in one statement: the approver is not the requester, and a request
	// dies with its requester's standing.
	sqlApprove = decide + ` AND requester <> $2
 AND EXISTS (SELECT 1 FROM staff_operator o WHERE o.id = staff_request.requester AND o.status = 'active')
RETURNING ` + requestCols

	// Refusing is the safe direction: the requester may do it too.
	sqlRefuse = decide + ` RETURNING ` + requestCols
)
