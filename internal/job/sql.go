package job

const (
	sqlEnqueue = `INSERT INTO job_job (id, kind, once, payload, state, run_at, created_at)
		VALUES ($1, $2, $3, $4, 'due', $5, $6) ON CONFLICT (once) DO NOTHING`

	sqlNextDue = `SELECT run_at FROM job_job WHERE state = 'due' ORDER BY run_at LIMIT 1`

	// The condition stands twice: on PostgreSQL the loser of a race waits for the
	// winner's row and then checks only the outer one again.
	sqlClaim = `UPDATE job_job SET lease = $1, run_at = $2, tries = tries + 1
		WHERE id IN (SELECT id FROM job_job WHERE state = 'due' AND run_at <= $3 ORDER BY run_at, id LIMIT $4)
		AND state = 'due' AND run_at <= $3
		RETURNING id, kind, payload, tries`
	sqlRenew = `UPDATE job_job SET run_at = $1 WHERE id = $2 AND lease = $3 AND state = 'due'`

	sqlDone  = `UPDATE job_job SET state = 'done', payload = '', last_error = '', ended_at = $1 WHERE id = $2 AND lease = $3 AND state = 'due'`
	sqlRetry = `UPDATE job_job SET lease = '', run_at = $1, last_error = $2 WHERE id = $3 AND lease = $4 AND state = 'due'`
	sqlDie   = `UPDATE job_job SET state = 'dead', last_error = $1, ended_at = $2 WHERE id = $3 AND lease = $4 AND state = 'due'`

	sqlPurge = `DELETE FROM job_job WHERE (state = 'done' AND ended_at < $1) OR (state = 'dead' AND ended_at < $2)`

	sqlDead   = `SELECT id, kind, tries, last_error, created_at, ended_at FROM job_job WHERE state = 'dead' ORDER BY ended_at DESC LIMIT $1`
	sqlRevive = `UPDATE job_job SET state = 'due', lease = '', tries = 0, run_at = $1, ended_at = 0 WHERE id = $2 AND state = 'dead'`
)
