package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const childEnv = "KEYWARD_STORETEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		address, err := joinCluster()
		fmt.Println(address, err)
		time.Sleep(time.Hour) // until it is killed
	}
	os.Exit(m.Run())
}

// A test process that is killed runs no clean-up. The cluster goes all the same.
func TestTheClusterGoesWithItsLastUser(t *testing.T) {
	if _, err := findPostgres(); err != nil {
		t.Skip(err)
	}
	root, err := os.MkdirTemp("/tmp", "kw") // short: the address of a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	user := func() (*exec.Cmd, string) {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childEnv+"=1", rootEnv+"="+root, idleEnv+"=500ms")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasSuffix(line, " <nil>\n") {
			t.Fatalf("the user said %q, %v", line, err)
		}
		return cmd, strings.Fields(line)[0]
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}

	first, address := user()
	second, again := user()
	if address != again {
		t.Errorf("two users got two clusters: %s and %s", address, again)
	}
	kill(first)
	time.Sleep(time.Second)
	if !answers(address) {
		t.Error("the cluster went while somebody used it")
	}
	kill(second)
	pid := filepath.Join(root, fmt.Sprintf("keyward-pg-%d", os.Getuid()), "data", "postmaster.pid")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(pid); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the cluster stayed")
		}
	}
	if answers(address) {
		t.Error("its files are gone, but the server answers")
	}

	// And the next one starts anew.
	third, address := user()
	if !answers(address) {
		t.Error("the new cluster does not answer")
	}
	kill(third)
	for end := time.Now().Add(30 * time.Second); answers(address) && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // the keeper removes its files
}
