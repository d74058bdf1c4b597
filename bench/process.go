package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a server that was started here and is stopped here.
type process struct {
	cmd  *exec.Cmd
	log  string
	died chan error
}

// launch starts a program with its errors in a file, as a service manager would.
// said is what it writes to standard output.
func launch(logFile, program string, args ...string) (p *process, said io.Reader, err error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	p = &process{cmd: exec.Command(program, args...), log: logFile, died: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = in, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(p.cmd.SysProcAttr)
	if err := p.cmd.Start(); err != nil {
		out.Close()
		return nil, nil, err
	}
	go func() { p.died <- p.cmd.Wait(); out.Close() }()
	return p, out, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks it to end, and insists after a while.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.died:
		return err
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.died
		return fmt.Errorf("%s did not stop within 20 s of SIGTERM; see %s", filepath.Base(p.cmd.Path), p.log)
	}
}

// ended reports that the process is gone, with the end of what it said.
func (p *process) ended() error {
	select {
	case err := <-p.died:
		p.died <- err
		return fmt.Errorf("%s ended: %v: %s", filepath.Base(p.cmd.Path), err, tail(p.log))
	default:
		return nil
	}
}

func tail(file string) string {
	b, _ := os.ReadFile(file)
	if len(b) > 1000 {
		b = b[len(b)-1000:]
	}
	return string(b)
}

// settle waits until the process has finished what it does behind the answers
// (sealing, notices), so that it is not charged to whoever is measured next, and
// until then counts its CPU time to what it answered.
func (p *process) settle(ctx context.Context) error {
	const (
		look  = 250 * time.Millisecond
		idle  = 25 * time.Millisecond // a tenth: the timers of an idle server need less
		worst = 60 * time.Second
	)
	before, err := cpuTime(p.pid())
	if err != nil {
		return err
	}
	for end := time.Now().Add(worst); time.Now().Before(end); {
		if err := sleep(ctx, look); err != nil {
			return err
		}
		now, err := cpuTime(p.pid())
		if err != nil {
			return err
		}
		if now-before <= idle {
			return nil
		}
		before = now
	}
	return fmt.Errorf("the server is still busy %s after the last answer", worst)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// goBuild compiles a package of this module as `make build` does.
func goBuild(ctx context.Context, out, pkg string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, said)
	}
	return nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(string(out)), nil
}
