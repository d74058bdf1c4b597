package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

const origin = "https://auth.example.com"

var (
	home = netip.MustParseAddr("203.0.113.7")
	away = netip.MustParseAddr("198.51.100.9")

	firefox = device.UserAgent{Browser: "Firefox", System: "Linux"}
)

// clock is a test's own time.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// tally counts what the meters count.
type tally struct{ retry, superseded, mismatch, unbound, snapshot atomic.Int64 }

func (t *tally) metrics() Metrics {
	one := func(n *atomic.Int64) func() { return func() { n.Add(1) } }
	return Metrics{
		Retry: one(&t.retry), Superseded: one(&t.superseded), Mismatch: one(&t.mismatch),
		Reuse: func(class string) {
			if class == "snapshot" {
				t.snapshot.Add(1)
			} else {
				t.unbound.Add(1)
			}
		},
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("retry %d, superseded %d, mismatch %d, reuse %d unbound %d snapshot",
		t.retry.Load(), t.superseded.Load(), t.mismatch.Load(), t.unbound.Load(), t.snapshot.Load())
}

// world is one deployment: a database, its keys and one process.
type world struct {
	t        testing.TB
	clock    *clock // nil: the real one
	db       *store.DB
	ring     *keyring.Ring
	log      *audit.Log
	accounts *account.Service
	devices  *device.Service
	s        *Service
	met      *tally
}

// each tells one story on every database, with a clock of its own.
func each(t *testing.T, story func(t *testing.T, w *world)) {
	t.Helper()
	c := newClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) { story(t, newWorld(t, db, c)) }, storetest.WithNow(func() time.Time { return c.now() }))
}

func newWorld(t testing.TB, db *store.DB, c *clock) *world {
	t.Helper()
	now := time.Now
	if c != nil {
		now = c.now
	}
	ring := keyringtest.Open(t, keyringtest.KEK(t), new(keyringtest.Shelf), now)
	return process(t, db, ring, c, nil)
}

// process is one more process over a database and its keys.
func process(t testing.TB, db *store.DB, ring *keyring.Ring, c *clock, fresh func() bool) *world {
	t.Helper()
	w := &world{t: t, clock: c, db: db, ring: ring, log: audit.New(ring), met: new(tally)}
	w.accounts = account.New(w.log, ring)
	var err error
	w.devices, err = device.New(device.Config{RPID: "example.com", RPName: "Example", Origins: []string{origin}, Now: db.Now}, ring, w.log)
	w.must(err)
	w.s = New(db, ring, w.log, DefaultLifetimes(), fresh, w.met.metrics())
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// refused fails the test unless err is want.
func (w *world) refused(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Fatalf("got %v, want %v", err, want)
	}
}

func (w *world) update(action audit.Action, acc account.ID, f func(tx *store.Tx) ([]audit.Effect, error)) error {
	return w.db.Update(context.Background(), store.Cause{Actor: "account:" + string(acc), Addr: home}, func(tx *store.Tx) error {
		effects, err := f(tx)
		if err != nil {
			return err
		}
		_, err = w.log.Append(tx, audit.Event{Action: action, Account: string(acc), Target: "test", Effects: effects})
		return err
	})
}

// person is an account with one passkey, in front of one browser.
type person struct {
	w       *world
	acc     account.Account
	browser *softkey.Browser
	dev     device.Device
	key     device.Key
}

func (w *world) person() *person {
	w.t.Helper()
	p := &person{w: w, browser: &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}}
	handle := keyring.Random(account.HandleLen)
	reg := device.RegisterFor{Handle: handle, UserName: "kim@example.com"}
	options, err := w.devices.BeginRegister(reg, "browser")
	w.must(err)
	answer, err := p.browser.Create(options)
	w.must(err)
	att, err := w.devices.ParseRegister(context.Background(), reg, "browser", answer)
	w.must(err)
	cookie := device.NewCookie()
	w.must(w.update("account.created", "", func(tx *store.Tx) ([]audit.Effect, error) {
		if p.acc, err = w.accounts.Create(tx, account.NewAccount{Handle: handle}); err != nil {
			return nil, err
		}
		if p.dev, _, err = w.devices.Meet(tx, p.acc.ID, cookie, firefox); err != nil {
			return nil, err
		}
		p.key, err = w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
		return nil, err
	}))
	return p
}

// touch verifies a touch; the Proof is for the transaction that follows.
func (p *person) touch(act device.Act, session string) *device.Assertion {
	p.w.t.Helper()
	acc := p.acc.ID
	if act.Kind == device.ActSignIn {
		acc = ""
	}
	options, err := p.w.devices.BeginAssert(act, acc, session)
	p.w.must(err)
	answer, err := p.browser.Get(options)
	p.w.must(err)
	as, err := p.w.devices.ParseAssert(context.Background(), p.w.db, act, acc, session, "", answer)
	p.w.must(err)
	return as
}

// client is a browser or app with what it was handed out.
type client struct {
	p    *person
	w    *world
	iss  Issued
	jkt  string
	addr netip.Addr
}

// begin changes how somebody signs in.
type begin func(*Begin)

