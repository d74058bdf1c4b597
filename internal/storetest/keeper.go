package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// keeperEnv turns a test binary into the keeper; its value is the folder of the
// PostgreSQL programs.
const keeperEnv = "KEYWARD_STORETEST_KEEPER"

// idleEnv changes how long the cluster outlives its last test process.
const idleEnv = "KEYWARD_STORETEST_IDLE"

// idle is long enough for go test to build the next package.
func idle() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(idleEnv)); err == nil {
		return d
	}
	return 20 * time.Second
}

func init() {
	if bin := os.Getenv(keeperEnv); bin != "" {
		os.Exit(keep(bin))
	}
}

// keep is the keeper: it makes the cluster, waits until nobody uses it any more
// and removes it.
func keep(bin string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	dir, err := clusterDir()
	if err != nil {
		return 1
	}
	k := &keeper{dir: dir, bin: bin}
	defer k.remove()
	if err := k.start(); err != nil {
		_ = os.WriteFile(filepath.Join(dir, "failed"), []byte(err.Error()), 0o600)
		return 1
	}
	for !k.abandoned() {
	}
	return 0
}

type keeper struct {
	dir, bin string
	server   *exec.Cmd
	starting *os.File // start.lock, held while the cluster is removed
}

// abandoned waits until the last user has gone and reports whether nobody came
// after it.
func (k *keeper) abandoned() bool {
	f, err := flock("users.lock", syscall.LOCK_EX)
	if err != nil {
		return true
	}
	f.Close()
	time.Sleep(idle())
	// Whoever comes from here on waits, and then starts a cluster of its own.
	if k.starting, err = flock("start.lock", syscall.LOCK_EX); err != nil {
		return true
	}
	if f, err = flock("users.lock", syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		k.starting.Close()
		return false
	}
	f.Close()
	return true
}

func (k *keeper) start() error {
	k.clear()
	who, err := serverUser()
	if err != nil {
		return err
	}
	data, run := filepath.Join(k.dir, "data"), filepath.Join(k.dir, "run")
	for _, d := range []string{data, run} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
		if who != nil {
			if err := os.Chown(d, int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
	}
	initdb := k.command(who, "initdb", "-D", data, "-U", "keyward", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	var said bytes.Buffer
	initdb.Stdout, initdb.Stderr = &said, &said
	if err := initdb.Run(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, said.Bytes())
	}
	k.server = k.command(who, "postgres", "-D", data,
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+run, "-c", "unix_socket_permissions=0700",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off",
		"-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "checkpoint_timeout=1h",
		"-c", "log_min_messages=fatal", "-c", "log_min_error_statement=panic")
	k.server.Stdout, k.server.Stderr = os.Stdout, os.Stderr
	return k.server.Start()
}

func (k *keeper) command(who *syscall.Credential, name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(k.bin, name), args...)
	c.Dir = k.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return c
}

// serverUser is whom the server runs as: PostgreSQL refuses to run as root.
func serverUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, errors.New("root cannot run PostgreSQL, and there is neither a user postgres nor nobody")
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// remove stops the server and deletes the cluster.
func (k *keeper) remove() {
	if k.server != nil && k.server.Process != nil {
		_ = k.server.Process.Signal(syscall.SIGQUIT) // at once; nobody wants the data
		_ = k.server.Wait()
	}
	k.clear()
}

// clear deletes what a cluster left, and stops its server if that still runs: a
// keeper may have been killed.
func (k *keeper) clear() {
	data := filepath.Join(k.dir, "data")
	if b, err := os.ReadFile(filepath.Join(data, "postmaster.pid")); err == nil {
		first, _, _ := bytes.Cut(b, []byte("\n"))
		if pid, err := strconv.Atoi(string(first)); err == nil && pid > 1 && runs(pid, data) {
			_ = syscall.Kill(pid, syscall.SIGQUIT)
			for range 100 {
				if syscall.Kill(pid, 0) != nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	for _, name := range []string{"data", "run"} {
		if err := os.RemoveAll(filepath.Join(k.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// runs reports whether process pid is the server of that data folder and not
// another process that got its number. Where there is no /proc it is not killed.
func runs(pid int, data string) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(cmdline, []byte(data))
}
