package main

import (
	"encoding/json"
	"fmt"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// accountSubCmd is what operators may do with the sub-accounts of an account: look, and
// freeze one. What gives one more takes its owner's touch and is not here.
type accountSubCmd struct {
	List   subListCmd   `cmd:"" help:"List the sub-accounts of an account, closed ones too."`
	Freeze subFreezeCmd `cmd:"" help:"Freeze a sub-account: its keys look and cancel; its owner is told."`
}

type subListCmd struct {
	Who string `arg:"" help:"acc_…, the exchange's own id, or a verified mail address."`
}

func (cmd subListCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		return c.db.View(e.ctx, func(tx *store.Tx) error {
			subs, err := d.accounts.Subs(tx, id)
			if err != nil {
				return err
			}
			uses, err := d.botKeys.SubUses(tx, id)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, s := range subs {
				use := uses[string(s.ID)]
				rows = append(rows, []string{string(s.ID), string(s.Status), s.Name, string(s.Transfers), fmt.Sprint(use.Keys), everOr(use.Used, "never"), orDash(s.PerMin), orDash(s.MaxKeys), s.MadeAt.Format(time.RFC3339)})
			}
			return e.table([]string{"id", "status", "name", "transfers", "keys", "last_used", "per_minute", "max_keys", "made"}, rows)
		})
	})
}

// orDash is a limit, "-" for none.
func orDash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

type subFreezeCmd struct {
	Who string `arg:"" help:"acc_…, the exchange's own id, or a verified mail address."`
	ID  string `arg:"" help:"sub_…"`
}

func (cmd subFreezeCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		sub, eff, err := d.contain.SetSub(e.ctx, e.cause(), id, account.SubID(cmd.ID), account.SubFrozen, "")
		if err != nil {
			return err
		}
		if e.cli.JSON {
			return json.NewEncoder(e.stdout).Encode(map[string]any{"frozen": sub.ID, "took_ms": eff.Took.Milliseconds()})
		}
		fmt.Fprintf(e.stdout, "frozen %s, refused everywhere after %s\n", sub.ID, eff.Took.Round(time.Millisecond))
		return nil
	})
}