func bound(b *Begin)      { b.JKT = "key-of-the-owner" }
func remembered(b *Begin) { b.JKT, b.Remember = "key-of-the-owner", true }
func app(b *Begin)        { b.Kind, b.JKT = API, "key-of-the-app" }

// elsewhere is another browser of the same person.
func elsewhere(b *Begin) { b.Device = device.ID(keyring.NewID("dev_", time.Now())) }

func (p *person) signIn(how ...begin) *client {
	p.w.t.Helper()
	c := &client{p: p, w: p.w, addr: home}
	as := p.touch(device.Act{Kind: device.ActSignIn}, "")
	p.w.must(p.w.update("session.started", p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
		proof, err := p.w.devices.Prove(tx, as)
		if err != nil {
			return nil, err
		}
		b := Begin{Account: p.acc.ID, Device: p.dev.ID, Kind: Web, Proof: &proof, Addr: home, Agent: firefox}
		for _, f := range how {
			f(&b)
		}
		c.jkt = b.JKT
		var effects []audit.Effect
		c.iss, effects, err = p.w.s.Start(tx, b)
		return effects, err
	}))
	return c
}

// at is the same client talking to another process.
func (c client) at(w *world) *client { c.w = w; return &c }

var proofs atomic.Int64

// jti is the id of a fresh proof.
func jti() string { return fmt.Sprintf("jti-%d", proofs.Add(1)) }

// present shows a refresh token together with a fresh proof of a key.
func (c *client) present(token, jkt string) (Issued, error) {
	r := Refresh{Presented: token, JKT: jkt, Addr: c.addr}
	if jkt != "" {
		r.JTI = jti()
	}
	return c.w.s.Rotate(context.Background(), store.Cause{Actor: "anonymous", Addr: c.addr}, r)
}

// refresh is what an honest client does: present, keep what comes back.
func (c *client) refresh() error {
	iss, err := c.present(c.iss.Refresh, c.jkt)
	if err == nil {
		c.iss = iss
	}
	return err
}

func (c *client) check() error { _, err := c.live(); return err }

func (c *client) live() (Live, error) {
	proved := ""
	if strings.HasPrefix(c.jkt, "key-of-the-app") {
		proved = c.jkt
	}
	return c.w.s.Check(context.Background(), c.iss.Access, c.addr, proved)
}

// session reads the session as it stands.
func (c *client) session() (ses Session) {
	c.w.t.Helper()
	c.w.must(c.w.db.View(context.Background(), func(tx *store.Tx) (err error) {
		ses, err = c.w.s.ByID(tx, c.p.acc.ID, c.iss.Session)
		return err
	}))
	return ses
}

func (c *client) end(why string) error {
	return c.w.update("session.ended", c.p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
		return c.w.s.End(tx, c.p.acc.ID, c.iss.Session, why)
	})
}

func (p *person) endAll() {
	p.w.t.Helper()
	p.w.must(p.w.update("sessions.ended_all", p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
		return p.w.s.EndAll(tx, p.acc.ID, EndedAll)
	}))
}

// stepUp is the owner's touch on the session: new secrets.
func (c *client) stepUp(jkt string) (iss Issued, err error) {
	as := c.p.touch(device.Act{Kind: device.ActConfirmMe}, string(c.iss.Session))
	err = c.w.update("session.stepped_up", c.p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
		proof, err := c.w.devices.Prove(tx, as)
		if err != nil {
			return nil, err
		}
		var effects []audit.Effect
		iss, effects, err = c.w.s.Elevate(tx, Session{ID: c.iss.Session, Account: c.p.acc.ID}, proof, jkt, false, c.addr)
		return effects, err
	})
	return iss, err
}

// facts are what the database says about a client's session and family.
type facts struct {
	gen     int64
	ended   string // why the session ended, "" while it lives
	suspect bool
	events  string // what was logged about the account since, sorted
}

// facts reads the database again, whatever anybody was told.
func (c *client) facts() facts {
	c.w.t.Helper()
	t, ok := c.w.s.parseRefresh(c.iss.Refresh)
	if !ok {
		c.w.t.Fatalf("not a token of ours: %q", c.iss.Refresh)
	}
	var f facts
	var suspect int64
	c.w.must(c.w.db.Get(context.Background(), `SELECT f.gen, s.ended_why, s.suspect_at
FROM session_family f JOIN session_session s ON s.id = f.session WHERE f.id = $1`, t.family).Scan(&f.gen, &f.ended, &suspect))
	f.suspect = suspect != 0
	recs, err := c.w.log.ForAccount(context.Background(), c.w.db, string(c.p.acc.ID), "", 100)
	c.w.must(err)
	var names []string
	for _, r := range recs {
		if r.Action != "session.started" && r.Action != "account.created" {
			names = append(names, string(r.Action))
		}
	}
	f.events = sorted(strings.Join(names, " "))
	return f
}

// sorted is a list of words in one order: the clock of a test stands still, and
// events of one instant have none.
func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// exec is somebody at the database itself.
func (w *world) exec(q string, args ...any) {
	w.t.Helper()
	w.must(w.db.Housekeeping(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	}))
}

// printed is every usual way to put a value into a log.
func printed(values ...any) (out []string) {
	for _, v := range values {
		var b strings.Builder
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		out = append(out, b.String(), fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v))
	}
	return out
}
