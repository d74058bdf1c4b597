package keyring_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
)

// Everything that holds a key, printed in every way a careless line of code might, must not show it.
func TestNothingPrintsAKey(t *testing.T) {
	path := good(t)
	kek, err := keyring.OpenKeyFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	ring := keyringtest.Open(t, kek, new(keyringtest.Shelf), newClock().now)
	refresh, _ := ring.RefreshKey(ring.CurrentRefreshKID())
	vault, err := keyring.OpenTransit(keyring.TransitOptions{Address: "https://vault.example", Mount: "transit", Key: "keyward", Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}

	for name, holder := range map[string]any{
		"ring": ring, "a struct with a ring": struct{ R *keyring.Ring }{ring},
		"MAC": ring.MAC("x"), "refresh key": refresh, "signer": ring.Signer(), "root key": kek, "a key in a vault": vault,
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&out, verb+"\n", holder)
			}
			fmt.Fprintln(&out, holder)
			fmt.Fprintln(&out, fmt.Errorf("failed with %v", holder))
			slog.New(slog.NewTextHandler(&out, nil)).Info("text", "holder", holder)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "holder", holder)
			if err := json.NewEncoder(&out).Encode(holder); err != nil {
				t.Error(err)
			}
			if !strings.Contains(out.String(), "[secret]") {
				t.Errorf("printed without the mark: %s", out.String())
			}
			// Pointers of nested structs print as addresses; what no output may have is a run of digits
			// or base64 long enough to be a key.
			for _, word := range strings.FieldsFunc(out.String(), func(r rune) bool { return !isKeyRune(r) }) {
				if len(word) >= 40 {
					t.Errorf("a key-like word in the output: %s", word)
				}
			}
			if strings.Count(out.String(), " ") > 400 {
				t.Errorf("suspiciously much output: %s", out.String())
			}
		})
	}
}

func isKeyRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("+/_-=", r)
}

// A root of known bytes, so that errors can be searched for it.
func TestErrorsCarryNoSecret(t *testing.T) {
	canary := []byte("CANARY-root-key-of-32-bytes-long")
	kek := keyringtest.KEKOf(t, canary)
	shelf := new(keyringtest.Shelf)
	ring := keyringtest.Open(t, kek, shelf, newClock().now)
	sub := ring.Subkey("x")

	var texts []string
	note := func(err error) {
		if err == nil {
			t.Error("an error was expected")
			return
		}
		texts = append(texts, err.Error())
	}
	_, err := ring.Open([]byte("CANARY sealed"), "t", "CANARY row", "c")
	note(err)
	_, err = keyring.Open(t.Context(), keyringtest.KEK(t), shelf, newClock().now)
	note(err)
	flip(shelf, "keyring.seal")
	note(ring.Reload(t.Context()))
	note(ring.WithdrawSigning(t.Context(), "CANARY"))
	note(ring.WithdrawRefresh(t.Context(), 77))
	_, err = ring.Signer().SignPayload([]byte("CANARY payload"), "none")
	note(err)

	all := strings.Join(texts, "\n")
	for _, secret := range []string{"CANARY", hex.EncodeToString(canary), base64.StdEncoding.EncodeToString(canary), hex.EncodeToString(sub[:]), string(sub[:])} {
		if strings.Contains(all, secret) {
			t.Errorf("an error shows a secret:\n%s", all)
		}
	}
}
