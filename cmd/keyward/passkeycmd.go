package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"keyward/internal/attest"
	"keyward/internal/contain"
	"keyward/internal/device"
)

// passkeyCmd is about the keys people sign in with.
type passkeyCmd struct {
	Judge passkeyJudgeCmd `cmd:"" help:"Tell what the lists and rules would come to for the keys that are there. Changes nothing."`
}

// passkeyJudgeCmd is the dry run of what a server does when a file changes.
type passkeyJudgeCmd struct {
	Rules  string `help:"Rules to try, in place of attestation.rules_file." type:"existingfile"`
	MDS    string `name:"mds" help:"Metadata to try, in place of attestation.mds_file." type:"existingfile"`
	Status string `help:"Status list to try, in place of attestation.android_status_file." type:"existingfile"`
}

// judgement is what is told.
type judgement struct {
	Keys  int            `json:"keys"`
	Fall  int            `json:"fall"`
	Rise  int            `json:"rise"`
	Other int            `json:"others"` // whose grade stays
	Why   map[string]int `json:"why"`    // of those that fall, by the first fault
}

func (cmd passkeyJudgeCmd) Run(e *env) error {
	return e.look(func(c *core, d *domains) error {
		files := c.cfg.Attestation
		for from, to := range map[string]*string{cmd.Rules: &files.RulesFile, cmd.MDS: &files.MDSFile, cmd.Status: &files.AndroidStatusFile} {
			if from != "" {
				*to = from
			}
		}
		lists, err := readLists(c, files.MDSFile, files.AndroidStatusFile, files.RulesFile)
		if err != nil {
			return err
		}
		out := judgement{Why: map[string]int{}}
		var n contain.Regraded
		n, err = d.contain.DryRegrade(e.ctx, lists, func(j device.Judged) {
			if j.Fell() && len(j.Now.Faults) > 0 {
				out.Why[string(j.Now.Faults[0])]++
			}
		})
		if err != nil {
			return err
		}
		out.Keys, out.Fall, out.Rise, out.Other = n.Keys, n.Fell, n.Rose, n.Others
		if e.cli.JSON {
			return json.NewEncoder(e.stdout).Encode(out)
		}
		fmt.Fprintf(e.stdout, "would stop %d of %d keys from being hardware; %d would become hardware\n", out.Fall, out.Keys, out.Rise)
		for _, why := range slices.Sorted(maps.Keys(out.Why)) {
			fmt.Fprintf(e.stdout, "%8d  %s\n", out.Why[why], why)
		}
		return nil
	})
}

// readLists reads files as a server does, without raising a floor.
func readLists(c *core, mds, status, rules string) (l device.Lists, err error) {
	for _, f := range []struct {
		path string
		take func([]byte) error
	}{
		{mds, func(b []byte) (err error) {
			l.MDS, err = attest.ParseMDS(b, attest.MDSRoots(), 0, c.db.Now())
			return err
		}},
		{status, func(b []byte) (err error) { l.Revoked, err = attest.ParseRevoked(b); return err }},
		{rules, func(b []byte) (err error) { l.Rules, err = keyRules(b); return err }},
	} {
		if f.path == "" {
			continue
		}
		b, err := readList(f.path)
		if err != nil {
			return l, err
		}
		if err := f.take(b); err != nil {
			return l, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return l, nil
}
