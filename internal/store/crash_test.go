package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Some stories need a process of their own. The test binary, started with
// childEnv, plays one of these instead of the tests; its last argument is the
// address of a database.
const childEnv = "KEYWARD_STORE_TEST_CHILD"

var children = map[string]func(url string) int{
	"writer":    childWriter,
	"intruder":  childIntruder,
	"full disk": childFullDisk,
}

func child(t *testing.T, what, url string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, url)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

const childNotes = `CREATE TABLE IF NOT EXISTS store_note (id TEXT PRIMARY KEY, n BIGINT NOT NULL)`

// childWriter writes from eight goroutines until it is killed, two rows at a
// time, and says each write aloud once it is acknowledged.
func childWriter(url string) int {
	db, err := store.Open(context.Background(), store.Options{URL: url})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", g, i)
				err := db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error {
					if err := add(tx, id+"-left", i); err != nil {
						return err
					}
					_, err := tx.Exec(`INSERT INTO store_note (id, n) VALUES ($1, $2)`, id+"-right", i)
					return err
				})
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("kept", id)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return 0
}

func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	url := storetest.SQLiteURL(t)
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	housekeep(t, db, childNotes)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[string]bool{}
	for range 3 { // the second and the third start from what a killed one left
		cmd := child(t, "writer", url)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, round := bufio.NewScanner(out), 0
		for lines.Scan() {
			word, id, _ := strings.Cut(lines.Text(), " ")
			// In later rounds the same names are taken until the writers have passed them.
			if word == "error" && !strings.Contains(id, "already exists") {
				t.Errorf("the writer said: %s", lines.Text())
			}
			if word == "kept" {
				acknowledged[id] = true
				round++
			}
			if round == 300 {
				_ = cmd.Process.Kill() // kill -9; the lines in the pipe were acknowledged all the same
			}
		}
		_ = cmd.Wait()
		if round < 300 {
			t.Fatalf("the writer ended by itself after %d writes", round)
		}
	}

	db, err = store.Open(t.Context(), store.Options{URL: url}) // and the lock is free
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := notes(t, db)
	for id := range acknowledged {
		if _, ok := got[id+"-left"]; !ok {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id := range got {
		name, half := id[:strings.LastIndex(id, "-")], map[bool]string{true: "-right", false: "-left"}
		if _, ok := got[name+half[strings.HasSuffix(id, "left")]]; !ok {
			t.Errorf("of %s only one half is there", id)
		}
	}
	var verdict string
	if err := db.Get(t.Context(), `SELECT integrity_check FROM pragma_integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s %v", verdict, err)
	}
}

// childIntruder tries to open a database that another process has.
func childIntruder(url string) int {
	ctx := context.Background()
	_, err := store.Open(ctx, store.Options{URL: url})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getppid())) {
		fmt.Printf("open: %v\n", err)
	}
	if _, err := store.Migrate(ctx, store.Options{URL: url}); !errors.Is(err, store.ErrLocked) {
		fmt.Printf("migrate: %v\n", err)
	}
	if pending, err := store.Plan(ctx, store.Options{URL: url}); err != nil || len(pending) != 0 {
		fmt.Printf("plan: %v %v\n", pending, err)
	}
	return 0
}

// Between fork and exec a new program holds a copy of every open file, the lock
// among them. Who closes a database has it free all the same.
func TestTheLockGoesWithItsHolderWhileProgramsAreStarted(t *testing.T) {
	o := store.Options{URL: storetest.SQLiteURL(t)}
	stop := make(chan struct{})
	var g sync.WaitGroup
	for range 2 {
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command("/bin/true").Run()
				}
			}
		})
	}
	for range 60 {
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Errorf("it was closed before: %v", err)
			break
		}
		db.Close()
	}
	close(stop)
	g.Wait()
}

func TestASecondProcessIsKeptOut(t *testing.T) {
	url := storetest.SQLiteURL(t)
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out, err := child(t, "intruder", url).Output()
	if err != nil || len(out) > 0 {
		t.Errorf("%v; the second process met:\n%s", err, out)
	}
	// The same process is no exception.
	if _, err := store.Open(t.Context(), store.Options{URL: url}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatalf("after it was closed: %v", err)
	}
	again.Close()
}

// childFullDisk runs a batch of three whose COMMIT fails: the pages are still in
// memory when the functions return, and the file cannot grow when they are written.
func childFullDisk(url string) int {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := store.Open(context.Background(), store.Options{URL: url})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	path := strings.TrimPrefix(url, "sqlite:")
	log, err := os.Stat(path + "-wal")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	limit := func(size uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: ^uint64(0)}); err != nil {
			fmt.Println(err)
		}
	}
	limit(uint64(log.Size()) + 200<<10)
	var runs int
	got, err := batch(db, nil,
		counted(&runs, "one"),
		func(tx *store.Tx) error {
			runs++
			if err := add(tx, "two", 1); err != nil {
				return err
			}
			_, err := tx.Exec(`INSERT INTO store_blob (b) VALUES ($1)`, make([]byte, 1<<20))
			if err != nil {
				fmt.Printf("the statement failed already: %v\n", err)
			}
			return err
		},
		counted(&runs, "three"),
	)
	if err != nil || got[0] != nil || !errors.Is(got[1], store.ErrUnwritable) || got[2] != nil {
		fmt.Printf("the callers were told %v, %v\n", got, err)
	}
	if runs != 6 {
		fmt.Printf("the functions ran %d times, want each twice\n", runs)
	}
	limit(^uint64(0))
	if err := db.Update(context.Background(), store.Cause{}, adds("after")); err != nil {
		fmt.Printf("with room again: %v\n", err)
	}
	if err := db.Close(); err != nil {
		fmt.Println(err)
	}
	return 0
}

func TestACommitThatTheDiskRefusesKeepsNothingHalf(t *testing.T) {
	url := storetest.SQLiteURL(t)
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	housekeep(t, db, childNotes)
	housekeep(t, db, `CREATE TABLE store_blob (b BLOB)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "full disk", url).Output(); err != nil || len(out) > 0 {
		t.Errorf("%v; the process met:\n%s", err, out)
	}
	if db, err = store.Open(t.Context(), store.Options{URL: url}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	has(t, db, "one", "three", "after")
	var blobs int
	if err := db.Get(t.Context(), `SELECT count(*) FROM store_blob`).Scan(&blobs); err != nil || blobs != 0 {
		t.Errorf("%d blobs, %v", blobs, err)
	}
}
