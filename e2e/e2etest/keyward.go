package e2etest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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
	if out, err := exec.Command("go", "build", "-o", bin, "keyward/cmd/keyward").CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)), os.RemoveAll(dir))
	}
	return bin, nil
})

// Main runs a package's tests and removes what was built for them.
func Main(m *testing.M) {
	code := m.Run()
	if os.Getenv("KEYWARD_BINARY") == "" {
		if bin, err := binary(); err == nil {
			os.RemoveAll(filepath.Dir(bin))
		}
	}
	os.Exit(code)
}

// Keyward is `keyward serve` with a configuration and a database of its own.
type Keyward struct {
	t      *testing.T
	bin    string
	conf   string
	Origin string
	ops    string
}

// NewKeyward configures and migrates; nothing runs yet. more are lines of the configuration.
func NewKeyward(t *testing.T, more ...string) *Keyward {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	public, ops := freePort(t), freePort(t)
	s := &Keyward{t: t, bin: bin, conf: filepath.Join(dir, "keyward.yaml"), Origin: "http://localhost:" + public, ops: "http://127.0.0.1:" + ops}
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
`, s.Origin, public, ops, "sqlite:"+filepath.Join(dir, "keyward.db"), filepath.Join(dir, "root.key"), filepath.Join(dir, "anchor"))
	if err := os.WriteFile(s.conf, []byte(conf+strings.Join(more, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Run("migrate", "apply")
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

// Run is a subcommand. On SQLite those that change something want the server down.
func (s *Keyward) Run(args ...string) []byte {
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

// Start returns when the server is ready; the test's end stops it.
func (s *Keyward) Start() {
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

// NewPerson sits at a browser of their own. Whatever a page complains about fails
// the test, unless it contains one of these texts.
func NewPerson(t *testing.T, allowed ...string) *person.Person {
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
