package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

var noMetrics session.Metrics

// cause says in the log that an operator acted at the command line.
func (e *env) cause() store.Cause {
	return store.Cause{Actor: "operator:" + operatorName(), Request: keyring.NewID("cli_", time.Now())}
}

// open gives a subcommand the domains. On SQLite the database belongs to one
// process, so a running server must be stopped first (exit 75 says so).
func (e *env) open(f func(c *core, d *domains) error) error {
	c, err := e.core()
	if err != nil {
		return err
	}
	defer c.db.Close()
	d, err := c.domains(noMetrics, nil)
	if err != nil {
		return err
	}
	return f(c, d)
}

// look gives a subcommand the domains to read from. It works beside a running
// server on either database.
func (e *env) look(f func(c *core, d *domains) error) error {
	c, err := e.behold()
	if err != nil {
		return err
	}
	defer c.db.Close()
	d, err := c.domains(noMetrics, nil)
	if err != nil {
		return err
	}
	return f(c, d)
}

// table prints rows for people or, with --json, for programs.
func (e *env) table(head []string, rows [][]string) error {
	if e.cli.JSON {
		out := make([]map[string]string, 0, len(rows))
		for _, r := range rows {
			m := map[string]string{}
			for i, h := range head {
				m[h] = r[i]
			}
			out = append(out, m)
		}
		return json.NewEncoder(e.stdout).Encode(out)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	line := func(cells []string) {
		for i, c := range cells {
			if i > 0 {
				io.WriteString(w, "\t")
			}
			io.WriteString(w, c)
		}
		io.WriteString(w, "\n")
	}
	line(head)
	for _, r := range rows {
		line(r)
	}
	return w.Flush()
}

type accountCmd struct {
	Show   accountShowCmd   `cmd:"" help:"Show an account by id, external id or mail address."`
	Freeze accountFreezeCmd `cmd:"" help:"Freeze an account: every session ends; the owner's passkey lifts it."`
	Erase  accountEraseCmd  `cmd:"" help:"Close an account and erase its personal data; the log still verifies."`
}

type accountShowCmd struct {
	Who string `arg:"" help:"acc_…, the exchange's own id, or a verified mail address."`
}

func find(tx *store.Tx, d *domains, who string) (account.Account, error) {
	if keyring.ValidID("acc_", who) {
		return d.accounts.ByID(tx, account.ID(who))
	}
	if a, err := d.accounts.ByExternal(tx, who); err == nil {
		return a, nil
	}
	return d.accounts.ByMail(tx, who)
}

func (cmd accountShowCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		return c.db.View(e.ctx, func(tx *store.Tx) error {
			a, err := find(tx, d, cmd.Who)
			if err != nil {
				return err
			}
			keys, err := d.devices.Keys(tx, a.ID)
			if err != nil {
				return err
			}
			live, _, err := d.sessions.List(tx, a.ID)
			if err != nil {
				return err
			}
			return e.table([]string{"id", "external_id", "status", "created", "passkeys", "sessions"}, [][]string{{
				string(a.ID), a.ExternalID, string(a.Status), a.CreatedAt.Format(time.RFC3339), fmt.Sprint(len(keys)), fmt.Sprint(len(live)),
			}})
		})
	})
}

// resolve finds the id of an account.
func resolve(e *env, c *core, d *domains, who string) (id account.ID, err error) {
	err = c.db.View(e.ctx, func(tx *store.Tx) error {
		a, err := find(tx, d, who)
		id = a.ID
		return err
	})
	return id, err
}

type accountFreezeCmd struct {
	Who string `arg:""`
}

func (cmd accountFreezeCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		eff, err := d.contain.Freeze(e.ctx, e.cause(), id, "operator")
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "frozen; %d sessions ended, refused everywhere after %s\n", eff.Sessions, eff.Took.Round(time.Millisecond))
		return nil
	})
}

type accountEraseCmd struct {
	Who string `arg:""`
	Yes bool   `help:"Do it; there is no way back."`
}

func (cmd accountEraseCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		if !cmd.Yes {
			return fmt.Errorf("this closes %s for good and erases its personal data; repeat with --yes", id)
		}
		if err := d.contain.Erase(e.ctx, e.cause(), id); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, "erased", id)
		return nil
	})
}

