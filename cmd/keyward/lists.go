package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"keyward/internal/attest"
	"keyward/internal/config"
	"keyward/internal/device"
	"keyward/internal/store"
)

// lists follows the files that evidence about passkeys is judged by. A file that
// cannot be read keeps the list that was read before; what was never read is believed
// by nobody, and keys then earn less.
type lists struct {
	cfg     config.Attestation
	db      *store.DB
	devices *device.Service
	now     func() time.Time
	logger  *slog.Logger
	roots   []*x509.Certificate // that sign metadata

	// Touched while the app is built, and then by Run's goroutine only.
	use       device.Lists
	mds, list stamp
	stale     bool // said once
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

func newLists(a *app) *lists {
	return &lists{cfg: a.cfg.Attestation, db: a.db, devices: a.devices, now: a.db.Now, logger: a.logger, roots: attest.MDSRoots()}
}

// listsEvery: how soon a new file counts.
const listsEvery = time.Minute

// maxListFile is larger than attest takes, so that its refusal names the size.
const maxListFile = 64 << 20

const listMDS = "mds" // in device_list

// Run looks at the files until ctx ends.
func (l *lists) Run(ctx context.Context) error {
	if l.cfg.MDSFile == "" && l.cfg.AndroidStatusFile == "" {
		return nil
	}
	t := time.NewTicker(listsEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			l.look(ctx)
		}
	}
}

func (l *lists) look(ctx context.Context) {
	mds, err := l.changed(l.cfg.MDSFile, &l.mds, func(b []byte) error { return l.takeMDS(ctx, b) })
	l.say(ctx, "attestation.mds_file", mds, err)
	list, err := l.changed(l.cfg.AndroidStatusFile, &l.list, func(b []byte) (err error) {
		r, err := attest.ParseRevoked(b)
		if err == nil {
			l.use.Revoked = r
		}
		return err
	})
	l.say(ctx, "attestation.android_status_file", list, err)
	if mds || list {
		l.devices.UseLists(l.use)
	}
	if stale := l.use.MDS != nil && l.use.MDS.Stale(l.now()); stale != l.stale {
		l.stale = stale
		if stale {
			l.logger.WarnContext(ctx, "the metadata of authenticators is past its day; download a newer one", "file", l.cfg.MDSFile, "due", l.use.MDS.NextUpdate.Format(time.DateOnly))
		}
	}
}

func (l *lists) say(ctx context.Context, key string, taken bool, err error) {
	switch {
	case err != nil:
		l.logger.WarnContext(ctx, "a list about authenticators is not taken; the one before stays in use", "key", key, "cause", err)
	case taken:
		l.logger.InfoContext(ctx, "a list about authenticators is in use", "key", key)
	}
}

// changed reads path when it is not what it was. A file that was refused is looked at
// again only when it changes, or the log would say so each minute.
func (l *lists) changed(path string, was *stamp, take func([]byte) error) (bool, error) {
	if path == "" {
		return false, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		if *was == (stamp{}) {
			return false, nil
		}
		*was = stamp{}
		return false, err
	}
	is := stamp{info.Size(), info.ModTime()}
	if is == *was {
		return false, nil
	}
	*was = is
	b, err := readList(path)
	if err != nil {
		return false, err
	}
	if err := take(b); err != nil {
		return false, err
	}
	return true, nil
}

// takeMDS verifies the file and raises the floor below which none is taken again.
func (l *lists) takeMDS(ctx context.Context, b []byte) error {
	var floor int64
	if err := l.db.View(ctx, func(tx *store.Tx) (err error) {
		floor, err = l.devices.ListFloor(tx, listMDS)
		return err
	}); err != nil {
		return l.again(err)
	}
	m, err := attest.ParseMDS(b, l.roots, floor, l.now())
	if err != nil {
		return err
	}
	err = l.db.Housekeeping(ctx, func(tx *store.Tx) error { return l.devices.TakeList(tx, listMDS, m.Number) })
	switch {
	case errors.Is(err, attest.ErrMDSRolledBack):
		return err
	case err != nil:
		return l.again(err)
	}
	l.use.MDS = m
	return nil
}

// again has the file looked at once more: the database failed, not the file.
func (l *lists) again(err error) error {
	l.mds = stamp{}
	return err
}

func readList(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxListFile))
}

// listsThere refuses a start with files that are configured and not there: keys would
// earn less than they should, and nobody would know why. What is in them may be old or
// broken without stopping anybody from signing in.
func listsThere(cfg config.Attestation) error {
	var faults config.Faults
	for key, path := range map[string]string{"attestation.mds_file": cfg.MDSFile, "attestation.android_status_file": cfg.AndroidStatusFile} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			faults = append(faults, config.Fault{Key: key, What: err.Error(), Why: "no passkey could earn the grade hardware by it",
				Fix: "download the list there, readable by the user Keyward runs as, or remove the key"})
			continue
		}
		f.Close()
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// lookAtLists verifies the files as serve does, without the floor.
func lookAtLists(cfg config.Attestation, at time.Time) (out []finding) {
	if cfg.MDSFile != "" {
		b, err := readList(cfg.MDSFile)
		if err == nil {
			var m *attest.MDS
			if m, err = attest.ParseMDS(b, attest.MDSRoots(), 0, at); err == nil && m.Stale(at) {
				err = fmt.Errorf("a newer one was due on %s", m.NextUpdate.Format(time.DateOnly))
			}
		}
		out = append(out, finding{"the metadata of authenticators is FIDO's and current", err, "download it from https://mds3.fidoalliance.org again"})
	}
	if cfg.AndroidStatusFile != "" {
		b, err := readList(cfg.AndroidStatusFile)
		if err == nil {
			_, err = attest.ParseRevoked(b)
		}
		out = append(out, finding{"Google's list of revoked certificates can be read", err, "download it from https://android.googleapis.com/attestation/status again"})
	}
	return out
}

// phoneApps are the exchange's own apps as device knows them.
func phoneApps(cfg config.Apps) (device.Apps, error) {
	apps := device.Apps{IOS: cfg.IOS, AppIsEnough: cfg.AppAttestEarns == "hardware"}
	if cfg.AppAttest == "development" {
		apps.Environment = attest.Development
	}
	for _, a := range cfg.Android {
		digests, err := a.Digests()
		if err != nil {
			return device.Apps{}, err
		}
		for _, d := range digests {
			apps.Android = append(apps.Android, attest.App{Package: a.Package, Digest: d})
		}
	}
	return apps, nil
}
