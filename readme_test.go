package keyward_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// commands are the lines of the README's code blocks.
func commands(t *testing.T) (all []string) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?ms)^ *```\n(.*?)^ *```$").FindAllStringSubmatch(read(t, "README.md"), -1) {
		for line := range strings.Lines(block[1]) {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

func TestTheREADMEPromisesWhatIsThere(t *testing.T) {
	cmds := commands(t)
	if len(cmds) < 3 || cmds[0] != "make run" || cmds[1] != "make test" {
		t.Fatalf("the commands are %q; want make run and make test first", cmds)
	}
	for _, c := range cmds {
		words := strings.Fields(c)
		switch {
		case words[0] == "make" && len(words) == 2 && targets(t)[words[1]]:
		case strings.HasPrefix(c, "go run ./cmd/keyward demo --tour"):
			if !strings.Contains(read(t, "scripts/test.sh"), c) {
				t.Errorf("scripts/test.sh, which is make test, does not run %q", c)
			}
		default:
			t.Errorf("%q is no command that a test runs", c)
		}
	}
	picture, err := os.Stat("docs/pictures/home.png")
	if err != nil || picture.Size() > 150_000 {
		t.Errorf("the picture: %v, want at most 150 kB", err)
	}
	for _, file := range []string{"ARCHITECTURE.md", "THREAT_MODEL.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/holds.md", "docs/operations.md"} {
		if !strings.Contains(read(t, "README.md"), "("+file+")") {
			t.Errorf("the README does not lead to %s", file)
		}
	}
}

// output is what a process prints while a test looks at it.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestTheCommandsOfTheREADME runs make run as it is written, in the folder of a
// clone, and waits for the doors that the README names. (make test is what runs
// this; the tour is a step of scripts/test.sh.)
func TestTheCommandsOfTheREADME(t *testing.T) {
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") != "1" {
		t.Skip("skipped: it takes the demo's fixed ports; make test runs it")
	}
	words := strings.Fields(commands(t)[0])
	taken := false
	for _, addr := range []string{"localhost:7480", "localhost:7490", "127.0.0.1:7489"} {
		l, err := net.Listen("tcp", addr)
		taken = taken || err != nil
		if err == nil {
			l.Close()
		}
	}
	var out output
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Ctrl-C reaches what make started
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	deadline := time.After(8 * time.Minute) // the first build
	for up := false; !up; {
		select {
		case err := <-ended:
			if taken && strings.Contains(out.String(), "is another demo running?") {
				t.Log("another demo has the ports, and make run says so")
				return
			}
			t.Fatalf("make run ended: %v\n%s", err, out.String())
		case <-deadline:
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Fatalf("make run opened no doors\n%s", out.String())
		case <-time.After(200 * time.Millisecond):
			up = strings.Contains(out.String(), "Ctrl-C")
		}
	}
	for _, door := range []string{"http://localhost:7480/signin", "http://localhost:7480/signup", "http://localhost:7480/demo", "http://localhost:7480/demo/mail", "http://localhost:7480/api/openapi.json", "http://127.0.0.1:7489/readyz"} {
		res, err := http.Get(door)
		if err != nil {
			t.Errorf("%s: %v", door, err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", door, res.Status)
		}
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		t.Errorf("Ctrl-C did not stop it within 30 s\n%s", out.String())
	}
	if s := out.String(); strings.Contains(s, "level=ERROR") || strings.Contains(s, "level=WARN") {
		t.Errorf("it had something to say:\n%s", s)
	}
}
