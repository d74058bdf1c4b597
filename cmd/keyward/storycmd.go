package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// keyStoryCmd tells what is known of a key for a window.
type keyStoryCmd struct {
	Who    string    `arg:"" help:"acc_…, the exchange's own id, or a verified mail address."`
	ID     string    `arg:"" help:"kwk_…"`
	From   time.Time `help:"Begin of the window, as 2026-03-01T00:00:00Z; seven days ago when left out." format:"2006-01-02T15:04:05Z07:00"`
	To     time.Time `help:"End of it; now when left out." format:"2006-01-02T15:04:05Z07:00"`
	Signed string    `help:"Write the story into this file as one signed document, for key verify-story." type:"path"`
}

func (cmd keyStoryCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		id, err := resolve(e, c, d, cmd.Who)
		if err != nil {
			return err
		}
		var file []byte
		err = c.db.View(e.ctx, func(tx *store.Tx) error {
			k, err := d.botKeys.ByID(tx, id, apikey.ID(cmd.ID))
			if err != nil {
				return err
			}
			if cmd.To.IsZero() {
				cmd.To = tx.Now.Add(time.Minute)
			}
			if cmd.From.IsZero() {
				cmd.From = tx.Now.Add(-refusedFor)
			}
			if cmd.Signed != "" {
				file, err = d.botKeys.SignedStory(tx, k, cmd.From, cmd.To)
				return err
			}
			return cmd.tell(e, d, tx, k)
		})
		if err != nil || cmd.Signed == "" {
			return err
		}
		// Whose bot called from where is personal: for whoever asked for it alone, and over
		// no file that is there.
		f, err := os.OpenFile(cmd.Signed, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(file)
		return errors.Join(err, f.Close())
	})
}

func (cmd keyStoryCmd) tell(e *env, d *domains, tx *store.Tx, k apikey.Key) error {
	changes, err := d.botKeys.Changes(tx, k, cmd.From, cmd.To)
	if err != nil {
		return err
	}
	did, err := d.botKeys.Story(tx, k, cmd.From, cmd.To)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range changes {
		rows = append(rows, []string{r.At.Format(time.RFC3339), "change", string(r.Action), r.Addr, r.Actor, "", audit.Sentence(r, "en")})
	}
	for _, l := range did {
		rows = append(rows, []string{l.Minute.Format(time.RFC3339), "calls", string(l.Class), l.Addr, "", fmt.Sprint(l.N), string(l.Code)})
	}
	return e.table([]string{"at", "what", "which", "from", "by", "n", "said"}, rows)
}

// keyVerifyStoryCmd needs no database and no configuration.
type keyVerifyStoryCmd struct {
	File string `arg:"" help:"A signed story." type:"existingfile"`
	Key  string `help:"The log's public key, as audit export prints it: anybody can sign a story with a key of their own."`
}

// errNoStory: exit 1, with the reason.
var errNoStory = errors.New("the story does not verify")

func (cmd keyVerifyStoryCmd) Run(e *env) error {
	file, err := os.ReadFile(cmd.File)
	if err != nil {
		return err
	}
	st, err := apikey.OpenStory(file, cmd.Key)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoStory, err)
	}
	if e.cli.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{
			"key": st.Key, "account": st.Account, "from": st.From, "to": st.To, "issued_at": st.IssuedAt, "changes": len(st.Changes), "waiting": st.Waiting,
			"minutes": len(st.Minutes), "cut": st.Cut, "signer": st.Signer, "signer_checked": cmd.Key != "",
		})
	}
	fmt.Fprintf(e.stdout, "verified: %s of %s, %s to %s\n", st.Key, st.Account, st.From.Format(time.RFC3339), st.To.Format(time.RFC3339))
	fmt.Fprintf(e.stdout, "%d changes and %d lines of calls, signed at %s by %s\n", len(st.Changes), len(st.Minutes), st.IssuedAt.Format(time.RFC3339), st.Signer)
	if st.Cut {
		fmt.Fprintln(e.stdout, "there was more than fits: ask for a shorter window")
	}
	if cmd.Key == "" {
		fmt.Fprintln(e.stdout, "that this key is yours was not checked: name it with --key")
	}
	return nil
}
