//go:build unix

package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

const (
	childURL = "KEYWARD_AUDIT_CHILD_URL"
	childKEK = "KEYWARD_AUDIT_CHILD_KEK"
)

// TestChildSeals is not a test of its own: it is the other process of
// TestStoppedAndContinuedSealerAddsNothingTwice.
func TestChildSeals(t *testing.T) {
	url := os.Getenv(childURL)
	if url == "" {
		t.Skip("it is the child of another test")
	}
	key, err := hex.DecodeString(os.Getenv(childKEK))
	if err != nil {
		t.Fatal(err)
	}
	db, log := sharedLog(t, url, key)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := NewSealer(db, log, "", time.Now, nil).Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// sharedLog opens a database whose root secret lies in it, as two servers do.
func sharedLog(t *testing.T, url string, key []byte) (*store.DB, *Log) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, New(keyringtest.Open(t, keyringtest.KEKOf(t, key), db, time.Now))
}

// A process can stop between any two instructions, for as long as it likes (a
// paused virtual machine, a full disk), and go on in the belief that nothing
// happened. Another sealer takes over meanwhile.
func TestStoppedAndContinuedSealerAddsNothingTwice(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	key := keyring.Random(32)
	db, log := sharedLog(t, url, key)
	d := &desk{t, db, log}

	child := exec.Command(os.Args[0], "-test.run=^TestChildSeals$")
	child.Env = append(os.Environ(), childURL+"="+url, childKEK+"="+hex.EncodeToString(key))
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	send := func(s os.Signal) {
		t.Helper()
		if err := child.Process.Signal(s); err != nil {
			t.Fatalf("%v: %v\n%s", s, err, &out)
		}
	}
	eventually(t, 15*time.Second, func() bool { return d.count(`SELECT n FROM audit_sealer`) == 1 })

	ctx, stop := contextWithCancel(t)
	var writing sync.WaitGroup
	for range 2 {
		writing.Go(func() {
			account := newAccount()
			for ctx.Err() == nil {
				d.signIn(account)
			}
		})
	}
	// Short stops at random places: wherever it stands, it may go on.
	for range 25 {
		time.Sleep(time.Duration(rand.N(20_000)) * time.Microsecond)
		send(syscall.SIGSTOP)
		time.Sleep(time.Duration(rand.N(5_000)) * time.Microsecond)
		send(syscall.SIGCONT)
	}
	// And a long one, in which we take over.
	send(syscall.SIGSTOP)
	ours := NewSealer(db, log, "", time.Now, nil)
	ourCtx, stopOurs := contextWithCancel(t)
	sealing := make(chan error, 1)
	go func() { sealing <- ours.Run(ourCtx) }()
	eventually(t, 10*time.Second, func() bool { return d.count(`SELECT n FROM audit_sealer`) == 2 })
	took := d.count(`SELECT count(*) FROM audit_index`)
	eventually(t, 5*time.Second, func() bool { return d.count(`SELECT count(*) FROM audit_index`) > took+50 })
	send(syscall.SIGCONT)
	time.Sleep(300 * time.Millisecond)
	stop()
	writing.Wait()

	send(syscall.SIGTERM)
	if err := child.Wait(); err != nil {
		t.Fatalf("child: %v\n%s", err, &out)
	}
	stopOurs()
	if err := <-sealing; err != nil {
		t.Fatal(err)
	}
	rep := d.verified()
	if events := d.count(`SELECT count(*) FROM audit_event`); rep.Size != events || rep.Unsealed != 0 {
		t.Errorf("%d events, %d in the tree, %d unsealed", events, rep.Size, rep.Unsealed)
	}
	if n := d.count(`SELECT n FROM audit_sealer`); n != 2 {
		t.Errorf("fence = %d, want 2: the stopped sealer must not have taken it back", n)
	}
}
