package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/keyring/vaulttest"
)

// The doors close when the key that wraps keys has been away for a quarter of an hour, and
// open when it is back.
func TestTheDoorsCloseWithoutTheKeyThatWrapsKeys(t *testing.T) {
	var mu sync.Mutex // guards at
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); at = at.Add(d) }
	vault := keyringtest.NewFar(t)
	ring := keyringtest.Open(t, vault, new(keyringtest.Shelf), now)
	door := whileOpen(ring, now, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	ready := keysOpen(ring, now)
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	open := func(when string) {
		t.Helper()
		if code, body := ask("/api/v1/me"); code != http.StatusNoContent {
			t.Errorf("%s: %d %s", when, code, body)
		}
		if err := ready(t.Context()); err != nil {
			t.Errorf("%s: not ready: %v", when, err)
		}
	}
	open("at the start")
	vault.Fail(keyring.ErrKEKUnavailable)
	_ = ring.Contact(t.Context()) // fails; what follows from it is looked at below
	pass(14 * time.Minute)
	open("after 14 minutes")
	pass(2 * time.Minute)
	if code, body := ask("/api/v1/me"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"keys_shut"`) {
		t.Errorf("after 16 minutes: %d %s", code, body)
	}
	if code, _ := ask("/static/v/keyward.css"); code != http.StatusNoContent {
		t.Errorf("the page that says so has no style: %d", code)
	}
	if err := ready(t.Context()); err == nil || !strings.Contains(err.Error(), "out of reach for too long") {
		t.Errorf("ready: %v", err)
	}
	vault.Fail(nil)
	if err := ring.Contact(t.Context()); err != nil {
		t.Fatal(err)
	}
	open("when it is back")
}

// keyward runs the real program. Its exit code and all that it said.
func keyward(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

var built struct {
	once sync.Once
	path string
	err  error
}

func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "keyward-kek")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "keyward")
		out, err := exec.Command("go", "build", "-o", built.path, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// deployment is a folder with a database that was served once, and a configuration by a key
// file and one by a vault.
func deployment(t *testing.T, v *vaulttest.Vault, token string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const head = "public_url: http://localhost:9\nlisten:\n  public: 127.0.0.1:0\n  ops: 127.0.0.1:0\ndatabase:\n  url: sqlite:keyward.db\nanchor_file: keyward.anchor\n"
	for name, text := range map[string]string{
		"file.yaml":   head + "key_file: keyward.key\n",
		"second.yaml": head + "key_file: second.key\n",
		"vault.yaml": head + fmt.Sprintf("kek:\n  kind: transit\n  transit:\n    address: %s\n    ca_file: %s\n    key: keyward\n    login: token\n    token_file: %s\n",
			v.Address, v.CAFile, vaulttest.Write(t, token)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"migrate", "apply"}, {"keys", "rotate"}} {
		if code, out := keyward(t, dir, append([]string{"-c", "file.yaml"}, args...)...); code != 0 {
			t.Fatalf("%v: %d %s", args, code, out)
		}
	}
	return dir
}

// From a file into a real vault, while it is sealed, and back: with the real program.
func TestARootMovesIntoAVaultAndBack(t *testing.T) {
	v := vaulttest.Start(t)
	token := v.Token("keyward", nil)
	dir := deployment(t, v, token)
	said := ""
	run := func(want int, fix string, args ...string) {
		t.Helper()
		code, out := keyward(t, dir, args...)
		said += out
		if code != want || !strings.Contains(out, fix) {
			t.Errorf("keyward %v: %d, want %d and %q\n%s", args, code, want, fix, out)
		}
	}
	run(0, "wrapped by transit:transit/keyward", "-c", "file.yaml", "kek", "rewrap", "--to", "vault.yaml")
	run(0, "nothing to do", "-c", "file.yaml", "kek", "rewrap", "--to", "vault.yaml")
	run(78, "wrapped by another key", "-c", "file.yaml", "serve")
	run(0, "yes", "-c", "vault.yaml", "kek", "show")
	run(0, "verified", "-c", "vault.yaml", "audit", "verify")
	run(0, "rotated signing", "-c", "vault.yaml", "keys", "rotate")
	v.Seal()
	run(69, "sealed", "-c", "vault.yaml", "kek", "show")
	run(69, "sealed", "-c", "vault.yaml", "serve")
	run(69, "sealed", "-c", "vault.yaml", "kek", "rewrap", "--to", "file.yaml")
	v.Unseal()
	v.Policy("keyward", `path "transit/encrypt/keyward" { capabilities = ["update"] }`)
	run(78, "deploy/openbao-policy.hcl", "-c", "vault.yaml", "serve")
	v.Policy("keyward", vaulttest.Policy)
	run(0, "wrapped by file:", "-c", "vault.yaml", "kek", "rewrap", "--to", "second.yaml")
	run(0, "yes", "-c", "second.yaml", "kek", "show")
	run(0, `"to":"transit:transit/keyward"`, "-c", "second.yaml", "--json", "audit", "tail")
	for _, secret := range []string{token, v.Root} {
		if strings.Contains(said, secret) {
			t.Error("a token of the vault was printed")
		}
	}
}

// The move is killed with kill -9 wherever it happens to be. The database opens with one of
// the two keys each time, and the move can be made.
func TestAMoveThatIsKilledIsWholeOrNotAtAll(t *testing.T) {
	v := vaulttest.Start(t)
	dir := deployment(t, v, v.Token("keyward", nil))
	from, to := "file.yaml", "vault.yaml"
	at := time.Now()
	if code, out := keyward(t, dir, "-c", from, "kek", "rewrap", "--to", to); code != 0 {
		t.Fatal(out)
	}
	whole := time.Since(at)
	from, to = to, from
	moved := 0
	const kills = 16
	for i := range kills {
		cmd := exec.Command(program(t), "-c", from, "kek", "rewrap", "--to", to)
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i+1) / kills)
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		oldCode, oldSaid := keyward(t, dir, "-c", from, "kek", "show")
		newCode, newSaid := keyward(t, dir, "-c", to, "kek", "show")
		switch {
		case oldCode == 0 && newCode == 78:
		case oldCode == 78 && newCode == 0:
			from, to = to, from
			moved++
		default:
			t.Fatalf("kill %d: the old key: %d %s\nthe new one: %d %s", i, oldCode, oldSaid, newCode, newSaid)
		}
		if code, out := keyward(t, dir, "-c", from, "audit", "verify"); code != 0 {
			t.Fatalf("kill %d: %s", i, out)
		}
	}
	code, out := keyward(t, dir, "-c", from, "--json", "audit", "tail")
	if n := strings.Count(out, `"keyring.rewrapped"`); code != 0 || n != moved+1 {
		t.Errorf("%d moves, %d events: %d\n%s", moved+1, n, code, out)
	}
	t.Logf("%d of %d killed moves were made", moved, kills)
}

// What serves says in its log that the key is away, and that it is back.
func TestTheLogTellsOfAnOutage(t *testing.T) {
	var said bytes.Buffer
	var mu sync.Mutex // guards said
	logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return said.Write(p) }), nil))
	vault := keyringtest.NewFar(t)
	ring := keyringtest.Open(t, vault, new(keyringtest.Shelf), time.Now)
	vault.Fail(keyring.ErrKEKUnavailable)
	_ = ring.Contact(t.Context())
	tellOfKEK(t.Context(), ring, logger)(keyring.ErrKEKUnavailable)
	tellOfKEK(t.Context(), ring, logger)(nil)
	if text := said.String(); !strings.Contains(text, "nothing new is sealed") || !strings.Contains(text, "is back") {
		t.Error(text)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The policy that operators are given is what the tests run under.
func TestThePolicyForOperatorsIsEnough(t *testing.T) {
	body, err := os.ReadFile("../../deploy/openbao-policy.hcl")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	if got := strings.Join(rules, "\n"); got != vaulttest.Policy {
		t.Errorf("the file says\n%s\nand the tests run under\n%s", got, vaulttest.Policy)
	}
}
