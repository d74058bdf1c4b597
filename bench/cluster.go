package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is a PostgreSQL of our own on the disk that is measured, with the
// durability people run it with: fsync and synchronous_commit on. (The cluster of
// storetest has both off, which is right for tests and useless here.)
type cluster struct {
	server *exec.Cmd
	died   chan struct{}
	run    string // folder of its socket
	n      int    // databases made so far
}

var errNoPostgres = errors.New("no initdb in PATH or below /usr/lib/postgresql")

func postgresBin() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errNoPostgres
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func startCluster(ctx context.Context, dir string) (_ *cluster, err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	who, err := postgresUser()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o711); err != nil { // passed through by that user
		return nil, err
	}
	c := &cluster{run: filepath.Join(dir, "run"), died: make(chan struct{})}
	data := filepath.Join(dir, "data")
	for _, d := range []string{data, c.run} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
		if who != nil {
			if err := os.Chown(d, int(who.Uid), int(who.Gid)); err != nil {
				return nil, err
			}
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = data
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
		dieWithParent(cmd.SysProcAttr)
		return cmd
	}
	initdb := command("initdb", "-D", data, "-U", "keyward", "--auth=trust", "--encoding=UTF8", "--locale=C")
	if said, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, said)
	}
	c.server = command("postgres", "-D", data,
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+c.run, "-c", "unix_socket_permissions=0700",
		"-c", "max_connections=200", "-c", "shared_buffers=512MB",
		"-c", "fsync=on", "-c", "synchronous_commit=on",
		"-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=1h") // its own checkpoints are not what is measured
	var said bytes.Buffer
	c.server.Stdout, c.server.Stderr = &said, &said
	if err := c.server.Start(); err != nil {
		return nil, err
	}
	go func() { c.server.Wait(); close(c.died) }()
	for end := time.Now().Add(30 * time.Second); ; {
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err == nil {
			return c, conn.Close(ctx)
		}
		select {
		case <-c.died:
			return nil, fmt.Errorf("postgres ended: %s", said.Bytes())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) || ctx.Err() != nil {
			c.stop()
			return nil, fmt.Errorf("postgres did not answer: %w", err)
		}
	}
}

// postgresUser: PostgreSQL refuses to run as root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func (c *cluster) stop() {
	if c == nil {
		return
	}
	_ = c.server.Process.Signal(syscall.SIGQUIT) // at once; nobody wants the data
	<-c.died
}

func (c *cluster) url(name string) string {
	return "postgres:///" + name + "?" + url.Values{"host": {c.run}, "user": {"keyward"}}.Encode()
}

// database makes an empty one and returns its address.
func (c *cluster) database(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	c.n++
	name := fmt.Sprintf("keyward_bench_%d", c.n)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return c.url(name), nil
}
