package gatekit_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyward/gatekit"
)

// key is the one of docs/decision-token.md: the bytes 0 to 31.
var key = func() (k gatekit.Key) {
	for i := range k {
		k[i] = byte(i)
	}
	return k
}()

func TestKeyFiles(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(key[:])
	for _, row := range []struct {
		name, text string
		mode       os.FileMode
		want       error
	}{
		{"a key that its owner can read", text, 0o600, nil},
		{"a key with an end of line, which the group can read", text + "\n", 0o440, nil},
		{"a key with the end of line of another system", text + "\r\n", 0o600, nil},
		{"a key that everybody can read", text, 0o604, gatekit.ErrKeyReadable},
		{"a key that everybody can write", text, 0o602, gatekit.ErrKeyReadable},
		{"a key of 31 bytes", base64.StdEncoding.EncodeToString(key[:31]), 0o600, gatekit.ErrKeyFile},
		{"a key of 33 bytes", base64.StdEncoding.EncodeToString(append(key[:], 1)), 0o600, gatekit.ErrKeyFile},
		{"a key in base64url", strings.TrimRight(base64.URLEncoding.EncodeToString(key[:]), "="), 0o600, gatekit.ErrKeyFile},
		{"a key in hex", fmt.Sprintf("%x", key[:]), 0o600, gatekit.ErrKeyFile},
		{"a key in two lines", text[:20] + "\n" + text[20:], 0o600, gatekit.ErrKeyFile},
		{"a key and something behind it", text + "\n\n", 0o600, gatekit.ErrKeyFile},
		{"a key of zeros, which somebody forgot to fill", base64.StdEncoding.EncodeToString(make([]byte, 32)), 0o600, gatekit.ErrKeyFile},
		{"an empty file", "", 0o600, gatekit.ErrKeyFile},
		{"a picture", strings.Repeat("x", 1<<20), 0o600, gatekit.ErrKeyFile},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gate.key")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, row.mode); err != nil {
				t.Fatal(err)
			}
			got, err := gatekit.ReadKeyFile(path)
			if !errors.Is(err, row.want) || (err == nil) != (got == key) || err != nil && got != (gatekit.Key{}) {
				t.Fatalf("%v, %v; want %v", got, err, row.want)
			}
			if err != nil && (strings.Contains(err.Error(), text[:10]) || !strings.Contains(err.Error(), path)) {
				t.Errorf("the error is %q; want the path in it and nothing of the key", err)
			}
		})
	}
	if _, err := gatekit.ReadKeyFile(t.TempDir()); !errors.Is(err, gatekit.ErrKeyFile) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := gatekit.ReadKeyFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestAKeyIsNotPrinted(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("started", "key", key)
	log.WriteString(fmt.Sprintf("%v %+v %#v %x %d %s %q %v", key, key, key, key, key, key, key, struct{ K *gatekit.Key }{&key}))
	for _, part := range []string{"0102030405", "1 2 3", "0x1", "AAEC", "1,2,3"} {
		if strings.Contains(log.String(), part) {
			t.Errorf("%q is in what was printed: %s", part, log.String())
		}
	}
	if !strings.Contains(log.String(), "gatekit.Key("+key.ID()+")") {
		t.Errorf("which key it was is not in what was printed: %s", log.String())
	}
	if b, err := json.Marshal(struct{ Key gatekit.Key }{key}); err == nil {
		t.Errorf("a key was written as JSON: %s", b)
	}
}
