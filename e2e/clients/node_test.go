package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// node is the Node that runs the scripts. It comes out of the lock file as the
// clients do (docs/decisions/0021-node-in-tests.md); what has not been installed
// skips aloud, or fails where nothing may skip.
func node(t *testing.T) string {
	t.Helper()
	missing := func(what string) string {
		t.Helper()
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatalf("%s, and nothing may skip here: run make setup", what)
		}
		t.Skipf("skipped: %s; make test installs it", what)
		return ""
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if installed, err := os.ReadFile("node_modules/.installed"); err != nil || !bytes.Equal(installed, lock) {
		return missing("the npm clients are not installed, or not those of package-lock.json")
	}
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	if own, err := filepath.Abs(filepath.Join("node_modules", "node-"+runtime.GOOS+"-"+arch, "bin", "node")); err == nil {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	path, err := exec.LookPath("node") // another platform: the one that is there
	if err != nil {
		return missing("there is no Node")
	}
	return path
}

// line is one thing that a script says.
type line struct {
	Issuer string // of provider.mjs
	Visit  string // go there, please
	Agree  bool

	Holds, Fails, Lacks string // a sentence
	Why                 string
}

// plan is what a script is told. Clients go by the script's own name for them.
type plan struct {
	Issuer          string            `json:"issuer"`
	Scope           string            `json:"scope"`
	JWTAccessTokens bool              `json:"jwtAccessTokens"`
	MailConfirmed   bool              `json:"mailConfirmed"`
	Burns           bool              `json:"burns"` // a code is gone after one try that failed late
	Clients         any               `json:"clients"`
	Lacks           map[string]string `json:"lacks,omitempty"`
}

// command runs a script with its plan; it dies with the test.
func command(t *testing.T, ctx context.Context, script string, plan any) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, node(t), script, file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	return cmd
}

// runScript lets a client script work, and goes where it sends its person. Each
// sentence that it says becomes a test.
func runScript(t *testing.T, script string, p plan, visit func(address string, agree bool) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
	defer cancel()
	cmd := command(t, ctx, script, p)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Errorf("%s prints %q", script, lines.Text())
			continue
		}
		switch {
		case l.Visit != "":
			if err := visit(l.Visit, l.Agree); err != nil {
				t.Errorf("the person on the way: %v", err)
				cancel()
			}
		case l.Lacks != "":
			t.Logf("not there: %s: %s", l.Lacks, l.Why)
		default:
			held++
			t.Run(l.Holds+l.Fails, func(t *testing.T) {
				if l.Fails != "" {
					t.Error(l.Why)
				}
			})
		}
	}
	if err := cmd.Wait(); err != nil || held == 0 {
		t.Errorf("%s: %v, after %d sentences\n%s", script, err, held, stderr.String())
	}
}

// startProvider runs npm oidc-provider with these clients and returns its issuer.
func startProvider(t *testing.T, clients []map[string]any) string {
	t.Helper()
	cmd := command(t, context.Background(), "provider.mjs", map[string]any{"clients": clients})
	cmd.Stderr = new(strings.Builder)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	t.Cleanup(func() {
		in.Close() // its end
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("oidc-provider: %v\n%s", err, cmd.Stderr)
		}
	})
	var first line
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &first) != nil || first.Issuer == "" {
		t.Fatal(fmt.Errorf("oidc-provider did not start: %s", lines.Text()))
	}
	return first.Issuer
}
