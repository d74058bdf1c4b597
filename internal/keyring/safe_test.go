package keyring_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/storetest"
)

func safeWorld(t *testing.T) (*keyring.Ring, func() *keyring.Safe) {
	t.Helper()
	db := storetest.SQLite(t)
	ring := keyringtest.Open(t, keyringtest.KEK(t), db, time.Now)
	return ring, func() *keyring.Safe {
		t.Helper()
		path := filepath.Join(t.TempDir(), "gate.keys")
		if err := ring.WriteSafeFile(path); err != nil {
			t.Fatal(err)
		}
		s, err := keyring.OpenSafeFile(path, false)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestAGatesFileOpensSecretsOfAPIKeysAndNothingElse(t *testing.T) {
	ring, gate := safeWorld(t)
	g := gate()
	secret := []byte("kws_live_something")
	box, err := ring.Safe().Seal(secret, "apikey_version", "kwk_1/1", "sealed")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(box, secret) {
		t.Fatal("it is not sealed")
	}
	for what, s := range map[string]*keyring.Safe{"the server": ring.Safe(), "the gate": g} {
		if plain, err := s.Open(box, "apikey_version", "kwk_1/1", "sealed"); err != nil || !bytes.Equal(plain, secret) {
			t.Errorf("%s: %q %v", what, plain, err)
		}
		if _, err := s.Open(box, "apikey_version", "kwk_2/1", "sealed"); !errors.Is(err, keyring.ErrSealed) {
			t.Errorf("%s opens it in another row: %v", what, err)
		}
		for i := range box {
			broken := bytes.Clone(box)
			broken[i] ^= 1
			if _, err := s.Open(broken, "apikey_version", "kwk_1/1", "sealed"); !errors.Is(err, keyring.ErrSealed) {
				t.Errorf("%s opens it with byte %d changed: %v", what, i, err)
			}
		}
		for n := range box {
			if _, err := s.Open(box[:n], "apikey_version", "kwk_1/1", "sealed"); !errors.Is(err, keyring.ErrSealed) {
				t.Errorf("%s opens %d bytes of it: %v", what, n, err)
			}
		}
	}
	if _, err := g.Seal(secret, "apikey_version", "kwk_1/1", "sealed"); !errors.Is(err, keyring.ErrSafeOnlyOpens) {
		t.Errorf("a gate seals: %v", err)
	}
	// What the ring seals for others (mail links, sign-ups) is closed to a gate, whatever
	// place it is read at.
	other, err := ring.Seal(secret, "apikey_version", "kwk_1/1", "sealed")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Open(other, "apikey_version", "kwk_1/1", "sealed"); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("a gate opens what is not of API keys: %v", err)
	}
	if plain, err := ring.Safe().Open(other, "apikey_version", "kwk_1/1", "sealed"); err != nil || !bytes.Equal(plain, secret) || !ring.Safe().Old(other) || ring.Safe().Old(box) {
		t.Errorf("what was sealed before there was a safe: %q %v", plain, err)
	}
}

func TestAGatesFileOutlivesOneRotation(t *testing.T) {
	ring, gate := safeWorld(t)
	seal := func() []byte {
		box, err := ring.Safe().Seal([]byte("secret"), "t", "r", "c")
		if err != nil {
			t.Fatal(err)
		}
		return box
	}
	first, before := seal(), gate()
	opens := func(s *keyring.Safe, box []byte) bool {
		_, err := s.Open(box, "t", "r", "c")
		return err == nil
	}
	if err := ring.RotateSafe(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := seal()
	if bytes.Equal(first[:5], second[:5]) {
		t.Error("the rotation changed nothing")
	}
	if !opens(before, first) || !opens(before, second) || !opens(ring.Safe(), first) {
		t.Error("a file from before the rotation, or the server, no longer opens")
	}
	if err := ring.RotateSafe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if third := seal(); opens(before, third) || !opens(gate(), third) || !opens(gate(), first) {
		t.Error("a file from before two rotations opens what came after, or a new one does not open all")
	}
}

func TestFilesThatAreNoGatesKeys(t *testing.T) {
	ring, _ := safeWorld(t)
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := ring.WriteSafeFile(good); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(good); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	if err := ring.WriteSafeFile(good); !errors.Is(err, keyring.ErrKeyExists) {
		t.Errorf("written over: %v", err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		text string
		mode os.FileMode
		want error
	}{
		"a root key":            {string(keyring.Random(32)), 0o600, keyring.ErrKeySize},
		"an empty file":         {"", 0o600, keyring.ErrKeySize},
		"cut in the middle":     {string(text[:40]), 0o600, keyring.ErrKeySize},
		"no keys":               {"keyward-gate-keys-1 \n", 0o600, keyring.ErrKeySize},
		"half a key":            {"keyward-gate-keys-1 " + base64.StdEncoding.EncodeToString(make([]byte, 48)) + "\n", 0o600, keyring.ErrKeySize},
		"a later form":          {strings.Replace(string(text), "keys-1", "keys-2", 1), 0o600, keyring.ErrKeySize},
		"larger than any":       {strings.Repeat("a", 70<<10), 0o600, keyring.ErrKeySize},
		"readable by everybody": {string(text), 0o644, keyring.ErrKeyReadable},
		"readable by its group": {string(text), 0o640, keyring.ErrKeyReadable},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(what, " ", "-"))
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := keyring.OpenSafeFile(path, false)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && len(text) > 60 && strings.Contains(err.Error(), string(text[30:60])) {
			t.Errorf("%s: the error shows keys", what)
		}
	}
	if _, err := keyring.OpenSafeFile(filepath.Join(dir, "none"), false); !errors.Is(err, keyring.ErrKeyMissing) || !strings.Contains(err.Error(), "keys gate") {
		t.Errorf("no file: %v", err)
	}
}
