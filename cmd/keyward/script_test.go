package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// These tests wait for mails most of the time; they need no core each.
	flag.Set("test.parallel", "8")
	testscript.Main(m, map[string]func(){"keyward": main})
}

// TestScripts plays the command line as an operator does, from
// testdata/script/*.txtar. Besides testscript's own commands there are:
//
//	exits 78 keyward serve          run, and hold it to this very exit code
//	capture NAME 'regexp'           the first group, of the output, becomes $NAME
//	flip FILE 'text'                flip one bit of the first byte of the text
//	life FOLDER                     a database with the whole tour behind it, its key and its anchor
//	served                          one start of keyward serve and its stop, both clean
//	bot                             somebody with an API key: $ACCOUNT and $KEY
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "capture": capture, "flip": flip, "life": life, "served": served, "bot": bot,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit %d instead of %d\n%s%s", code, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME regexp")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%s is not in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip file text")
	}
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	at := bytes.Index(b, []byte(args[1]))
	if at < 0 {
		ts.Fatalf("%q is not in %s", args[1], args[0])
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(name, b, 0o600))
}

// lived plays the tour once for all scripts: it waits seconds for mails.
var lived = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "keyward-life-")
	if err != nil {
		return "", err
	}
	var said bytes.Buffer
	if code := run([]string{"demo", "--tour", "--dir", dir}, &said, &said); code != exitOK {
		return "", fmt.Errorf("the tour: exit %d\n%s", code, said.String())
	}
	return dir, nil
})

func life(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: life folder")
	}
	from, err := lived()
	ts.Check(err)
	to := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(to, 0o700))
	files, err := os.ReadDir(from)
	ts.Check(err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(to, f.Name()), b, 0o600))
	}
}

func served(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: served")
	}
	keyward, err := exec.LookPath("keyward") // testscript put it there
	ts.Check(err)
	cmd := exec.Command(keyward, "serve")
	cmd.Dir = ts.Getenv("WORK")
	out, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	defer cmd.Process.Kill()
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "msg=serving") {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("serve: %v\n%s", err, said.String())
	}
}
