package main

import (
	"encoding/json"
	"fmt"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/store"
)

// keyMeterCmd shows how far a rotation has come. What signs is replaced by the owner or
// by the bot; an operator only looks, and ends an old version that does harm.
type keyMeterCmd struct {
	Who string `arg:""`
	ID  string `arg:"" help:"kwk_…"`
}

func (cmd keyMeterCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		return c.db.View(e.ctx, func(tx *store.Tx) error {
			k, err := d.botKeys.ByID(tx, id, apikey.ID(cmd.ID))
			if err != nil {
				return err
			}
			m, err := d.botKeys.Meter(tx, k)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, v := range m.Versions {
				rows = append(rows, []string{fmt.Sprint(v.N), v.Made.Format(time.RFC3339), everOr(v.Ends, "stays"), v.How, string(v.Why), fmt.Sprint(v.Calls), fmt.Sprint(v.Refused), everOr(v.Last, ""), v.Addr})
			}
			return e.table([]string{"version", "made", "ends", "by", "why", "calls_hour", "refused_hour", "last_used", "last_from"}, rows)
		})
	})
}

// keyRetireCmd ends the old version of a key.
type keyRetireCmd struct {
	Who   string `arg:""`
	ID    string `arg:"" help:"kwk_…"`
	Force bool   `help:"Also when something still uses it, which then stops."`
}

func (cmd keyRetireCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		k, err := d.botKeys.Retire(e.ctx, e.cause(), apikey.By{Account: id}, apikey.ID(cmd.ID), cmd.Force)
		if err != nil {
			return err
		}
		if e.cli.JSON {
			return json.NewEncoder(e.stdout).Encode(map[string]any{"key": k.ID, "version": k.Version})
		}
		fmt.Fprintf(e.stdout, "the old version of %s is refused everywhere\n", k.ID)
		return nil
	})
}

// keyAnnounceCmd tells the owners of a partner's keys that its app has a new version.
type keyAnnounceCmd struct {
	Partner string `required:"" help:"As the keys name it."`
	Version string `required:"" help:"Of the partner's app, in its words."`
	Why     string `required:"" help:"What its owners read."`
}

func (cmd keyAnnounceCmd) Run(e *env) error {
	return e.open(func(c *core, d *domains) error {
		asked, err := d.botKeys.Announce(e.ctx, e.cause(), cmd.Partner, apikey.Announced{What: cmd.Version, Why: cmd.Why})
		if err != nil {
			return fmt.Errorf("%d owners were asked, then: %w; the same command goes on from there", asked, err)
		}
		if e.cli.JSON {
			return json.NewEncoder(e.stdout).Encode(map[string]any{"asked": asked})
		}
		fmt.Fprintf(e.stdout, "asked for %d keys of %s\n", asked, cmd.Partner)
		return nil
	})
}
