package staff

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

const (
	home = "https://ops.example.com"
	rpID = "ops.example.com"
)

var cause = store.Cause{Actor: "anonymous", Addr: netip.MustParseAddr("203.0.113.9"), Request: "TEST-0001"}

// world is one process of a deployment with a clock of its own.
type world struct {
	t     *testing.T
	clock *signintest.Clock
	db    *store.DB
	log   *audit.Log
	s     *Service
}

// each tells one story on every database.
func each(t *testing.T, story func(w *world)) {
	t.Helper()
	clock := signintest.NewClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ring := keyringtest.Open(t, keyringtest.KEK(t), db, db.Now)
		w := &world{t: t, clock: clock, db: db, log: audit.New(ring)}
		var err error
		w.s, err = New(db, ring, w.log, device.Config{RPID: rpID, RPName: "Example operators", Origins: []string{home}})
		w.must(err)
		story(w)
	}, storetest.WithNow(func() time.Time { return clock.Now() }))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ctx() context.Context { return context.Background() }

// person is an operator with a browser.
type person struct {
	w       *world
	browser *softkey.Browser
	Entered
}

// join follows a link.
func (w *world) join(secret string) *person {
	w.t.Helper()
	p := &person{w: w, browser: &softkey.Browser{Origin: home, Keys: new(softkey.Authenticator)}}
	options, err := w.s.JoinOptions(w.ctx(), secret)
	w.must(err)
	answer, err := p.browser.Create(options)
	w.must(err)
	p.Entered, err = w.s.Join(w.ctx(), cause, secret, answer)
	w.must(err)
	return p
}

// first is the admin of the first start.
func (w *world) first() *person {
	w.t.Helper()
	inv, made, err := w.s.Bootstrap(w.ctx())
	w.must(err)
	if !made {
		w.t.Fatal("no link for the first admin")
	}
	return w.join(inv.Secret)
}

// touch answers for an act, tricks included.
func (p *person) touch(act device.Act, tricks ...softkey.Trick) (*Touch, error) {
	p.w.t.Helper()
	options, err := p.w.s.TouchOptions(p.Live, act)
	p.w.must(err)
	answer, err := p.browser.Get(options, tricks...)
	p.w.must(err)
	return p.w.s.Touched(p.w.ctx(), p.Live, act, answer)
}

func (p *person) sure(act device.Act) *Touch {
	p.w.t.Helper()
	t, err := p.touch(act)
	p.w.must(err)
	return t
}

// invite makes one more operator.
func (p *person) invite(name string, roles ...Role) *person {
	p.w.t.Helper()
	inv, err := p.w.s.Invite(p.w.ctx(), cause, p.Live, name, roles, "a new colleague", p.sure(InviteAct(name, roles, "a new colleague")))
	p.w.must(err)
	return p.w.join(inv.Secret)
}

var diff = []Change{{Field: "publisher", From: "not verified", To: "example.org"}}

// ask requests a change of a client.
func (p *person) ask(target string) (Request, error) {
	return p.w.s.Ask(p.w.ctx(), cause, p.Live, VerifyPublisher, target, diff, "the owner showed a DNS record", p.sure(AskAct(VerifyPublisher, target, diff, "the owner showed a DNS record")))
}

func (p *person) approve(id RequestID, do Act) (Request, error) {
	return p.w.s.Approve(p.w.ctx(), cause, p.Live, id, "I looked it up too", p.sure(ApproveAct(id, "I looked it up too")), do)
}

// verified is what a domain does when its request is approved: its own object moves
// on, and it says so.
func verified(n *int) Act {
	return func(_ *store.Tx, r Request) ([]audit.Effect, error) {
		*n++
		return []audit.Effect{{Kind: "client", ID: r.Target, Version: 2}}, nil
	}
}

func (w *world) state(p *person, id RequestID) Request {
	w.t.Helper()
	r, err := w.s.Request(w.ctx(), p.Live, id)
	w.must(err)
	return r
}

// events of an action, oldest first.
func (w *world) events(a audit.Action) (all []audit.Record) {
	w.t.Helper()
	w.must(w.db.View(w.ctx(), func(tx *store.Tx) error {
		rows, err := tx.Rows(`SELECT id FROM audit_event WHERE action = $1 ORDER BY id`, string(a))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r audit.Record
			if err := rows.Scan(&r.ID); err != nil {
				return err
			}
			all = append(all, r)
		}
		return rows.Err()
	}))
	for i := range all {
		r, err := w.log.ByID(w.ctx(), w.db, all[i].ID)
		w.must(err)
		all[i] = r
	}
	return all
}
