package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/store"
)

const (
	importLine  = 16 << 10 // bytes of one key
	importLines = 1_000_000
)

// errReadable: secrets of many people stand in such a file.
var errReadable = errors.New("others can read this file: chmod 600 it first, and think of who has read it")

// openPrivate opens a file of secrets that nobody but its owner can read. What was opened
// is asked, and not the name: that could be another file by then.
func openPrivate(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New(name + ": not a file")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("%s: %w", name, errReadable)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// eachLine calls f with each line that is not empty, numbered from 1. A line that is too
// long ends it: where the next key begins nobody knows.
func eachLine(r io.Reader, f func(n int, line []byte) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, importLine), importLine)
	n := 0
	for in.Scan() {
		if n++; n > importLines {
			return fmt.Errorf("line %d: more lines than one run takes; split the file", n)
		}
		if line := bytes.TrimSpace(in.Bytes()); len(line) > 0 {
			if err := f(n, line); err != nil {
				return err
			}
		}
	}
	if in.Err() != nil {
		return fmt.Errorf("line %d: %w", n+1, in.Err())
	}
	return nil
}

// broughtKey is one line of the file. Times are RFC 3339.
type broughtKey struct {
	Account    string   `json:"account"`
	ID         string   `json:"id"`
	Secret     string   `json:"secret"`
	Passphrase string   `json:"passphrase"`
	PublicKey  string   `json:"public_key"`
	Purpose    string   `json:"purpose"`
	Profile    string   `json:"profile"`
	Alg        string   `json:"alg"`
	Scopes     []string `json:"scopes"`
	Symbols    []string `json:"symbols"`
	Addresses  []string `json:"addresses"`
	Denied     []string `json:"denied_addresses"`
	Sub        string   `json:"sub_account"`
	Partner    string   `json:"partner"`
	Days       int      `json:"days"`
	PerMinute  int      `json:"per_minute"`
	WindowMS   int64    `json:"window_ms"`
}

// brought reads a line. Its errors name the member and never what stands in it: that may
// be a secret in the wrong place.
func (b broughtKey) brought() (out apikey.Brought, err error) {
	if b.Account == "" || b.ID == "" {
		return out, errors.New("account and id are needed")
	}
	if b.Days < 0 || b.Days > 366 || b.WindowMS < 0 || b.WindowMS > 60_000 {
		return out, errors.New("days is 1 to 366, window_ms 1000 to 60000")
	}
	out = apikey.Brought{ID: apikey.ID(b.ID), Secret: b.Secret, Passphrase: b.Passphrase, NewKey: apikey.NewKey{
		Purpose: b.Purpose, Sub: b.Sub, Profile: apikey.Profile(b.Profile), Alg: apikey.Alg(b.Alg), Symbols: b.Symbols, Partner: b.Partner,
		Life: time.Duration(b.Days) * 24 * time.Hour, Window: time.Duration(b.WindowMS) * time.Millisecond, PerMin: b.PerMinute,
	}}
	for _, name := range b.Scopes {
		one, ok := apikey.ScopeByName(name)
		if !ok || out.Scopes&one != 0 {
			return out, errors.New("scopes: one of them is no right, or is there twice")
		}
		out.Scopes |= one
	}
	if out.Allow, err = apikey.ParsePlaces(strings.Join(b.Addresses, "\n")); err != nil {
		return out, errors.New("addresses: one of them is no address and no range that a key can be tied to")
	}
	if out.Deny, err = apikey.ParsePlaces(strings.Join(b.Denied, "\n")); err != nil {
		return out, errors.New("denied_addresses: one of them is no address and no range")
	}
	if b.PublicKey != "" {
		if out.Public, err = base64.StdEncoding.Strict().DecodeString(b.PublicKey); err != nil {
			return out, errors.New("public_key: not base64")
		}
	}
	if b.PublicKey == "" && b.Secret == "" {
		return out, errors.New("secret or public_key is needed")
	}
	return out, nil
}

// keyImportCmd brings keys in. A key that is there already under the same account stays as
// it is, so the command can run again after a failure.
type keyImportCmd struct {
	File   string `arg:"" type:"existingfile" help:"JSON lines, one key each; docs/migrating-keys.md has the members."`
	DryRun bool   `help:"Say what would happen to each line, and bring nothing in."`
}

