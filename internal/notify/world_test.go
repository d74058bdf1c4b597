package notify

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/job"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// world is one exchange: its log, its accounts, its mails, and a clock that the
// test moves.
type world struct {
	t        *testing.T
	db       *store.DB
	log      *audit.Log
	accounts *account.Service
	sealer   *audit.Sealer
	clock    *clock
	post     *postOffice
	service  *Service
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond) // ids of different moments sort
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// postOffice catches mails, and can be made to fail.
type postOffice struct {
	*Catcher
	mu   sync.Mutex          // guards fail
	fail func(Message) error // nil: takes everything; called one at a time
}

func (p *postOffice) Send(ctx context.Context, m Message) error {
	p.mu.Lock() // failures may count
	defer p.mu.Unlock()
	if p.fail != nil {
		if err := p.fail(m); err != nil {
			return err
		}
	}
	return p.Catcher.Send(ctx, m)
}

func (p *postOffice) failWith(f func(Message) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
}

// each runs a story on every database.
func each(t *testing.T, story func(w *world)) {
	c := &clock{at: time.Date(2026, 3, 7, 3, 20, 0, 0, time.UTC)}
	storetest.Each(t, func(t *testing.T, db *store.DB) { story(newWorld(t, db, c)) }, storetest.WithNow(c.now))
}

func newWorld(t *testing.T, db *store.DB, c *clock) *world {
	ring := keyringtest.NewTestRing(t)
	w := &world{t: t, db: db, clock: c, log: audit.New(ring), post: &postOffice{Catcher: NewCatcher()}}
	w.accounts = account.New(w.log, ring)
	w.sealer = audit.NewSealer(db, w.log, "", time.Now, nil)
	var err error
	w.service, err = New(Parts{DB: db, Log: w.log, Ring: ring, Accounts: w.accounts, Mailer: w.post},
		Config{Origin: "https://login.exchange.example", Brand: "Example Exchange", Brands: map[string]string{"kr": "예시 거래소"}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func by(acc account.ID) store.Cause {
	return store.Cause{Actor: "account:" + string(acc), Addr: netip.MustParseAddr("203.0.113.7"), Request: "8F3K-21"}
}

// does appends one event about an account and returns its id.
func (w *world) does(acc account.ID, action audit.Action, target string, payload map[string]string) (id string) {
	w.t.Helper()
	w.ok(w.db.Update(w.t.Context(), by(acc), func(tx *store.Tx) (err error) {
		id, err = w.log.Append(tx, audit.Event{Action: action, Account: string(acc), Target: target, Payload: payload})
		return err
	}))
	return id
}

// signsUp makes an account that claims an address.
func (w *world) signsUp(mail, lang string) (acc account.Account) {
	w.t.Helper()
	w.ok(w.db.Update(w.t.Context(), by(""), func(tx *store.Tx) (err error) {
		if acc, err = w.accounts.Create(tx, account.NewAccount{Mail: mail, Lang: lang}); err != nil {
			return err
		}
		_, err = w.log.Append(tx, audit.Event{
			Action: "account.created", Account: string(acc.ID), Target: string(acc.ID),
			Payload: map[string]string{"agent": "Firefox on Linux", "mail": mail},
		})
		return err
	}))
	return acc
}

// owner is an account with a confirmed address and an empty mailbox.
func (w *world) owner(mail, lang string) account.Account {
	w.t.Helper()
	acc := w.signsUp(mail, lang)
	w.confirms(w.contact(acc.ID, mail))
	w.settles()
	w.empties()
	return acc
}

func (w *world) contact(acc account.ID, mail string) (found account.Contact) {
	w.t.Helper()
	w.ok(w.db.View(w.t.Context(), func(tx *store.Tx) error {
		contacts, err := w.accounts.Contacts(tx, acc)
		for _, c := range contacts {
			if c.Value == mail {
				found = c
			}
		}
		return err
	}))
	if found.ID == "" {
		w.t.Fatalf("no contact %s", mail)
	}
	return found
}

// confirms follows the link a contact would get.
func (w *world) confirms(c account.Contact) {
	w.t.Helper()
	token := w.accounts.VerifyToken(c.ID, w.clock.now())
	w.ok(w.db.Update(w.t.Context(), by(c.Account), func(tx *store.Tx) error {
		_, err := w.accounts.ConfirmContact(tx, token)
		return err
	}))
}

func (w *world) adds(acc account.ID, mail string) (c account.Contact) {
	w.t.Helper()
	w.ok(w.db.Update(w.t.Context(), by(acc), func(tx *store.Tx) (err error) {
		if c, err = w.accounts.AddContact(tx, acc, mail); err != nil {
			return err
		}
		_, err = w.log.Append(tx, audit.Event{Action: "contact.added", Account: string(acc), Target: c.ID, Payload: map[string]string{"mail": mail}})
		return err
	}))
	return c
}

func (w *world) removes(c account.Contact) {
	w.t.Helper()
	w.ok(w.db.Update(w.t.Context(), by(c.Account), func(tx *store.Tx) error {
		if _, err := w.accounts.RemoveContact(tx, c.Account, c.ID); err != nil {
			return err
		}
		_, err := w.log.Append(tx, audit.Event{Action: "contact.removed", Account: string(c.Account), Target: c.ID, Payload: map[string]string{"mail": c.Value}})
		return err
	}))
}

// follows takes in all sealed events.
func (w *world) follows() {
	w.t.Helper()
	w.ok(w.sealer.Seal(w.t.Context()))
	for {
		n, err := w.service.follower().Follow(w.t.Context())
		w.ok(err)
		if n == 0 {
			return
		}
	}
}

// works runs the real runner until no job is due at this moment.
func (w *world) works() {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	runner := job.NewRunner(w.db, slog.New(slog.NewTextHandler(io.Discard, nil)), map[string]job.Handler{JobKind: w.service.Deliver})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = runner.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var due int
		w.ok(w.db.Get(w.t.Context(), `SELECT count(*) FROM job_job WHERE state = 'due' AND (run_at <= $1 OR lease <> '')`, store.Micros(w.clock.now())).Scan(&due))
		if due == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d jobs are still due", due)
		}
	}
}

func (w *world) settles() { w.t.Helper(); w.follows(); w.works() }

// got lists "kind-of-subject → address" of all mails, oldest first.
func (w *world) got() (out []string) {
	mails := w.post.Mails()
	slices.Reverse(mails)
	for _, m := range mails {
		out = append(out, m.To+": "+m.Subject)
	}
	return out
}

func (w *world) empties() { w.post.Catcher.mu.Lock(); w.post.mails = nil; w.post.Catcher.mu.Unlock() }

func (w *world) wants(mails ...string) {
	w.t.Helper()
	if got := w.got(); !slices.Equal(got, mails) {
		w.t.Errorf("mails:\n got %q\nwant %q", got, mails)
	}
}

// told lists "kind state" of an account's mails, oldest first.
func (w *world) told(acc account.ID) (out []string) {
	w.t.Helper()
	w.ok(w.db.View(w.t.Context(), func(tx *store.Tx) error {
		lines, err := w.service.Told(tx, acc, 100)
		for _, l := range lines {
			out = append(out, string(l.Kind)+" "+string(l.State))
		}
		return err
	}))
	slices.Reverse(out)
	return out
}
