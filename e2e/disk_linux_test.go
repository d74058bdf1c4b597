package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// The disk takes no more. Nothing is half done: who is refused is not signed in,
// who was signed in is in the log, and with room again all goes on.
func TestAFullDiskSignsNobodyInWithoutItsRecord(t *testing.T) {
	t.Run("no file may grow", func(t *testing.T) { // as a quota does it; needs no rights
		s := newKillable(t, sqliteIn(t.TempDir()))
		fullDisk(t, s, func() { limitFiles(t, s, 1) }, func() { limitFiles(t, s, ^uint64(0)) })
	})
	t.Run("no block is left", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=700"); err != nil {
			t.Logf("not run: this user may not mount a small disk (%v); the quota above stands for it", err)
			return
		}
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
		s := newKillable(t, sqliteIn(dir))
		t.Cleanup(func() { // before the disk goes
			if s.cmd != nil {
				s.cmd.Process.Kill()
			}
		})
		filler := filepath.Join(dir, "filler")
		fullDisk(t, s, func() { fill(t, filler) }, func() {
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func fullDisk(t *testing.T, s *killable, full, room func()) {
	s.start()
	a := s.app(1)
	a.must(a.signUp())
	a.must(a.signIn())
	signedIn := 1
	started := func() int { return len(s.events("session.started")) }
	if n := started(); n != signedIn {
		t.Fatalf("%d sign-ins are in the log, want %d", n, signedIn)
	}

	full()
	var no *refusal
	held := a.have
	for range 200 { // on a disk with a few blocks left some still go through
		if err := a.signIn(); err == nil {
			signedIn++
			held = a.have
		} else if errors.As(err, &no) {
			break
		} else {
			t.Fatalf("no answer: %v", err)
		}
	}
	if no == nil || no.status != http.StatusServiceUnavailable || no.code != "unavailable" {
		t.Fatalf("on the full disk a sign-in got %v, want 503 unavailable", no)
	}
	for what, err := range map[string]error{
		"a sign-up": s.app(7).signUp(), "a refresh": a.call("POST", "/session/refresh", "", a.bind, map[string]string{"refresh_token": held.Refresh}, nil),
	} {
		if !errors.As(err, &no) || no.status != http.StatusServiceUnavailable {
			t.Errorf("%s got %v, want 503", what, err)
		}
	}
	if code, text := s.ready(); code != http.StatusServiceUnavailable || !strings.Contains(text, "writes: failing") || !strings.Contains(text, "database: ok") {
		t.Errorf("/readyz: %d %s", code, text)
	}
	for path, want := range map[string]int{s.ops + "/livez": 200, s.origin + "/signin": 200, s.origin + "/freeze": 200} {
		res, err := s.client.Get(path)
		if strings.HasSuffix(path, "/livez") {
			res, err = http.Get(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}

	room()
	if n := started(); n != signedIn {
		t.Errorf("%d sign-ins are in the log, %d were acknowledged", n, signedIn)
	}
	a.have = held
	a.must(a.refresh()) // the session of before, and the token that was not turned
	a.must(a.signIn())
	soon(t, "/readyz is content again", func() bool { code, _ := s.ready(); return code == http.StatusOK })
	s.stop()
	s.verify()
	if n := started(); n != signedIn+1 {
		t.Errorf("%d sign-ins are in the log, %d were acknowledged", n, signedIn+1)
	}
}

// limitFiles lets no file of the server grow past size; a signal that says so is
// ignored by Go programs, and the write fails.
func limitFiles(t *testing.T, s *killable, size uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: size, Max: ^uint64(0)}
	if _, _, no := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(s.cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); no != 0 {
		t.Fatal(no)
	}
}

// fill takes what room there is.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}
