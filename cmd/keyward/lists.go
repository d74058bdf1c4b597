package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"keyward/internal/attest"
	"keyward/internal/config"
	"keyward/internal/contain"
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

	apps    config.Apps
	regrade func(context.Context, device.Lists) (contain.Regraded, error)

	// Touched while the app is built, and then by Run's goroutine only.
	use              device.Lists
	mds, list, rules stamp
	files            [3]hash // of what is in use: metadata, status list, rules
	stale            bool    // said once
}

type hash = [sha256.Size]byte

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

func newLists(a *app) *lists {
	return &lists{cfg: a.cfg.Attestation, db: a.db, devices: a.devices, now: a.db.Now, logger: a.logger, roots: attest.MDSRoots(), regrade: a.contain.Regrade, apps: a.cfg.Apps}
}

// listsEvery: how soon a new file counts.
const listsEvery = time.Minute

// maxListFile is larger than attest takes, so that its refusal names the size.
const maxListFile = 64 << 20

const listMDS = "mds" // in device_list

// Run looks at the files until ctx ends.
func (l *lists) Run(ctx context.Context) error {
	l.judge(ctx) // by what changed while nobody looked, the configuration above all
	t := time.NewTicker(listsEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			l.look(ctx)
			l.judge(ctx)
		}
	}
}

// judge has all keys judged again when what they are judged by is not what it was the
// last time, in this process or before it, and once a day: a status in FIDO's list may be
// in force from a day on, and updates grow old.
func (l *lists) judge(ctx context.Context) {
	by := l.judgedBy()
	was, err := l.lastJudged(ctx)
	if err == nil && was == by {
		return
	}
	var n contain.Regraded
	if err == nil {
		n, err = l.regrade(ctx, l.use)
	}
	if err == nil {
		err = l.db.Housekeeping(ctx, func(tx *store.Tx) error { return l.devices.NoteJudged(tx, by) })
	}
	switch {
	case ctx.Err() != nil:
	case err != nil: // and once more in a minute
		l.logger.WarnContext(ctx, "not all keys could be judged again", "cause", err)
	case n.Fell+n.Rose+n.Others > 0:
		l.logger.InfoContext(ctx, "keys were judged again", "keys", n.Keys, "fell", n.Fell, "rose", n.Rose, "others", n.Others)
	}
}

func (l *lists) lastJudged(ctx context.Context) (by int64, err error) {
	err = l.db.View(ctx, func(tx *store.Tx) error {
		by, err = l.devices.JudgedBy(tx)
		return err
	})
	return by, err
}

// judgedBy is one number for all that keys are judged by.
func (l *lists) judgedBy() int64 {
	h := sha256.New()
	for _, f := range l.files {
		h.Write(f[:])
	}
	fmt.Fprintf(h, "%+v %s", l.apps, l.now().UTC().Format(time.DateOnly))
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}

func (l *lists) look(ctx context.Context) {
	mds, err := l.changed(l.cfg.MDSFile, &l.mds, &l.files[0], func(b []byte) error { return l.takeMDS(ctx, b) })
	l.say(ctx, "attestation.mds_file", mds, err)
	list, err := l.changed(l.cfg.AndroidStatusFile, &l.list, &l.files[1], func(b []byte) (err error) {
		r, err := attest.ParseRevoked(b)
		if err == nil {
			l.use.Revoked = r
		}
		return err
	})
	l.say(ctx, "attestation.android_status_file", list, err)
	rules, err := l.changed(l.cfg.RulesFile, &l.rules, &l.files[2], func(b []byte) error {
		r, err := keyRules(b)
		if err == nil {
			l.use.Rules = r
		}
		return err
	})
	l.say(ctx, "attestation.rules_file", rules, err)
	if mds || list || rules {
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
func (l *lists) changed(path string, was *stamp, used *hash, take func([]byte) error) (bool, error) {
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
	*used = sha256.Sum256(b)
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
	for key, path := range map[string]string{"attestation.mds_file": cfg.MDSFile, "attestation.android_status_file": cfg.AndroidStatusFile, "attestation.rules_file": cfg.RulesFile} {
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

// keyRules reads the operator's rules as device knows them.
func keyRules(b []byte) (device.Rules, error) {
	read, err := config.ParseKeyRules(b)
	if err != nil {
		return device.Rules{}, err
	}
	rules := device.Rules{PatchMonths: read.PatchMonths}
	for _, of := range []struct {
		from []config.KeyPattern
		to   *[]device.Pattern
	}{{read.Block, &rules.Block}, {read.Allow, &rules.Allow}} {
		for _, p := range of.from {
			id, err := p.ID()
			if err != nil {
				return device.Rules{}, err
			}
			*of.to = append(*of.to, device.Pattern{AAGUID: id, Model: p.Model, Format: p.Format})
		}
	}
	return rules, nil
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
