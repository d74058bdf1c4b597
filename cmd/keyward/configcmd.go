package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/store"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check every value; says file, line, what is wrong and the fix."`
	Print configPrintCmd `cmd:"" help:"Print the values in force and where each comes from, without secrets."`
}

type configCheckCmd struct{}

// Run opens the place file and the lists as well, as serve does; package config opens nothing.
func (configCheckCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	var faults config.Faults
	if _, err := openPlaces(l.PlaceFile); errors.As(err, &faults) {
		return l.Located(faults)
	}
	if err := listsThere(l.Attestation); errors.As(err, &faults) {
		return l.Located(faults)
	}
	fmt.Fprintln(e.stdout, "ok")
	return nil
}

type configPrintCmd struct{}

func (configPrintCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	return l.Print(e.stdout)
}

type migrateCmd struct {
	Plan  migratePlanCmd  `cmd:"" help:"Print what apply would do."`
	Apply migrateApplyCmd `cmd:"" help:"Apply what is missing. Safe beside the previous version; make a backup first."`
}

type migratePlanCmd struct{}

func (migratePlanCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	steps, err := store.Plan(e.ctx, store.Options{URL: l.Database.URL})
	return e.steps(steps, err, "would apply")
}

type migrateApplyCmd struct{}

func (migrateApplyCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	steps, err := store.Migrate(e.ctx, store.Options{URL: l.Database.URL})
	return e.steps(steps, err, "applied")
}

func (e *env) steps(steps []string, err error, verb string) error {
	for _, s := range steps {
		fmt.Fprintln(e.stdout, verb, s)
	}
	if err == nil && len(steps) == 0 {
		fmt.Fprintln(e.stdout, "nothing to do")
	}
	return err
}

type restoreCmd struct {
	Accept restoreAcceptCmd `cmd:"" help:"Start with a database that is behind its anchor: every session ends."`
}

type restoreAcceptCmd struct{}

// Run ends every session, because a restored database may bring back ones that
// were ended after the backup.
func (restoreAcceptCmd) Run(e *env) error {
	c, err := e.core()
	if err != nil {
		return err
	}
	defer c.db.Close()
	err = c.log.CheckAnchor(e.ctx, c.db, c.cfg.AnchorFile)
	var behind *audit.Behind
	if err == nil {
		fmt.Fprintln(e.stdout, "the database is not behind its anchor; nothing to accept")
		return nil
	}
	if !errors.As(err, &behind) {
		return err
	}
	d, err := c.domains(noMetrics, nil, botAlarms{})
	if err != nil {
		return err
	}
	if err := d.contain.AcceptRestore(e.ctx, e.cause(), behind); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "accepted; every session has ended and people sign in again")
	return nil
}

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	v := "unknown"
	if bi, ok := debug.ReadBuildInfo(); ok {
		v = bi.Main.Version
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" {
				v += " " + s.Value
			}
		}
	}
	fmt.Fprintln(e.stdout, "keyward", v)
	return nil
}

// operatorName is who acts at the command line, for the log.
func operatorName() string {
	for _, k := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if v := os.Getenv(k); v != "" {
			return v
		}
	}
	return "unknown"
}
