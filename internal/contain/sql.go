package contain

const (
	sqlPutFreeze = `INSERT INTO contain_freeze (account, was, at) VALUES ($1, $2, $3)
ON CONFLICT (account) DO UPDATE SET was = excluded.was, at = excluded.at`
	sqlTakeFreeze = `DELETE FROM contain_freeze WHERE account = $1 RETURNING was`
)
