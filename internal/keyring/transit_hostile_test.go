package keyring_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/keyring/vaulttest"
)

const canaryToken = "CANARY-token-of-a-vault"

// hostile is what answers in place of a vault.
func hostile(t *testing.T, answer http.HandlerFunc) *keyring.Transit {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	k, err := keyring.OpenTransit(keyring.TransitOptions{Address: server.URL, Mount: "transit", Key: "keyward", Now: time.Now,
		Login: keyring.TransitLogin{Kind: keyring.LoginToken, TokenFile: vaulttest.Write(t, canaryToken)}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, body) }
}

// Whatever answers there, no root is made, none is opened, nothing hangs, and no error repeats a word of it
// or of what was asked.
func TestWhatIsNoVaultGetsNowhere(t *testing.T) {
	secret := "CANARY-root-key-of-32-bytes-long"
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	const good = "vault:v1:Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ"
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{"nothing", says(200, ""), keyring.ErrKEKUnavailable},
		{"a page", says(200, "<html>CANARY please sign in</html>"), keyring.ErrKEKUnavailable},
		{"JSON of something else", says(200, `{"CANARY":1}`), keyring.ErrKEKUnavailable},
		{"null", says(200, `null`), keyring.ErrKEKUnavailable},
		{"numbers for texts", says(200, `{"data":{"ciphertext":7,"plaintext":7}}`), keyring.ErrKEKUnavailable},
		{"a plaintext that is no base64", says(200, `{"data":{"plaintext":"CANARY!","ciphertext":"CANARY"}}`), keyring.ErrKEKUnavailable},
		{"a megabyte", says(200, `{"data":{"plaintext":"`+strings.Repeat("CANARY", 1<<18)+`"}}`), keyring.ErrKEKUnavailable},
		{"headers without end", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-CANARY-%d", i), strings.Repeat("x", 100))
			}
		}, keyring.ErrKEKUnavailable},
		{"a redirect to another host", func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "CANARY.example" || r.URL.Path == "/elsewhere" {
				t.Error("it was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, keyring.ErrKEKRefused},
		{"a refusal that quotes the token", says(403, `{"errors":["CANARY `+canaryToken+`"]}`), keyring.ErrKEKRefused},
		{"no such path", says(404, `{"errors":["CANARY"]}`), keyring.ErrKEKRefused},
		{"an error of its own", says(500, canaryToken), keyring.ErrKEKUnavailable},
		{"sealed", says(503, `{"errors":["Vault is sealed CANARY"]}`), keyring.ErrKEKUnavailable},
		{"too many requests", says(429, "CANARY"), keyring.ErrKEKUnavailable},
		{"a line cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"data":{"CANARY`)
		}, keyring.ErrKEKUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := hostile(t, c.answer)
			_, wrapErr := k.Wrap(t.Context(), []byte(secret), []byte("p"))
			_, openErr := k.Unwrap(t.Context(), []byte(good), []byte("p"))
			shelf := new(keyringtest.Shelf)
			_, startErr := keyring.Open(t.Context(), k, shelf, time.Now)
			if len(shelf.Records()) > 0 {
				t.Error("a deployment began")
			}
			for what, err := range map[string]error{"wrap": wrapErr, "unwrap": openErr, "start": startErr} {
				if !errors.Is(err, c.want) {
					t.Errorf("%s: error is %v, want %v", what, err, c.want)
				}
				for _, word := range []string{"CANARY", encoded, good} {
					if err != nil && strings.Contains(err.Error(), word) {
						t.Errorf("%s: the error repeats %s: %v", what, word, err)
					}
				}
			}
		})
	}
}

// A proxy that echoes must not put the root into the database as it is.
func TestAnEchoIsNoKey(t *testing.T) {
	last := ""
	k := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 4096)
		n, _ := r.Body.Read(body)
		if i := strings.Index(string(body[:n]), `"plaintext":"`); i >= 0 {
			last, _, _ = strings.Cut(string(body[i+len(`"plaintext":"`):n]), `"`)
		}
		fmt.Fprintf(w, `{"data":{"ciphertext":"vault:v1:%s","plaintext":"%s"}}`, strings.Repeat(last, 2), last)
	})
	shelf := new(keyringtest.Shelf)
	if _, err := keyring.Open(t.Context(), k, shelf, time.Now); err == nil || len(shelf.Records()) > 0 {
		t.Errorf("a deployment began under an echo: %v", err)
	}
}

func TestASlowVaultDoesNotHoldAStartForEver(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	k := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(stop) })
	at := time.Now()
	if _, err := k.Unwrap(t.Context(), []byte("vault:v1:"+strings.Repeat("A", 60)), nil); !errors.Is(err, keyring.ErrKEKUnavailable) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(at); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

// What the environment says of proxies is for other programs: it would see token and root.
func TestNoProxyOfTheEnvironmentIsAsked(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	k, err := keyring.OpenTransit(keyring.TransitOptions{Address: "http://vault.invalid:1", Mount: "transit", Key: "keyward", Now: time.Now,
		Login: keyring.TransitLogin{Kind: keyring.LoginToken, TokenFile: vaulttest.Write(t, canaryToken)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Wrap(t.Context(), []byte("root"), nil); !errors.Is(err, keyring.ErrKEKUnavailable) || strings.Contains(err.Error(), "root\"") {
		t.Errorf("error is %v", err)
	}
}

func TestSecretsOfALoginComeFromGuardedFiles(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		fix   string
	}{
		{"open to others", func(t *testing.T, path string) { chmod(0o644)(t, path) }, "chmod o="},
		{"not there", func(t *testing.T, path string) { os.Remove(path) }, "no such file"},
		{"empty", func(t *testing.T, path string) { resize(0)(t, path) }, "one line"},
		{"two lines", func(t *testing.T, path string) { rewrite(t, path, "CANARY\nCANARY\n") }, "one line"},
		{"a header in it", func(t *testing.T, path string) { rewrite(t, path, "CANARY\r\nX-Evil: 1") }, "one line"},
		{"far too long", func(t *testing.T, path string) { rewrite(t, path, strings.Repeat("C", 20<<10)) }, "one line"},
		{"a folder", func(t *testing.T, path string) { os.Remove(path); os.Mkdir(path, 0o700) }, "plain file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := vaulttest.Write(t, canaryToken)
			c.spoil(t, path)
			k, err := keyring.OpenTransit(keyring.TransitOptions{Address: "http://127.0.0.1:1", Mount: "transit", Key: "keyward", Now: time.Now,
				Login: keyring.TransitLogin{Kind: keyring.LoginToken, TokenFile: path}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = k.Wrap(t.Context(), []byte("root"), nil)
			if !errors.Is(err, keyring.ErrKEKSettings) || !strings.Contains(err.Error(), c.fix) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
