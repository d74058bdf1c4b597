//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package store

import "errors"

type fileLock struct{}

// lockFile refuses rather than run without the lock: two processes on one
// SQLite file would each believe their caches.
func lockFile(string) (*fileLock, error) {
	return nil, errors.New("store: SQLite needs a system with flock; use PostgreSQL here")
}

func (*fileLock) unlock() error { return nil }
