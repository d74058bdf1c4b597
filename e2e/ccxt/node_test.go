package ccxt

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// node is the Node of the lock file, which runs the scripts
// (docs/decisions/0021-node-in-tests.md). What has not been installed skips aloud, or
// fails where nothing may skip.
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
		return missing("ccxt is not installed, or not that of package-lock.json")
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

// runScript runs a script with its plan and reads into out what it says. The script
// dies with the test.
func runScript(t *testing.T, script string, p plan, out any) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node(t), script, file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	// A proxy of the surroundings is not ours to go through.
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(strings.ToLower(e), "="); !strings.HasSuffix(name, "_proxy") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	said, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, said, stderr.String())
	}
	if err := json.Unmarshal(said, out); err != nil {
		t.Fatalf("%s says %q: %v", script, said, err)
	}
}
