package storetest

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Own is a PostgreSQL of one test, which it may kill. It keeps what it has committed,
// unlike the cluster that tests share.
type Own struct {
	t      testing.TB
	dir    string
	bin    string
	who    *syscall.Credential
	server *exec.Cmd
	said   bytes.Buffer
}

// NewOwn makes and starts one; it is gone when the test ends. Without PostgreSQL it skips
// the test, or fails it when KEYWARD_TEST_REQUIRE_ALL=1.
func NewOwn(t testing.TB) *Own {
	t.Helper()
	o := &Own{t: t}
	var err error
	if o.bin, err = findPostgres(); err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatalf("PostgreSQL is required: %v", err)
		}
		t.Skipf("skipped over PostgreSQL: %v", err)
	}
	if o.who, err = serverUser(); err != nil {
		t.Fatal(err)
	}
	if o.dir, err = os.MkdirTemp("", "kwpg"); err != nil { // a socket's path is short, and another user passes through it
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.Kill()
		if err := os.RemoveAll(o.dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(o.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"data", "run"} {
		path := filepath.Join(o.dir, d)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if o.who != nil {
			if err := os.Chown(path, int(o.who.Uid), int(o.who.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if said, err := o.command("initdb", "-D", filepath.Join(o.dir, "data"), "-U", "keyward", "--auth=trust", "--encoding=UTF8", "--locale=C").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, said)
	}
	o.Start()
	return o
}

// URL is the address of its one database.
func (o *Own) URL() string {
	return "postgres:///postgres?" + url.Values{"host": {filepath.Join(o.dir, "run")}, "user": {"keyward"}}.Encode()
}

// Start starts it and waits until it answers.
func (o *Own) Start() {
	o.t.Helper()
	// What a killed one leaves behind: its children see within moments that it is gone.
	for end := time.Now().Add(30 * time.Second); ; {
		o.said.Reset()
		o.server = o.command("postgres", "-D", filepath.Join(o.dir, "data"), "-c", "listen_addresses=",
			"-c", "unix_socket_directories="+filepath.Join(o.dir, "run"), "-c", "max_connections=100", "-c", "shared_buffers=32MB")
		o.server.Stdout, o.server.Stderr = &o.said, &o.said
		if err := o.server.Start(); err != nil {
			o.t.Fatal(err)
		}
		died := make(chan struct{})
		server := o.server
		go func() { _ = server.Wait(); close(died) }()
		for {
			if answers(o.URL()) {
				return
			}
			gone := false
			select {
			case <-died:
				gone = true
			case <-time.After(50 * time.Millisecond):
			}
			if gone {
				break
			}
		}
		if time.Now().After(end) {
			o.t.Fatalf("PostgreSQL did not start: %s", o.said.String())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Kill kills it with -9, its children too.
func (o *Own) Kill() {
	if o.server != nil && o.server.Process != nil {
		_ = syscall.Kill(-o.server.Process.Pid, syscall.SIGKILL) // its own group
	}
}

func (o *Own) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(o.bin, name), args...)
	c.Dir = filepath.Join(o.dir, "data")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: o.who, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c
}