type sessionCmd struct {
	List sessionListCmd `cmd:"" help:"List the sessions of an account."`
	End  sessionEndCmd  `cmd:"" help:"End every session of an account."`
}

type sessionListCmd struct {
	Who string `arg:""`
}

func (cmd sessionListCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		return c.db.View(e.ctx, func(tx *store.Tx) error {
			live, _, err := d.sessions.List(tx, id)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, s := range live {
				rows = append(rows, []string{string(s.ID), string(s.Device), s.Agent.String(), s.ACR, s.CreatedAt.Format(time.RFC3339), s.LastSeen.Format(time.RFC3339), s.Addr})
			}
			return e.table([]string{"id", "device", "agent", "acr", "created", "last_seen", "addr"}, rows)
		})
	})
}

type sessionEndCmd struct {
	Who string `arg:""`
}

func (cmd sessionEndCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		eff, err := d.contain.EndAll(e.ctx, e.cause(), id)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%d sessions ended, refused everywhere after %s\n", eff.Sessions, eff.Took.Round(time.Millisecond))
		return nil
	})
}

type keysCmd struct {
	Rotate keysRotateCmd `cmd:"" help:"Make new signing, refresh and sealing keys; the old ones overlap until nothing needs them."`
	Gate   keysGateCmd   `cmd:"" help:"Write a file for a gate of its own: it opens the secrets of API keys and nothing else."`
}

type keysRotateCmd struct{}

func (keysRotateCmd) Run(e *env) error {
	c, err := e.core()
	if err != nil {
		return err
	}
	defer c.db.Close()
	for _, rotate := range []struct {
		name string
		f    func() error
	}{
		{"signing", func() error { return c.ring.RotateSigning(e.ctx) }},
		{"refresh", func() error { return c.ring.RotateRefresh(e.ctx) }},
		{"sealing", func() error { return c.ring.RotateSeal(e.ctx) }},
		{"api-keys", func() error { return c.ring.RotateSafe(e.ctx) }},
	} {
		if err := rotate.f(); err != nil {
			return fmt.Errorf("%s: %w", rotate.name, err)
		}
		// The rotation is durable by itself; its event follows at once, and a rotation
		// without one would show as a key nobody accounts for.
		if err := c.db.Update(e.ctx, e.cause(), func(tx *store.Tx) error {
			_, err := c.log.Append(tx, audit.Event{Action: "keyring.rotated", Target: "keyring:" + rotate.name})
			return err
		}); err != nil {
			return fmt.Errorf("%s: rotated, but not written to the log: %w", rotate.name, err)
		}
		fmt.Fprintln(e.stdout, "rotated", rotate.name)
	}
	return nil
}

type keysGateCmd struct {
	File string `arg:"" type:"path" help:"New file; it is never overwritten."`
}

func (cmd keysGateCmd) Run(e *env) error {
	c, err := e.core()
	if err != nil {
		return err
	}
	defer c.db.Close()
	d := &domains{accounts: account.New(c.log, c.ring), watch: audit.NewWatch(c.db, c.log, "command", time.Now)}
	n, err := c.newBotKeys(d).Reseal(e.ctx, e.cause())
	if err != nil {
		return err
	}
	if n > 0 {
		fmt.Fprintf(e.stdout, "sealed %d secrets anew\n", n)
	}
	// The event first: a file that nobody accounts for is worse than an event without one.
	if err := c.db.Update(e.ctx, e.cause(), func(tx *store.Tx) error {
		_, err := c.log.Append(tx, audit.Event{Action: "keyring.gate_file", Target: "keyring:api-keys"})
		return err
	}); err != nil {
		return err
	}
	if err := c.ring.WriteSafeFile(cmd.File); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "written", cmd.File)
	return nil
}

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Verify an export offline, or the database when no file is named."`
	Export auditExportCmd `cmd:"" help:"Write the whole log to a file that verifies by itself."`
	Tail   auditTailCmd   `cmd:"" help:"Print events as they come."`
}

