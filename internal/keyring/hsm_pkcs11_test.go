//go:build pkcs11

package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/keyring/vaulttest"
)

// softHSM makes a token with an AES key in it. The library reads its configuration once per process, so the
// whole package has one.
func softHSM(t *testing.T) keyring.HSMOptions {
	t.Helper()
	var module string
	for _, m := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so"} {
		if _, err := os.Stat(m); err == nil {
			module = m
		}
	}
	tool, err := exec.LookPath("softhsm2-util")
	if module == "" || err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal("SoftHSM is not installed: run scripts/setup.sh")
		}
		t.Skip("skipped: SoftHSM is not installed (scripts/setup.sh installs it)")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command(tool, "--init-token", "--free", "--label", "keyward", "--pin", "CANARY-1234", "--so-pin", "5678").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	token, err := crypto11.Configure(&crypto11.Config{Path: module, TokenLabel: "keyward", Pin: "CANARY-1234"})
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"root", "other"} {
		if _, err := token.GenerateSecretKeyWithLabel([]byte(label), []byte(label), 256, crypto11.CipherAES); err != nil {
			t.Fatal(err)
		}
	}
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	return keyring.HSMOptions{Module: module, Token: "keyward", Key: "root", PINFile: vaulttest.Write(t, "CANARY-1234")}
}

