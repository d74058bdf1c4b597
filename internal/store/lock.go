//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A fileLock keeps a second process away from a SQLite database. SQLite itself
// would let it in, but then the writer's queue, the caches that are updated
// after a commit and the in-memory limits would each exist twice.
//
// The kernel owns the lock, so that it ends with the process however that ends;
// the file stays and means nothing by itself.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w%s; stop it first, or use PostgreSQL to run several", ErrLocked, holder(f))
		}
		return nil, fmt.Errorf("store: lock %s: %w", path, err)
	}
	// The number is for people; only the lock counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return &fileLock{f}, nil
}

// holder names the process that wrote its number into the lock file.
func holder(f *os.File) string {
	var pid int
	if _, err := fmt.Fscan(f, &pid); err != nil {
		return ""
	}
	return fmt.Sprintf(" (number %d)", pid)
}

func (l *fileLock) unlock() error {
	if l == nil {
		return nil
	}
	// Closing alone would leave the lock to a program that was being started at
	// this moment: between fork and exec it has a copy of every open file.
	return errors.Join(syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN), l.f.Close())
}
