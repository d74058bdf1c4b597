package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/e2e/e2etest"
)

func TestMain(m *testing.M) { e2etest.Main(m) }

// client is what a script knows of one of its clients.
type client struct {
	ID     string           `json:"client_id"`
	Secret string           `json:"client_secret,omitempty"`
	Key    *jose.JSONWebKey `json:"jwk,omitempty"`
}

// add registers a client as an operator does, by the command line.
func add(t *testing.T, s *e2etest.Keyward, name, auth string, args ...string) client {
	t.Helper()
	args = append([]string{"--json", "client", "add", "--name", name, "--owner", "e2e", "--auth", auth, "--redirect", "http://127.0.0.1/callback",
		"--scope", "openid", "--scope", "email", "--scope", "offline_access", "--scope", "read"}, args...)
	var c client
	if auth == "private_key_jwt" {
		c.Key = newKey(t, name)
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{c.Key.Public()}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "jwks.json")
		if err := os.WriteFile(file, set, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--jwks", file)
	}
	if err := json.Unmarshal(s.Run(args...), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t *testing.T, kid string) *jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

// through is the person of a Keyward script: a browser with a passkey.
func through(t *testing.T, s *e2etest.Keyward) func(address string, agree bool) error {
	t.Helper()
	p := e2etest.NewPerson(t)
	if err := p.SignUp(s.Origin, "mina@mail.example"); err != nil {
		t.Fatal(err)
	}
	return func(address string, agree bool) error {
		_, err := p.Answer(address, agree)
		return err
	}
}

// clicking is the person of an oidc-provider script, whose pages need no hand.
func clicking(t *testing.T, issuer string) func(address string, agree bool) error {
	t.Helper()
	return func(address string, agree bool) error {
		jar, _ := cookiejar.New(nil)
		c := &http.Client{Jar: jar, Timeout: 10 * time.Second}
		if !agree {
			u, err := url.Parse(issuer)
			if err != nil {
				return err
			}
			jar.SetCookies(u, []*http.Cookie{{Name: "answer", Value: "no", Path: "/"}})
		}
		res, err := c.Get(address)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.Request.URL.Host == mustHost(issuer) {
			return fmt.Errorf("oidc-provider keeps the person: %s", res.Status)
		}
		return nil
	}
}

func mustHost(address string) string {
	_, host, _ := strings.Cut(address, "://")
	return host
}