func openHSM(t *testing.T, o keyring.HSMOptions) keyring.KEK {
	t.Helper()
	k, err := keyring.OpenHSM(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestARootUnderATokenOfAnHSM(t *testing.T) {
	o := softHSM(t)
	// First, because a process that is logged in to a token once is not asked for the PIN again.
	t.Run("a wrong PIN is tried once, and a right one at once", func(t *testing.T) {
		bad := o
		bad.PINFile = vaulttest.Write(t, "CANARY-wrong")
		k := openHSM(t, bad)
		for range 20 { // SoftHSM does not lock; others do after three
			if _, err := k.Wrap(t.Context(), []byte("x"), nil); !errors.Is(err, keyring.ErrKEKRefused) || !strings.Contains(err.Error(), "pin_file") || strings.Contains(err.Error(), "CANARY") {
				t.Fatalf("error is %v", err)
			}
		}
		rewrite(t, bad.PINFile, "CANARY-1234")
		if _, err := k.Wrap(t.Context(), []byte("x"), nil); err != nil {
			t.Errorf("the right one: %v", err)
		}
	})
	for _, c := range []struct {
		name  string
		spoil func(*keyring.HSMOptions)
		want  error
		fix   string
	}{
		{"a PIN that others can read", func(o *keyring.HSMOptions) {
			o.PINFile = vaulttest.Write(t, "CANARY-1234")
			chmod(0o644)(t, o.PINFile)
		}, keyring.ErrKEKSettings, "chmod o="},
		{"no such token", func(o *keyring.HSMOptions) { o.Token = "nowhere" }, keyring.ErrKEKUnavailable, "no token"},
		{"no such key", func(o *keyring.HSMOptions) { o.Key = "nothing" }, keyring.ErrKEKRefused, "make an AES-256 key"},
		{"no such library", func(o *keyring.HSMOptions) { o.Module = "/nowhere.so" }, keyring.ErrKEKUnavailable, "does not load"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := o
			c.spoil(&bad)
			shelf := new(keyringtest.Shelf)
			_, err := keyring.Open(t.Context(), openHSM(t, bad), shelf, time.Now)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.fix) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("error is %v", err)
			}
			if len(shelf.Records()) > 0 {
				t.Error("a deployment began")
			}
		})
	}
	t.Run("it opens for its purpose and for no other", func(t *testing.T) {
		k := openHSM(t, o)
		wrapped, err := k.Wrap(t.Context(), []byte("root"), []byte("purpose"))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := k.Unwrap(t.Context(), wrapped, []byte("purpose")); err != nil || string(plain) != "root" {
			t.Errorf("gave back %q, %v", plain, err)
		}
		bad := bytes.Clone(wrapped)
		bad[len(bad)-1] ^= 1
		for name, try := range map[string][2][]byte{
			"another purpose": {wrapped, []byte("other")}, "no purpose": {wrapped, nil}, "a changed byte": {bad, []byte("purpose")}, "nothing": {nil, []byte("purpose")},
		} {
			if plain, err := k.Unwrap(t.Context(), try[0], try[1]); err == nil || errors.Is(err, keyring.ErrKEKUnavailable) {
				t.Errorf("%s: %q, %v", name, plain, err)
			}
		}
		otherKey := o
		otherKey.Key = "other"
		if _, err := openHSM(t, otherKey).Unwrap(t.Context(), wrapped, []byte("purpose")); err == nil {
			t.Error("another key of the token opens it")
		}
	})
	t.Run("a token that is gone ends the contact, and is found when it is back", func(t *testing.T) {
		// In a process of its own: the library forgets a token only when nobody has it open.
		child := exec.Command(os.Args[0], "-test.run=^TestChildLosesItsToken$", "-test.v")
		child.Env = append(os.Environ(), "KEYWARD_HSM_CHILD="+o.Module+"|"+o.PINFile)
		if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestChildLosesItsToken")) {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("a deployment moves from a vault into the token, and to a file", func(t *testing.T) {
		v := vaulttest.Start(t)
		shelf, c := new(keyringtest.Shelf), newClock()
		far := transitTo(t, v, byToken(t, v.Token("keyward", nil)), c.now)
		file, err := keyring.OpenKeyFile(good(t), false)
		if err != nil {
			t.Fatal(err)
		}
		before := keyringtest.Open(t, far, shelf, c.now)
		inside := openHSM(t, o)
		for _, move := range [][2]keyring.KEK{{far, inside}, {inside, file}, {file, far}} {
			if err := rewrap(t, shelf, move[0], move[1]); err != nil {
				t.Fatal(err)
			}
			agree(t, before, keyringtest.Open(t, move[1], shelf, c.now))
		}
	})
	t.Run("a deployment moves from a file into the token and back", func(t *testing.T) {
		shelf, c := new(keyringtest.Shelf), newClock()
		file, err := keyring.OpenKeyFile(good(t), false)
		if err != nil {
			t.Fatal(err)
		}
		k := openHSM(t, o)
		before := keyringtest.Open(t, file, shelf, c.now)
		if err := rewrap(t, shelf, file, k); err != nil {
			t.Fatal(err)
		}
		inside := keyringtest.Open(t, k, shelf, c.now)
		agree(t, before, inside)
		if err := inside.Contact(t.Context()); err != nil {
			t.Error(err)
		}
		if err := rewrap(t, shelf, k, file); err != nil {
			t.Fatal(err)
		}
		agree(t, before, keyringtest.Open(t, file, shelf, c.now))
	})
}

func TestChildLosesItsToken(t *testing.T) {
	module, pin, ok := strings.Cut(os.Getenv("KEYWARD_HSM_CHILD"), "|")
	if !ok {
		return // it is a part of the test above
	}
	c := newClock()
	ring := keyringtest.Open(t, openHSM(t, keyring.HSMOptions{Module: module, Token: "keyward", Key: "root", PINFile: pin}), new(keyringtest.Shelf), c.now)
	tokens, err := filepath.Glob(filepath.Join(filepath.Dir(os.Getenv("SOFTHSM2_CONF")), "*-*"))
	if err != nil || len(tokens) != 1 {
		t.Fatalf("%v, %v", tokens, err)
	}
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(tokens[0], away); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := ring.Contact(t.Context()); err == nil {
			t.Error("contact with a token that is gone")
		}
	}
	c.pass(16 * time.Minute)
	if err := ring.Standing(); !errors.Is(err, keyring.ErrShut) {
		t.Errorf("standing: %v", err)
	}
	if err := os.Rename(away, tokens[0]); err != nil {
		t.Fatal(err)
	}
	if err := ring.Contact(t.Context()); err != nil {
		t.Errorf("it is back: %v", err)
	}
}
