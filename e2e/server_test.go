package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary builds keyward once per test run.
var binary = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("KEYWARD_BINARY"); bin != "" {
		return bin, nil // built elsewhere
	}
	dir, err := os.MkdirTemp("", "keyward-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "keyward")
	out, err := exec.Command("go", "build", "-o", bin, "../cmd/keyward").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := binary(); err == nil && os.Getenv("KEYWARD_BINARY") == "" {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// server is a running `keyward demo` on free ports.
type server struct {
	origin, exchange, operators, ops, dir string
	firstLink                             string // of the first operator
	cmd                                   *exec.Cmd
}

var doorLine = regexp.MustCompile(`^\s+(pages|exchange|operators|ops)\s+(\S+)$`)

// startDemo runs the demo and waits until it says where its doors are.
func startDemo(t *testing.T, args ...string) *server {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: t.TempDir()}
	s.cmd = exec.Command(bin, append([]string{"demo", "--free", "--dir", s.dir}, args...)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr strings.Builder
	s.cmd.Stderr = &stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan error, 1)
		go func() { done <- s.cmd.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the demo did not stop cleanly: %v\n%s", err, stderr.String())
			}
		case <-time.After(20 * time.Second):
			s.cmd.Process.Kill()
			t.Error("the demo did not stop within 20 s of SIGTERM")
		}
		if s := stderr.String(); strings.Contains(s, "level=ERROR") {
			t.Errorf("the demo logged errors:\n%s", s)
		}
	})
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			switch line := strings.TrimSpace(lines.Text()); {
			case strings.Contains(line, "/join#"):
				s.firstLink = line
			case strings.HasPrefix(line, "Everything "):
				return
			}
			m := doorLine.FindStringSubmatch(lines.Text())
			if m == nil {
				continue
			}
			switch m[1] {
			case "pages":
				s.origin = m[2]
			case "exchange":
				s.exchange = m[2]
			case "ops":
				s.ops = strings.TrimSuffix(m[2], "/metrics")
			case "operators":
				s.operators = m[2]
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	select {
	case <-ready:
	case <-ctx.Done():
	}
	if s.ops == "" {
		t.Fatalf("the demo did not open its doors:\n%s", stderr.String())
	}
	return s
}
