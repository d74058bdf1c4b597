// Package store owns the database: its connections, its transactions, its
// schema version and the clock that everybody above reads.
//
// Two databases stand behind one SQL text. SQLite is embedded and belongs to
// exactly one process, which a lock file enforces. PostgreSQL serves any number
// of processes. A caller never learns which one it has, except through
// [DB.Dialect], which exists for messages and benchmarks.
//
// There are three kinds of transaction. [DB.Update] changes the state that
// people care about and must carry exactly one audit event, or it fails with
// [ErrUnaudited]. [DB.Housekeeping] is for challenges, leases, jobs, cursors
// and last-seen times, which nobody audits. [DB.View] reads one consistent
// snapshot. [DB.Get] is one read statement outside any transaction, for hot
// paths.
//
// The function given to Update or Housekeeping may run more than once, and on
// SQLite it runs on the writer's goroutine between other people's functions.
// Inside it there is no mail, no HTTP, no channel send and no slow cryptography.
// A panic in it is undone and goes on in the caller, as a [*Panic]; so does the
// runtime.Goexit of a test that fails inside. A transaction inside a transaction
// is refused with [ErrNested] when it is asked for with [Tx.Context].
//
// # Waiting
//
// A caller waits for its turn until the deadline of its context, or 2 s without
// one, and then gets [ErrBusy]; when the queue is full it gets ErrBusy at once.
// On SQLite a function that has begun runs to its end, whatever its caller does,
// because it shares a commit with others. On PostgreSQL store retries what
// serialization, a deadlock or a lost connection refused, within the same time.
// A connection that breaks while a COMMIT is under way leaves the outcome
// unknown; that is an error of its own and never retried.
//
// # Statements
//
// The placeholders are $1, $2, …. Arguments are integers, floats, bool, string,
// []byte, nil, pointers to these and types made from these; byte arrays are
// bound as bytes. Times are BIGINT microseconds ([Micros], [Time]), and a
// time.Time is refused. Text must be valid UTF-8 without NUL, because
// PostgreSQL stores nothing else.
//
// Rows are read to their end, or closed, before the next statement of the same
// transaction, because PostgreSQL has one wire per transaction. After a
// statement has failed the transaction is over: later statements and the commit
// return that first error, on SQLite too, where the database itself would go
// on. To tolerate a duplicate, write ON CONFLICT DO NOTHING.
//
// [Tx.Later] is for a statement whose result nobody needs, such as the insert of
// the audit event: on PostgreSQL it saves a round trip. The texts of statements
// are constants, because each connection keeps them prepared.
//
// # What it never does
//
// It never decides who may do what, never names a table of another package and
// never writes an audit event; audit does, and marks the transaction.
package store
