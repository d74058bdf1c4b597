package main

import (
	"encoding/json"
	"fmt"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/store"
)

// keyHoneytokenCmd lays out keys that belong to nobody: whoever uses one has been where it
// was laid (docs/leaks.md).
type keyHoneytokenCmd struct {
	Add  honeyAddCmd  `cmd:"" help:"Make one; its secret is shown this once."`
	List honeyListCmd `cmd:"" help:"List those that are laid out, with their last use."`
	End  honeyEndCmd  `cmd:"" help:"Take one away."`
}

type honeyAddCmd struct {
	Note    string `required:"" help:"Where it is laid; you read it in the alarm."`
	Profile string `help:"In the form of which exchange's keys; our own when left out." default:""`
	Test    bool   `help:"With the prefix of the sandbox."`
}

func (cmd honeyAddCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		made, err := d.botKeys.AddHoneytoken(e.ctx, e.cause(), cmd.Note, apikey.Profile(cmd.Profile), cmd.Test)
		if err != nil {
			return err
		}
		if e.cli.JSON {
			return json.NewEncoder(e.stdout).Encode(map[string]string{"id": string(made.ID), "secret": made.Secret, "passphrase": made.Passphrase, "note": made.Purpose})
		}
		fmt.Fprintf(e.stdout, "id      %s\nsecret  %s\n", made.ID, made.Secret)
		if made.Passphrase != "" {
			fmt.Fprintf(e.stdout, "passphrase  %s\n", made.Passphrase)
		}
		return nil
	})
}

type honeyListCmd struct{}

func (honeyListCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		return c.db.View(e.ctx, func(tx *store.Tx) error {
			all, err := d.botKeys.Honeytokens(tx)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, k := range all {
				leak, err := d.botKeys.Leak(tx, k.ID)
				if err != nil {
					return err
				}
				named, err := d.botKeys.Refusals(tx, k, tx.Now.Add(-refusedFor))
				if err != nil {
					return err
				}
				var n int64
				for _, l := range named {
					n += l.N
				}
				rows = append(rows, []string{string(k.ID), k.Purpose, string(k.Profile), k.Made.At.Format(time.RFC3339), everOr(k.UsedAt, "never"), fmt.Sprint(n), everOr(leak.At, "never")})
			}
			return e.table([]string{"id", "note", "profile", "made", "used_with_secret", "calls_7_days", "reported"}, rows)
		})
	})
}

type honeyEndCmd struct {
	ID string `arg:""`
}

func (cmd honeyEndCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		if err := d.botKeys.EndHoneytoken(e.ctx, e.cause(), apikey.ID(cmd.ID)); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "ended %s\n", cmd.ID)
		return nil
	})
}
