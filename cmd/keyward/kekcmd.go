package main

import (
	"errors"
	"fmt"
	"os"

	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

type kekCmd struct {
	Show   kekShowCmd   `cmd:"" help:"Say which key wraps the root, which one is configured, and whether it opens it."`
	Rewrap kekRewrapCmd `cmd:"" help:"Wrap the root by the key of another configuration. Nothing below it changes; restart with that configuration afterwards."`
}

type kekShowCmd struct{}

// Run works beside a running server, and also where the key is away: that is when it is
// asked for.
func (kekShowCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	db, err := store.Behold(e.ctx, store.Options{URL: l.Database.URL, MaxConns: 2, Logger: e.logger(l.Config.Log)})
	if err != nil {
		return err
	}
	defer db.Close()
	recorded, found, err := keyring.WrappedBy(e.ctx, db)
	if err != nil {
		return err
	}
	if !found {
		return errUnserved
	}
	configured, opens := l.KEK.Kind, "yes"
	kek, err := openKEK(l.Config, db.Now)
	if err == nil {
		configured = kek.Name()
		_, err = keyring.Open(e.ctx, kek, db, db.Now)
	}
	if err != nil {
		opens = "no"
	}
	return errors.Join(e.table([]string{"wrapped_by", "configured", "opens"}, [][]string{{recorded, configured, opens}}), err)
}

type kekRewrapCmd struct {
	To string `required:"" type:"path" placeholder:"FILE" help:"The configuration with the new key. Its database must be the same."`
}

// Run asks both keys first and writes then, in one transaction with the event: a process
// that is killed in between has changed nothing, or everything.
func (cmd kekRewrapCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	next, err := config.Load(cmd.To, os.Environ())
	if err != nil {
		return err
	}
	if l.Database.URL != next.Database.URL {
		return next.Located(config.Faults{{Key: "database.url", What: "is another database than that of " + e.cli.Config,
			Why: "the root of one database would be looked for in the other", Fix: "let both configurations name the same, and differ in kek and key_file"}})
	}
	db, err := store.Open(e.ctx, store.Options{URL: l.Database.URL, MaxConns: l.Database.MaxConns, Logger: e.logger(l.Config.Log)})
	if err != nil {
		return err
	}
	defer db.Close()
	to, err := openKEK(next.Config, db.Now)
	if errors.Is(err, keyring.ErrKeyMissing) && next.KEK.Kind == "file" {
		if err = keyring.CreateKeyFile(next.KeyFile); err == nil {
			fmt.Fprintln(e.stdout, "made", next.KeyFile, "- back it up apart from the database")
			to, err = openKEK(next.Config, db.Now)
		}
	}
	if err != nil {
		return err
	}
	return e.rewrap(l.Config, db, to)
}

func (e *env) rewrap(cfg config.Config, db *store.DB, to keyring.KEK) error {
	recorded, found, err := keyring.WrappedBy(e.ctx, db)
	if err != nil {
		return err
	}
	if !found {
		return errUnserved
	}
	if recorded == to.Name() {
		// Done before, perhaps by a run whose end nobody saw. The old key may be gone by now.
		if _, err := keyring.Rewrap(e.ctx, db, to, to); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, "nothing to do: the root is wrapped by", to.Name())
		return nil
	}
	from, err := openKEK(cfg, db.Now)
	if err != nil {
		return err
	}
	ring, err := keyring.Open(e.ctx, from, db, db.Now)
	if err != nil {
		return err
	}
	w, err := keyring.Rewrap(e.ctx, db, from, to)
	if err != nil {
		return err
	}
	log := audit.New(ring)
	if err := db.Update(e.ctx, e.cause(), func(tx *store.Tx) error {
		if err := w.Keep(tx.SwapMeta); err != nil {
			return err
		}
		_, err := log.Append(tx, audit.Event{Action: "keyring.rewrapped", Target: "keyring:root", Payload: map[string]string{"from": w.From, "to": w.To}})
		return err
	}); err != nil {
		return err
	}
	// From what is kept, not from what was meant.
	if _, err := keyring.Open(e.ctx, to, db, db.Now); err != nil {
		return fmt.Errorf("rewrapped, but the new key does not open it now; keep the old one, and rewrap with the two configurations exchanged: %w", err)
	}
	fmt.Fprintf(e.stdout, "the root is wrapped by %s; restart every process with the new configuration, and keep %s until they all run\n", w.To, w.From)
	return nil
}
