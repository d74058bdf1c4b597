package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"keyward/internal/apikey"
)

// keyFilter says which keys an incident is about. All that is given has to fit.
type keyFilter struct {
	Partner    string `help:"All keys that were given to this partner."`
	Account    string `help:"All keys of this account."`
	MadeAfter  string `help:"Made at this time or later: 2006-01-02, or RFC 3339."`
	MadeBefore string `help:"Made before this time."`
	Address    string `help:"Made from this address or range, or let in from it in the last 90 days."`
}

// Validate is asked before anything is opened; what it says is wrong usage.
func (cmd keyEndCmd) Validate() error {
	many := cmd.keyFilter != (keyFilter{})
	switch {
	case many && cmd.Who != "":
		return errors.New("name one key, or say by flags which ones, and not both")
	case !many && (cmd.Who == "" || cmd.ID == ""):
		return errors.New("name an account and a key, or say by flags which keys (--partner, --account, --made-after, --made-before, --address)")
	case !many && (cmd.DryRun || cmd.Why != ""):
		return errors.New("--dry-run and --why go with flags that say which keys")
	}
	_, err := cmd.filter()
	return err
}

// filter reads all but the account, for which the database is needed.
func (f keyFilter) filter() (out apikey.Filter, err error) {
	out.Partner = f.Partner
	if out.After, err = moment(f.MadeAfter); err != nil {
		return out, fmt.Errorf("--made-after: %w", err)
	}
	if out.Before, err = moment(f.MadeBefore); err != nil {
		return out, fmt.Errorf("--made-before: %w", err)
	}
	if f.Address == "" {
		return out, nil
	}
	if a, bad := netip.ParseAddr(f.Address); bad == nil && a.Zone() == "" {
		a = a.Unmap()
		out.From = netip.PrefixFrom(a, a.BitLen())
		return out, nil
	}
	p, err := netip.ParsePrefix(f.Address)
	if err != nil || p.Bits() == 0 || p.Addr().Is4In6() {
		return out, fmt.Errorf("--address: %q is no address and no range", f.Address)
	}
	out.From = p.Masked()
	return out, nil
}

func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither 2006-01-02 nor RFC 3339", text)
	}
	return t, nil
}

// endMany ends all that the flags are about. It shows how many first: where that is not
// what the operator thinks, there is time for Ctrl-C on a terminal, and --dry-run before.
func (cmd keyEndCmd) endMany(e *env) error {
	open := e.open
	if cmd.DryRun {
		open = e.look // works beside a running server
	}
	return open(func(c *core, d *domains) error {
		f, err := cmd.filter()
		if err != nil {
			return err
		}
		if cmd.Account != "" {
			if f.Account, err = resolve(e, c, d, cmd.Account); err != nil {
				return err
			}
		}
		var rows [][]string
		n, err := d.contain.MatchingBotKeys(e.ctx, f, func(k apikey.Key) {
			if cmd.DryRun {
				rows = append(rows, []string{string(k.ID), string(k.Account), k.Purpose, k.Partner, k.Scopes.String(), k.Made.At.Format(time.RFC3339), k.Made.Addr})
			}
		})
		if err != nil {
			return err
		}
		if cmd.DryRun {
			if err := e.table([]string{"id", "account", "purpose", "partner", "scopes", "made", "made_from"}, rows); err != nil || e.cli.JSON {
				return err
			}
			fmt.Fprintf(e.stdout, "%d keys would end; nothing was done\n", n)
			return nil
		}
		if !e.cli.JSON {
			fmt.Fprintf(e.stdout, "ending %d keys\n", n)
		}
		out, err := d.contain.EndBotKeys(e.ctx, e.cause(), f, cmd.Why)
		if e.cli.JSON {
			err = errors.Join(err, json.NewEncoder(e.stdout).Encode(map[string]any{"ended": out.Keys, "accounts": out.Accounts, "left": out.Left, "took_ms": out.Took.Milliseconds()}))
		} else {
			fmt.Fprintf(e.stdout, "ended %d keys of %d accounts, refused everywhere after %s\n", out.Keys, out.Accounts, out.Took.Round(time.Millisecond))
		}
		if out.Left > 0 {
			err = errors.Join(err, fmt.Errorf("%d keys were made meanwhile: stop what makes them, then run this again", out.Left))
		}
		return err
	})
}
