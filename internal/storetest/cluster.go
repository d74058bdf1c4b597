package storetest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// The folder of the shared cluster. The lock files stay when the cluster goes,
// because removing a lock file that somebody waits for splits it in two.
//
//	start.lock  who holds it starts or stops the cluster
//	users.lock  shared by the test processes that use it
//	data, run   the cluster and its socket
//	log         what the server and the keeper said
//	failed      why the last start did not succeed
func clusterDir() (string, error) {
	dir := filepath.Join(clusterRoot(), fmt.Sprintf("keyward-pg-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	// The name can be guessed, and whoever owns the folder owns the server that
	// tests talk to.
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.IsDir() || int(st.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not this user's folder; remove it", dir)
	}
	return dir, nil
}

// rootEnv puts the cluster into another folder.
const rootEnv = "KEYWARD_STORETEST_ROOT"

// clusterRoot is memory where there is plenty: a database is 300 files, which a
// disk creates in a third of a second and memory in a thirtieth.
func clusterRoot() string {
	if dir := os.Getenv(rootEnv); dir != "" {
		return dir
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err == nil && int64(fs.Blocks)*int64(fs.Bsize) > 1<<30 {
		return "/dev/shm"
	}
	if dir := os.TempDir(); len(dir) < 60 { // the address of a socket holds about 100 bytes
		return dir
	}
	return "/tmp"
}

// flock opens and locks a file of the cluster's folder.
func flock(name string, how int) (*os.File, error) {
	dir, err := clusterDir()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		switch err = syscall.Flock(int(f.Fd()), how); err {
		case nil:
			return f, nil
		case syscall.EINTR:
		default:
			f.Close()
			return nil, err
		}
	}
}

// hold waits for a lock file.
func hold(name string) (release func(), err error) {
	f, err := flock(name, syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil
}

// membership keeps users.lock for the life of the process; nothing reads it, but
// a file that nobody refers to is closed.
var membership struct{ lock *os.File }

// joinCluster returns the address of the shared cluster and starts it if need be.
func joinCluster() (string, error) {
	bin, err := findPostgres()
	if err != nil {
		return "", err
	}
	dir, err := clusterDir()
	if err != nil {
		return "", err
	}
	release, err := hold("start.lock")
	if err != nil {
		return "", err
	}
	defer release()
	address := clusterURL(dir)
	if !answers(address) {
		if err := startKeeper(dir, bin, address); err != nil {
			return "", err
		}
	}
	membership.lock, err = flock("users.lock", syscall.LOCK_SH)
	return address, err
}

func clusterURL(dir string) string {
	q := url.Values{"host": {filepath.Join(dir, "run")}, "user": {"keyward"}}
	return "postgres:///postgres?" + q.Encode()
}

func answers(address string) bool {
	c, err := pgx.Connect(background, address)
	if err != nil {
		return false
	}
	c.Close(background)
	return true
}

// startKeeper starts the keeper and waits for the server to answer.
func startKeeper(dir, bin, address string) error {
	failed := filepath.Join(dir, "failed")
	os.Remove(failed)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), keeperEnv+"="+bin)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log                    // not ours: go test waits for its pipes to close
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for the tests
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = cmd.Process.Release()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if why, err := os.ReadFile(failed); err == nil {
			return fmt.Errorf("the cluster did not start: %s", why)
		}
		if answers(address) {
			return nil
		}
	}
	return fmt.Errorf("the cluster did not answer within a minute; see %s", log.Name())
}

// findPostgres returns the folder of the newest initdb of this machine.
func findPostgres() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb",
		"/usr/pgsql-*/bin/initdb",
		"/usr/local/opt/postgresql*/bin/initdb",
		"/opt/homebrew/opt/postgresql*/bin/initdb",
	} {
		m, _ := filepath.Glob(pattern)
		found = append(found, m...)
	}
	if len(found) == 0 {
		return "", errors.New("no initdb in PATH or the usual places, and TEST_POSTGRES_URL is not set")
	}
	newest := slices.MaxFunc(found, func(a, b string) int {
		return strings.Compare(fmt.Sprintf("%90s", a), fmt.Sprintf("%90s", b)) // 9 before 15
	})
	return filepath.Dir(newest), nil
}
