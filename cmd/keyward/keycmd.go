package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/store"
)

// keyCmd is what operators may do with API keys: look, end, bring in from another system,
// lay out traps. Whatever gives a key power takes its owner's touch and is not here.
type keyCmd struct {
	List  keyListCmd  `cmd:"" help:"List the API keys of an account."`
	Show  keyShowCmd  `cmd:"" help:"Show one key and what of it was refused in the last seven days."`
	Story keyStoryCmd `cmd:"" help:"Tell who made and changed a key and what it did, by minute; --signed writes it as a signed document."`

	VerifyStory keyVerifyStoryCmd `cmd:"" help:"Verify a signed story offline."`

	End keyEndCmd `cmd:"" help:"End one key for good, or with flags all that an incident is about; the owners are told."`

	Leaked     keyLeakedCmd     `cmd:"" help:"Take in a file of secrets that leaked: their keys go into quarantine."`
	Import     keyImportCmd     `cmd:"" help:"Bring keys of another system in, with their secrets (JSON lines)."`
	Honeytoken keyHoneytokenCmd `cmd:"" help:"Lay out keys that are traps."`

	Meter    keyMeterCmd    `cmd:"" help:"Show which versions of a key are used while one replaces the other."`
	Retire   keyRetireCmd   `cmd:"" help:"End the old version of a key before its time."`
	Announce keyAnnounceCmd `cmd:"" help:"Ask the owners of a partner's keys to replace them."`
}

// refusedFor: as long as the owner's page tells of refusals.
const refusedFor = 7 * 24 * time.Hour

type keyListCmd struct {
	Who string `arg:"" help:"acc_…, the exchange's own id, or a verified mail address."`
}

func (cmd keyListCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		return c.db.View(e.ctx, func(tx *store.Tx) error {
			keys, err := d.botKeys.List(tx, id)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, k := range keys {
				rows = append(rows, keyRow(k, tx.Now))
			}
			return e.table(keyHead, rows)
		})
	})
}

var keyHead = []string{"id", "state", "purpose", "scopes", "from", "ends", "last_used", "last_from"}

func keyRow(k apikey.Key, now time.Time) []string {
	return []string{string(k.ID), string(k.State(now)), k.Purpose, k.Scopes.String(), from(k), k.Expires.Format(time.RFC3339), everOr(k.UsedAt, "never"), k.UsedAddr}
}

func from(k apikey.Key) string {
	if len(k.Allow) == 0 {
		return "anywhere"
	}
	var out []string
	for _, p := range k.Allow {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

func everOr(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return t.Format(time.RFC3339)
}

type keyShowCmd struct {
	Who string `arg:""`
	ID  string `arg:"" help:"kwk_…"`
}

func (cmd keyShowCmd) Run(e *env) error {
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
			refused, err := d.botKeys.Refusals(tx, k, tx.Now.Add(-refusedFor))
			if err != nil {
				return err
			}
			return e.showKey(k, refused, tx.Now)
		})
	})
}

func (e *env) showKey(k apikey.Key, refused []apikey.Line, now time.Time) error {
	facts := [][2]string{
		{"sub_account", k.Sub}, {"partner", k.Partner}, {"profile", string(k.Profile)}, {"alg", string(k.Alg)}, {"symbols", strings.Join(k.Symbols, " ")}, {"locked", fmt.Sprint(k.Locked)},
		{"per_minute", fmt.Sprint(k.PerMin)}, {"day_cap", k.DayCap.String()}, {"starts", k.Starts.Format(time.RFC3339)}, {"made", k.Made.At.Format(time.RFC3339)},
		{"made_from", k.Made.Addr}, {"made_on", k.Made.Agent}, {"device", string(k.Made.Device)}, {"ended", everOr(k.EndedAt, "")}, {"ended_why", k.EndedWhy},
		{"resting", (k.Scopes & k.Asleep.Rights()).String()}, {"idle_since", everOr(k.IdleSince, "")},
	}
	for i, cell := range keyRow(k, now) {
		facts = append(facts, [2]string{keyHead[i], cell})
	}
	if e.cli.JSON {
		out := map[string]any{}
		for _, f := range facts {
			out[f[0]] = f[1]
		}
		lines := []map[string]any{}
		for _, l := range refused {
			lines = append(lines, map[string]any{"minute": l.Minute, "code": l.Code, "class": l.Class, "addr": l.Addr, "n": l.N})
		}
		out["refused"] = lines
		return json.NewEncoder(e.stdout).Encode(out)
	}
	var rows [][]string
	for _, f := range facts {
		if f[1] != "" {
			rows = append(rows, []string{f[0], f[1]})
		}
	}
	for _, l := range refused {
		rows = append(rows, []string{"refused", fmt.Sprintf("%s  %s  %s  %s  %d times", l.Minute.Format(time.RFC3339), l.Code, l.Class, l.Addr, l.N)})
	}
	return e.table([]string{"fact", "value"}, rows)
}

type keyEndCmd struct {
	Who string `arg:"" optional:"" help:"acc_…, the exchange's own id, or a verified mail address; with an id, for one key."`
	ID  string `arg:"" optional:"" help:"kwk_…"`
	keyFilter
	Why    string `help:"Goes into the log, for those who read it later."`
	DryRun bool   `help:"Show which keys would end, and end none."`
}

func (cmd keyEndCmd) Run(e *env) error {
	if cmd.Who == "" {
		return cmd.endMany(e)
	}
	return e.open(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		return cmd.end(e, d, id)
	})
}

func (cmd keyEndCmd) end(e *env, d *domains, id account.ID) error {
	eff, err := d.contain.EndBotKey(e.ctx, e.cause(), id, apikey.ID(cmd.ID))
	if err != nil {
		return err
	}
	if e.cli.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"ended": cmd.ID, "took_ms": eff.Took.Milliseconds()})
	}
	fmt.Fprintf(e.stdout, "ended %s, refused everywhere after %s\n", cmd.ID, eff.Took.Round(time.Millisecond))
	return nil
}
