package job

import (
	"encoding/json"
	"fmt"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Policy constants live here so that an auditor reads one screen.
const (
	leaseFor  = 30 * time.Second // a runner that is silent for so long has lost its jobs
	renewAt   = 10 * time.Second
	pollEvery = 250 * time.Millisecond
	runTime   = 2 * time.Minute // of one handler call

	// 12 tries over about 9 hours: a mail server that is down overnight loses nothing.
	maxTries   = 12
	firstPause = 2 * time.Second
	longPause  = 2 * time.Hour

	keepDone = 7 * 24 * time.Hour // as long as a Key guards against a second job
	keepDead = 30 * 24 * time.Hour

	purgeEvery = time.Hour

	maxPayload = 64 << 10
	maxKey     = 200
)

type options struct{ key *string }

// Option changes how a job is enqueued.
type Option func(*options)

// Key makes the job at most one of its key: a second Enqueue with it does
// nothing, until the first job has been done for keepDone.
func Key(key string) Option { return func(o *options) { o.key = &key } }

// Enqueue adds a job in the caller's transaction, to run at the given time or
// soon after. The payload becomes JSON; it holds ids rather than people's data,
// and no secret.
func Enqueue(tx *store.Tx, kind string, payload any, at time.Time, opts ...Option) error {
	var o options
	for _, f := range opts {
		f(&o)
	}
	b, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("job: payload of %s: %w", kind, err)
	}
	if kind == "" || len(b) > maxPayload || o.key != nil && len(*o.key) > maxKey {
		return fmt.Errorf("job: %q: no kind, or payload or key too long", kind)
	}
	if at.IsZero() {
		at = tx.Now
	}
	return tx.Later(sqlEnqueue, keyring.NewID("job_", tx.Now), kind, o.key, string(b), store.Micros(at), store.Micros(tx.Now))
}

// Failure is an error whose text may be stored and shown to operators: a
// constant of the program, never what a remote server said or a person typed.
type Failure struct {
	Text  string
	Cause error // for the log only
	Final bool  // trying again cannot help
}

func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Text
	}
	return f.Text + ": " + f.Cause.Error()
}

func (f *Failure) Unwrap() error { return f.Cause }

// Dead is a job that was given up.
type Dead struct {
	ID, Kind  string
	Tries     int64
	LastError string
	Created   time.Time
	Ended     time.Time
}

// DeadJobs lists the jobs given up last.
func DeadJobs(tx *store.Tx, limit int) (dead []Dead, err error) {
	rows, err := tx.Rows(sqlDead, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Dead
		var created, ended int64
		if err := rows.Scan(&d.ID, &d.Kind, &d.Tries, &d.LastError, &created, &ended); err != nil {
			return nil, err
		}
		d.Created, d.Ended = store.Time(created), store.Time(ended)
		dead = append(dead, d)
	}
	return dead, rows.Err()
}

// Revive makes a dead job due again, with all its tries. It reports whether
// there was one.
func Revive(tx *store.Tx, id string) (bool, error) {
	n, err := tx.Exec(sqlRevive, store.Micros(tx.Now), id)
	return n == 1, err
}