func (cmd keyImportCmd) Run(e *env) error {
	f, err := openPrivate(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	open := e.open
	if cmd.DryRun {
		open = e.look
	}
	return open(func(c *core, d *domains) error {
		var rows [][]string
		failed, seen := 0, map[string]int{}
		err := eachLine(f, func(n int, line []byte) error {
			var in broughtKey
			id, state, err := "", "", edge.DecodeJSON(line, &in)
			if err == nil {
				id = in.ID
				if first := seen[id]; first != 0 {
					err = fmt.Errorf("this id stands on line %d too", first)
				}
				seen[id] = n
			} else {
				err = errors.New("not one JSON object with known members, each once")
			}
			if err == nil {
				state, err = cmd.one(e, c, d, in)
			}
			if err != nil {
				failed++
				state = "refused: " + err.Error()
			}
			rows = append(rows, []string{fmt.Sprint(n), shownID(id), state})
			return e.ctx.Err()
		})
		if failed > 0 {
			err = errors.Join(err, fmt.Errorf("%d of %d lines were refused", failed, len(rows)))
		}
		return errors.Join(e.table([]string{"line", "id", "state"}, rows), err)
	})
}

// shownID keeps what is no name of a key out of the answer: somebody may have mixed up the
// columns, and then it is the secret.
func shownID(id string) string {
	if len(id) > 12 {
		return id[:12] + "…"
	}
	return id
}

func (cmd keyImportCmd) one(e *env, c *core, d *domains, in broughtKey) (state string, err error) {
	b, err := in.brought()
	if err != nil {
		return "", err
	}
	if apikey.IsSecret(in.ID) {
		return "", errors.New("id: that is a secret")
	}
	acc, err := resolve(e, c, d, in.Account)
	if err != nil {
		return "", errors.New("account: there is none by this name")
	}
	there := false
	err = c.db.View(e.ctx, func(tx *store.Tx) error {
		_, err := d.botKeys.ByID(tx, acc, b.ID)
		if there = err == nil; errors.Is(err, apikey.ErrUnknown) {
			return nil
		}
		return err
	})
	if err != nil || there {
		return "there", err
	}
	if cmd.DryRun {
		return "would be brought in", b.Check()
	}
	if _, err = d.botKeys.Import(e.ctx, e.cause(), acc, b); err != nil {
		return "", importRefused(err)
	}
	return "new", nil
}

// importRefused is an error without a value: the text of a database could hold the row.
func importRefused(err error) error {
	for _, known := range []error{apikey.ErrPurpose, apikey.ErrPublic, apikey.ErrScopes, apikey.ErrNeedsPlaces, apikey.ErrWithdrawKey, apikey.ErrLife, apikey.ErrTooMany, apikey.ErrUnknown, apikey.ErrPlace, apikey.ErrTaken} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// keyLeakedCmd takes in what somebody sent to the security contact: thousands of secrets,
// or their hashes, one on each line.
type keyLeakedCmd struct {
	File string `arg:"" type:"existingfile" help:"One secret on each line, or sha256: and its SHA-256 in hex."`
}

func (cmd keyLeakedCmd) Run(e *env) error {
	f, err := openPrivate(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	return e.open(func(c *core, d *domains) error {
		if err := d.botKeys.FillLookups(e.ctx); err != nil { // of a database that no server of this version has seen
			return err
		}
		lines, known := 0, 0
		var batch []apikey.Report
		take := func() error {
			found, err := d.botKeys.Reported(e.ctx, batch...)
			for _, yes := range found {
				if yes {
					known++
				}
			}
			batch = batch[:0]
			return err
		}
		err := eachLine(f, func(n int, line []byte) error {
			lines++
			report := apikey.Report{Token: string(line), Via: apikey.ViaOperator}
			if text, is := strings.CutPrefix(string(line), "sha256:"); is {
				raw, err := hex.DecodeString(text)
				if err != nil || len(raw) != 32 {
					return fmt.Errorf("line %d: behind sha256: there are not 64 digits of hex", n)
				}
				report.Token, report.Hash = "", (*[32]byte)(raw)
			}
			if batch = append(batch, report); len(batch) == 500 {
				return take()
			}
			return nil
		})
		err = errors.Join(err, take())
		fmt.Fprintf(e.stdout, "%d of %d are secrets of keys here; those that still worked can now look and cancel, and no more\n", known, lines)
		return err
	})
}
