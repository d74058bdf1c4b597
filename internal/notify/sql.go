package notify

// What became of each mail.
const (
	sqlState = `SELECT state FROM notify_sent WHERE id = $1`
	sqlOpen  = `INSERT INTO notify_sent (id, event, account, contact, kind, state, detail, tries, first_at, last_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT (id) DO NOTHING`
	sqlAgain = `UPDATE notify_sent SET state = 'trying', detail = '', tries = tries + 1, kind = $2, last_at = $3
WHERE id = $1 AND state IN ('trying', 'refused')`
	sqlClose = `UPDATE notify_sent SET state = $2, detail = $3, last_at = $4 WHERE id = $1 AND state = 'trying'`
	sqlTold  = `SELECT id, event, account, contact, kind, state, detail, tries, first_at, last_at
FROM notify_sent WHERE account = $1 ORDER BY first_at DESC, id DESC LIMIT $2`
	sqlSweepSent = `DELETE FROM notify_sent WHERE last_at < $1`
)

// The last three times a stranger could make us write to an address, newest
// first. One statement decides and remembers: no row back means the oldest of
// the three is younger than an hour. The row lock makes it exact when two
// processes ask at once, where counting rows would let both through.
const (
	sqlRate = `INSERT INTO notify_rate (addr, t1, t2, t3) VALUES ($1, $2, 0, 0)
ON CONFLICT (addr) DO UPDATE SET t1 = excluded.t1, t2 = notify_rate.t1, t3 = notify_rate.t2
WHERE notify_rate.t3 <= $3
RETURNING t1`
	sqlSweepRate = `DELETE FROM notify_rate WHERE t1 <= $1`
)