type auditVerifyCmd struct {
	File   string `arg:"" optional:"" type:"existingfile"`
	Key    string `help:"The log's public key, as export printed it: anybody can write a whole log under a key of their own."`
	Anchor string `help:"A checkpoint kept elsewhere; what it proves must be in the export." type:"existingfile"`
}

func (cmd auditVerifyCmd) Run(e *env) error {
	var rep audit.Report
	var err error
	if cmd.File != "" {
		f, err2 := os.Open(cmd.File)
		if err2 != nil {
			return err2
		}
		defer f.Close()
		want := audit.Expect{Key: cmd.Key}
		if cmd.Anchor != "" {
			note, err2 := os.ReadFile(cmd.Anchor)
			if err2 != nil {
				return err2
			}
			want.Anchor = string(note)
		}
		rep, err = audit.VerifyExportAgainst(f, want)
	} else {
		c, err2 := e.behold()
		if err2 != nil {
			return err2
		}
		defer c.db.Close()
		if rep, err = c.log.VerifyDB(e.ctx, c.db); err == nil {
			// A tail that was cut off leaves a log that is sound in itself: only what was
			// kept outside the database knows that there was more.
			err = c.log.CheckAnchor(e.ctx, c.db, c.cfg.AnchorFile)
		}
	}
	if err != nil {
		return err
	}
	if e.cli.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{
			"events": rep.Size, "root": rep.Root.String(), "key": rep.Key, "checkpoints": rep.Checkpoints, "signed": rep.Signed,
			"signed_at": rep.SignedAt, "erased": rep.Erased, "unsealed": rep.Unsealed,
		})
	}
	fmt.Fprintf(e.stdout, "verified: %d events, root %s\n", rep.Size, rep.Root)
	if rep.Checkpoints == 0 {
		fmt.Fprintf(e.stdout, "nothing is signed yet; the key of this log is %s\n", rep.Key)
	} else {
		fmt.Fprintf(e.stdout, "%d of them signed at %s by %s (%d checkpoints)\n", rep.Signed, rep.SignedAt.Format(time.RFC3339), rep.Key, rep.Checkpoints)
	}
	if cmd.File != "" && cmd.Key == "" {
		fmt.Fprintln(e.stdout, "that this key is yours was not checked: name it with --key")
	}
	if rep.Erased > 0 {
		fmt.Fprintf(e.stdout, "%d have no personal data any more: it was erased\n", rep.Erased)
	}
	if rep.Unsealed > 0 {
		fmt.Fprintf(e.stdout, "%d more wait for their place\n", rep.Unsealed)
	}
	return nil
}

type auditExportCmd struct {
	File string `arg:"" help:"Where to write; - for standard output."`
}

func (cmd auditExportCmd) Run(e *env) error {
	c, err := e.behold()
	if err != nil {
		return err
	}
	defer c.db.Close()
	if cmd.File == "-" {
		return c.log.Export(e.ctx, c.db, e.stdout)
	}
	f, err := os.OpenFile(cmd.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // personal data: nobody else's eyes
	if err != nil {
		return err
	}
	if err := c.log.Export(e.ctx, c.db, f); err != nil {
		f.Close()
		return err
	}
	fmt.Fprintln(e.stderr, "public key of this log:", c.log.Key())
	return f.Close()
}

type auditTailCmd struct {
	Follow bool  `short:"f" help:"Go on until interrupted."`
	After  int64 `help:"Start after this index." default:"-1"`
}

func (cmd auditTailCmd) Run(e *env) error {
	c, err := e.behold()
	if err != nil {
		return err
	}
	defer c.db.Close()
	after := cmd.After
	for {
		recs, _, err := c.log.Tail(e.ctx, c.db, after, 500)
		if err != nil {
			return err
		}
		for _, r := range recs {
			after = r.Index
			if e.cli.JSON {
				if err := json.NewEncoder(e.stdout).Encode(r); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(e.stdout, "%d  %s  %-24s %s  %s\n", r.Index, r.At.Format(time.RFC3339), r.Action, r.Account, audit.Sentence(r, "en"))
		}
		if len(recs) == 500 {
			continue
		}
		if !cmd.Follow {
			return nil
		}
		select {
		case <-e.ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
