package signintest

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Origin is where the pages of the deployment live.
const Origin = "https://auth.example.com"

// Home is where everybody calls from.
var Home = netip.MustParseAddr("203.0.113.7")

// Clock is a test's own time. It moves a millisecond with every look, so that no
// two events fall on one instant, and as far as Sleep says.
type Clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

// NewClock begins at nine o'clock.
func NewClock() *Clock { return &Clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

// Sleep lets time pass.
func (c *Clock) Sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// World is one process of a deployment.
type World struct {
	T        testing.TB
	Clock    *Clock // nil: the real time
	DB       *store.DB
	Ring     *keyring.Ring
	Log      *audit.Log
	Watch    *audit.Watch
	Accounts *account.Service
	Devices  *device.Service
	Sessions *session.Service
	SignIn   *signin.Service
	BotKeys  *apikey.Service
	Contain  *contain.Service
	Logged   *Logged
}

// Logged collects what the parts of a world log.
type Logged struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *Logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Logger writes down everything, at every level.
func (l *Logged) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Maker attests keys of phones, and these worlds trust its word.
var Maker = softkey.NewMaker()

// Each tells one story on every database, with a clock of its own.
func Each(t *testing.T, story func(t *testing.T, w *World)) {
	t.Helper()
	EachDemanding(t, device.Least{}, story)
}

// EachDemanding is Each where an operator demands more of keys.
func EachDemanding(t *testing.T, least device.Least, story func(t *testing.T, w *World)) {
	t.Helper()
	logged := new(Logged)
	clock := NewClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := process(t, db, keyringtest.Open(t, keyringtest.KEK(t), db, db.Now), clock, least)
		w.Logged = logged
		story(t, w)
	}, storetest.WithNow(func() time.Time { return clock.Now() }), func(o *store.Options) { o.Logger = logged.Logger() })
}

// New is a process over a database. The keys lie in the database, wrapped by a
// key of this world alone.
func New(t testing.TB, db *store.DB, clock *Clock) *World {
	t.Helper()
	return Process(t, db, keyringtest.Open(t, keyringtest.KEK(t), db, db.Now), clock)
}

// Process is one more process over the same database and keys.
func Process(t testing.TB, db *store.DB, ring *keyring.Ring, clock *Clock) *World {
	t.Helper()
	return process(t, db, ring, clock, device.Least{})
}

func process(t testing.TB, db *store.DB, ring *keyring.Ring, clock *Clock, least device.Least) *World {
	t.Helper()
	w := &World{T: t, Clock: clock, DB: db, Ring: ring, Log: audit.New(ring), Logged: new(Logged)}
	w.Accounts = account.New(w.Log, ring)
	var err error
	w.Devices, err = device.New(device.Config{RPID: "example.com", RPName: "Example", Origins: []string{Origin}, Now: db.Now, AndroidRoots: []*x509.Certificate{Maker.Root}, Least: least}, ring, w.Log)
	w.Must(err)
	w.Watch = audit.NewWatch(db, w.Log, "test", db.Now)
	w.Watch.OfflineFor = session.DefaultLifetimes().Access
	w.Sessions = session.New(db, ring, w.Log, session.DefaultLifetimes(), w.Watch.Valid, session.Metrics{})
	w.Watch.OnEffect(w.Sessions.Heard)
	w.SignIn = signin.New(signin.Parts{
		DB: db, Ring: ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, SelfSignUp: true,
	})
	w.BotKeys = apikey.New(apikey.Parts{
		DB: db, Ring: ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Fresh: w.Watch.Valid,
		Gates: func(ctx context.Context) error { _, err := w.Watch.WaitGates(ctx, db.Now()); return err },
	})
	w.Watch.OnEffect(w.BotKeys.Heard)
	w.Contain = contain.New(db, w.Log, w.Accounts, w.Devices, w.Sessions, w.BotKeys, w.Watch)
	w.Contain.AlsoErase(w.SignIn.Erase)
	w.Contain.AlsoErase(w.BotKeys.Erase)
	return w
}

// Two are two processes on one PostgreSQL, in real time, each with connections, a
// memory and an ear on the log of its own.
func Two(t *testing.T) (here, there *World) {
	t.Helper()
	url := storetest.PostgresURL(t)
	var kek keyring.KEK = keyringtest.KEK(t)
	one := func() *World {
		db, err := store.Open(t.Context(), store.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		w := Process(t, db, keyringtest.Open(t, kek, db, time.Now), nil)
		w.Listen()
		return w
	}
	return one(), one()
}

// Listen keeps the process's ear on the log until the test ends, and returns when
// it has heard it for the first time.
func (w *World) Listen() {
	w.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Watch.Run(ctx) }()
	w.T.Cleanup(func() { cancel(); <-done })
	for end := time.Now().Add(10 * time.Second); !w.Watch.Valid(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.T.Fatal("the process never heard the log")
		}
	}
}

// In makes a subtest the one that fails.
func (w *World) In(t *testing.T) {
	was := w.T
	w.T = t
	t.Cleanup(func() { w.T = was })
}

// Must fails the test on an error.
func (w *World) Must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Refused fails the test unless err is want.
func (w *World) Refused(err, want error) {
	w.T.Helper()
	if !errors.Is(err, want) {
		w.T.Fatalf("got %v, want %v", err, want)
	}
}

// Events are the names of what happened to an account, oldest first.
func (w *World) Events(acc account.ID) string {
	w.T.Helper()
	var names []string
	for _, r := range w.Records(acc) {
		names = append(names, string(r.Action))
	}
	return strings.Join(names, " ")
}

// Records are what happened to an account, oldest first.
func (w *World) Records(acc account.ID) []audit.Record {
	w.T.Helper()
	recs, err := w.Log.ForAccount(context.Background(), w.DB, string(acc), "", 200)
	w.Must(err)
	slices.Reverse(recs)
	return recs
}

// Count counts rows.
func (w *World) Count(table string) (n int) {
	w.T.Helper()
	w.Must(w.DB.Get(context.Background(), `SELECT COUNT(*) FROM `+table).Scan(&n))
	return n
}

// Status is what the account may do as a whole.
func (w *World) Status(acc account.ID) account.Status {
	w.T.Helper()
	var a account.Account
	w.Must(w.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		a, err = w.Accounts.ByID(tx, acc)
		return err
	}))
	return a.Status
}

// SetStatus changes it behind everybody's back.
func (w *World) SetStatus(acc account.ID, s account.Status) {
	w.T.Helper()
	w.Must(w.DB.Housekeeping(context.Background(), func(tx *store.Tx) error {
		_, err := w.Accounts.SetStatus(tx, acc, s)
		return err
	}))
}

// Seal gives every event its place and verifies the whole log.
func (w *World) Seal() {
	w.T.Helper()
	ctx := context.Background()
	w.Must(audit.NewSealer(w.DB, w.Log, "", time.Now, nil).Seal(ctx))
	rep, err := w.Log.VerifyDB(ctx, w.DB)
	if err != nil {
		w.T.Fatalf("the log does not verify: %v (%v)", err, rep.Faults)
	}
}
