package clients

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/e2e/person"
)

// binary builds keyward once per test run.
var binary = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("KEYWARD_BINARY"); bin != "" {
		return bin, nil // built elsewhere
	}
	dir, err := os.MkdirTemp("", "keyward-clients-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "keyward")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/keyward").CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)), os.RemoveAll(dir))
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("KEYWARD_BINARY") == "" {
		if bin, err := binary(); err == nil {
			os.RemoveAll(filepath.Dir(bin))
		}
	}
	os.Exit(code)
}

// keyward is `keyward serve` with a configuration and a database of its own.
type keyward struct {
	t      *testing.T
	bin    string
	conf   string
	origin string
	ops    string
}

func newKeyward(t *testing.T) *keyward {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	public, ops := freePort(t), freePort(t)
	s := &keyward{t: t, bin: bin, conf: filepath.Join(dir, "keyward.yaml"), origin: "http://localhost:" + public, ops: "http://127.0.0.1:" + ops}
	conf := fmt.Sprintf(`public_url: %s
self_sign_up: true
listen: {public: "127.0.0.1:%s", ops: "127.0.0.1:%s"}
trusted_proxies: [127.0.0.1]
behind_proxy: true
database: {url: %q}
key_file: %q
anchor_file: %q
limits: {rate_factor: 100}
log: {level: warn}
`, s.origin, public, ops, "sqlite:"+filepath.Join(dir, "keyward.db"), filepath.Join(dir, "root.key"), filepath.Join(dir, "anchor"))
	if err := os.WriteFile(s.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("migrate", "apply")
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// run is a subcommand. On SQLite those that change something want the server down.
func (s *keyward) run(args ...string) []byte {
	s.t.Helper()
	cmd := exec.Command(s.bin, append(args, "-c", s.conf)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("keyward %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return out
}

// client is what a script knows of one of its clients.
type client struct {
	ID     string           `json:"client_id"`
	Secret string           `json:"client_secret,omitempty"`
	Key    *jose.JSONWebKey `json:"jwk,omitempty"`
}

// add registers a client as an operator does, by the command line.
func (s *keyward) add(name, auth string, args ...string) client {
	s.t.Helper()
	args = append([]string{"--json", "client", "add", "--name", name, "--owner", "e2e", "--auth", auth, "--redirect", "http://127.0.0.1/callback",
		"--scope", "openid", "--scope", "email", "--scope", "offline_access", "--scope", "read"}, args...)
	var c client
	if auth == "private_key_jwt" {
		c.Key = newKey(s.t, name)
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{c.Key.Public()}})
		if err != nil {
			s.t.Fatal(err)
		}
		file := filepath.Join(s.t.TempDir(), "jwks.json")
		if err := os.WriteFile(file, set, 0o600); err != nil {
			s.t.Fatal(err)
		}
		args = append(args, "--jwks", file)
	}
	if err := json.Unmarshal(s.run(args...), &c); err != nil {
		s.t.Fatal(err)
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

// start returns when the server is ready; the test's end stops it.
func (s *keyward) start() {
	s.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(s.bin, "serve", "-c", s.conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			s.t.Errorf("the server did not stop cleanly: %v", err)
		}
		if said := stderr.String(); s.t.Failed() || strings.Contains(said, "level=ERROR") {
			s.t.Errorf("the server said:\n%s", said)
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(s.ops + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			s.t.Fatalf("the server did not get ready: %v", err)
		}
	}
}

// newPerson sits at a browser of their own. Whatever a page complains about fails
// the test, unless it contains one of these texts.
func newPerson(t *testing.T, allowed ...string) *person.Person {
	t.Helper()
	if _, err := person.Chromium(); err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skipf("skipped: %v", err)
	}
	p, err := person.Sit(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Leave()
		for _, said := range p.Console() {
			ok := false
			for _, a := range allowed {
				ok = ok || strings.Contains(said, a)
			}
			if !ok {
				t.Errorf("browser console: %s", said)
			}
		}
	})
	return p
}

// through is the person of a Keyward script: a browser with a passkey.
func through(t *testing.T, s *keyward) func(address string, agree bool) error {
	t.Helper()
	p := newPerson(t)
	if err := p.SignUp(s.origin, "mina@mail.example"); err != nil {
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
