package config

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// KeyRules are what an operator relies on beyond what makers say of keys. A key that
// they stop still signs in; it is not hardware.
type KeyRules struct {
	Block       []KeyPattern `yaml:"block"`
	Allow       []KeyPattern `yaml:"allow"`        // when there is one, nothing else is hardware
	PatchMonths int          `yaml:"patch_months"` // how old the security updates of a phone may be; 0 does not ask
}

// KeyPattern names keys by exactly one of its members.
type KeyPattern struct {
	AAGUID string `yaml:"aaguid"`
	Model  string `yaml:"model"`  // as FIDO's list has it
	Format string `yaml:"format"` // "packed", "android-key", "phone-android", …
}

// maxKeyRules bounds a list: each key is held against all of it.
const maxKeyRules = 1000

// ParseKeyRules reads the file. Whatever it does not know is refused: a word that was
// misspelled would let through what it was to stop.
func ParseKeyRules(b []byte) (KeyRules, error) {
	var r KeyRules
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return r, err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return r, errors.New("more than one document")
	}
	if r.PatchMonths < 0 || r.PatchMonths > 120 {
		return r, fmt.Errorf("patch_months: %d is outside 0 to 120", r.PatchMonths)
	}
	for name, list := range map[string][]KeyPattern{"block": r.Block, "allow": r.Allow} {
		if len(list) > maxKeyRules {
			return r, fmt.Errorf("%s: %d entries, at most %d", name, len(list), maxKeyRules)
		}
		for i, p := range list {
			if _, err := p.ID(); err != nil {
				return r, fmt.Errorf("%s[%d]: %w", name, i, err)
			}
		}
	}
	return r, nil
}

// ID is the AAGUID as bytes, zero when the pattern has another member.
func (p KeyPattern) ID() (id [16]byte, err error) {
	n := 0
	for _, s := range []string{p.AAGUID, p.Model, p.Format} {
		if s != "" {
			n++
		}
	}
	if n != 1 {
		return id, errors.New("exactly one of aaguid, model and format")
	}
	if p.AAGUID == "" {
		return id, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(p.AAGUID, "-", ""))
	if err != nil || len(b) != 16 || [16]byte(b) == [16]byte{} {
		return id, fmt.Errorf("%q is not an AAGUID", p.AAGUID)
	}
	return [16]byte(b), nil
}
