package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"keyward/internal/store"
)

var (
	// ErrBehindAnchor: the database lacks events that were signed, or has others
	// in their place. It was restored from a backup or rolled back.
	ErrBehindAnchor = errors.New("audit: the database is behind its anchor")

	// ErrAnchorForeign: the anchor file was not signed by this deployment's key.
	ErrAnchorForeign = errors.New("audit: the anchor was signed by another key, or was changed")
)

// Behind says how far a database is behind its anchor. It is an ErrBehindAnchor.
type Behind struct {
	Path       string
	AnchorSize int64     // events the anchor proves
	AnchorAt   time.Time // when they were signed
	Size       int64     // events in the tree of this database

	note []byte
}

func (b *Behind) Error() string {
	if b.Size >= b.AnchorSize {
		return fmt.Sprintf("%v: its first %d events are not the ones that %s proves", ErrBehindAnchor, b.AnchorSize, b.Path)
	}
	return fmt.Sprintf("%v: it has %d events, %s proves %d at %s. If you restored a backup on purpose, run: keyward restore accept",
		ErrBehindAnchor, b.Size, b.Path, b.AnchorSize, b.AnchorAt.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrBehindAnchor) hold.
func (b *Behind) Is(target error) bool { return target == ErrBehindAnchor }

// CheckAnchor compares the database with its anchor, before anything is served
// from it: a restored backup would bring revoked sessions and used codes back.
// The error is a *Behind when it is behind. A missing file is not an error: a new
// process has none yet. Whoever can delete it must therefore not be the one who
// can roll the database back.
func (l *Log) CheckAnchor(ctx context.Context, db *store.DB, path string) error {
	signed, c, err := l.readAnchor(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return db.View(ctx, func(tx *store.Tx) error { return l.compare(tx, path, signed, c) })
}

func (l *Log) readAnchor(path string) ([]byte, checkpoint, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, checkpoint{}, fmt.Errorf("audit: anchor: %w", err)
	}
	c, err := openCheckpoint(string(b), l.verifier())
	if err != nil {
		return nil, checkpoint{}, fmt.Errorf("%w: %s: it belongs to another installation, or the key file is not the one it was written under: %w",
			ErrAnchorForeign, path, err)
	}
	return b, c, nil
}

// compare recomputes the root that the database had at the anchor's size.
func (l *Log) compare(tx *store.Tx, path string, signed []byte, c checkpoint) error {
	size, err := treeSize(tx)
	if err != nil {
		return err
	}
	if size >= c.size {
		root, err := tlog.TreeHash(c.size, hashReader(tx))
		if err != nil && !errors.Is(err, errNoHash) {
			return err
		}
		if err == nil && root == c.root {
			return nil
		}
	}
	accepted := false
	sum := sha256.Sum256(signed)
	if err := tx.Row(sqlAccepted, sum[:]).Scan(&accepted); err != nil || accepted {
		return err
	}
	return &Behind{Path: path, AnchorSize: c.size, AnchorAt: c.at, Size: size, note: signed}
}

// AcceptRestore writes the event with which an operator takes responsibility for
// a database behind its anchor; from then on this anchor does not stop a start.
// The caller ends all sessions and holds all money in the same transaction.
func (l *Log) AcceptRestore(tx *store.Tx, b *Behind, ended ...Effect) error {
	id, err := l.Append(tx, Event{Action: "audit.restore_accepted", Target: "audit:anchor", Effects: ended, Payload: map[string]string{
		"size": strconv.FormatInt(b.Size, 10), "anchor": strconv.FormatInt(b.AnchorSize, 10),
		"anchor_at": b.AnchorAt.UTC().Format(time.RFC3339),
	}})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b.note)
	if _, err = tx.Exec(sqlAccept, sum[:], id); err != nil {
		return err
	}
	// Leases came back with the backup. A follower that holds one knows another history,
	// and would go on from a place that means something else here.
	_, err = tx.Exec(sqlForgetLeases)
	return err
}

// keepAnchor copies the newest checkpoint out of the database when a minute has
// passed or enough events have, and thins the older checkpoints out. A process
// that does not seal keeps its own anchor all the same.
func (s *Sealer) keepAnchor(ctx context.Context, now bool) error {
	due := now || s.clock().Sub(s.anchorAt) >= anchorEvery || s.signed >= s.anchored+anchorAfter
	if !due {
		return nil
	}
	var size int64
	var signed string
	err := s.db.Get(ctx, sqlLastNote).Scan(&size, &signed)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if size != s.anchored {
		if err := s.writeAnchor(ctx, signed); err != nil {
			s.anchorAt = s.clock() // try again in a minute, not in 50 ms
			return err
		}
		if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(sqlKeep, size); err != nil {
				return err
			}
			_, err := tx.Exec(sqlThinOut, store.Micros(tx.Now.Add(-24*time.Hour)), size)
			return err
		}); err != nil {
			return err
		}
	}
	s.anchored, s.anchorAt = size, s.clock()
	return nil
}

// writeAnchor replaces the file, unless the database no longer contains what the
// file proves: then somebody rolled it back while we ran, and the file is the
// only witness.
func (s *Sealer) writeAnchor(ctx context.Context, signed string) error {
	if s.anchor == "" {
		return nil
	}
	c, err := openCheckpoint(signed, s.log.verifier())
	if err != nil {
		return err
	}
	if err := s.db.View(ctx, func(tx *store.Tx) error { return s.log.compare(tx, "the newest checkpoint", []byte(signed), c) }); err != nil {
		return err
	}
	if err := s.log.CheckAnchor(ctx, s.db, s.anchor); err != nil {
		return err
	}
	if err := replaceFile(s.anchor, []byte(signed)); err != nil {
		return fmt.Errorf("audit: anchor: %w", err)
	}
	return nil
}

// replaceFile writes a whole file or none, and makes it last through a power cut.
func replaceFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
