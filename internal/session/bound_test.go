package session

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyward/internal/audit"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

const (
	newURL  = origin + "/session/bound/new"
	showURL = origin + "/session/bound"
)

// laptop is a browser that speaks DBSC: a client with a device key and its bound cookie.
type laptop struct {
	*client
	key    *prooftest.Key
	cookie string
	next   string
}

// registers sends the key of a registration for an offer.
func (c *client) registers(k *prooftest.Key, o Offer) (Shown, error) {
	p, err := proof.ReadRegistration(k.Registration(o.Challenge, o.Authorization), proof.DeviceWant{URL: newURL})
	if err != nil {
		return Shown{}, err
	}
	return c.w.s.BindDevice(context.Background(), store.Cause{Actor: "anonymous", Addr: c.addr}, c.iss.Access, p, c.addr)
}

// laptop has signed in and bound its session; the first seconds are over.
func (p *person) laptop(how ...begin) *laptop {
	p.w.t.Helper()
	l := &laptop{client: p.signIn(how...), key: prooftest.NewKey()}
	out, err := l.registers(l.key, p.w.s.Offer(l.iss.Session))
	p.w.must(err)
	l.cookie, l.next = out.Cookie, out.Next
	p.w.clock.sleep(bindGrace)
	return l
}

// show sends a JWT to the refresh endpoint.
func (c *client) show(jwt, refresh string) (Shown, error) {
	return c.w.s.ShowDevice(context.Background(), store.Cause{Actor: "anonymous", Addr: c.addr},
		Show{Session: c.iss.Session, JWT: jwt, URL: showURL, Refresh: refresh, Addr: c.addr})
}

// shows is what the browser does by itself: sign the challenge it has, and when that is
// not taken the one of the answer.
func (l *laptop) shows() error {
	for range 2 {
		out, err := l.show(l.key.Device(l.next), l.iss.Refresh)
		if err == nil {
			if l.cookie = out.Cookie; !out.Over {
				l.next = out.Next
			}
			return nil
		}
		if !errors.Is(err, ErrBoundChallenge) {
			return err
		}
		l.next = out.Next
	}
	return ErrBoundChallenge
}

func (l *laptop) checks(cookie string) error {
	_, err := l.w.s.CheckBrowser(context.Background(), l.iss.Access, cookie, l.addr)
	return err
}

func (l *laptop) rotates(cookie, jkt string) error {
	r := Refresh{Presented: l.iss.Refresh, JKT: jkt, Addr: l.addr, Bound: cookie, Skipped: "quota_exceeded"}
	if jkt != "" {
		r.JTI = jti()
	}
	iss, err := l.w.s.Rotate(context.Background(), store.Cause{Actor: "anonymous", Addr: l.addr}, r)
	if err == nil {
		l.iss = iss
	}
	return err
}

func (l *laptop) lapsed() bool {
	var at int64
	l.w.must(l.w.db.Get(context.Background(), `SELECT lapsed_at FROM session_session WHERE id = $1`, string(l.iss.Session)).Scan(&at))
	return at != 0
}

// forgedTag is a cookie with another tag.
func forgedTag(cookie string) string {
	i := strings.LastIndexByte(cookie, '.') + 1
	other := byte('A')
	if cookie[i] == 'A' {
		other = 'B'
	}
	return cookie[:i] + string(other) + cookie[i+1:]
}

func TestABoundSessionNeedsItsCookie(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.person().laptop(bound)
		if f := l.facts(); f.events != "session.bound" || l.session().DeviceJKT != l.key.JKT() {
			t.Fatalf("bound: %+v, %+v", f, l.session())
		}
		w.must(l.checks(l.cookie))
		w.refused(l.checks(""), ErrBoundMissing)
		w.refused(l.check(), ErrBoundMissing) // an API request with the cookie's token
		w.refused(l.checks(forgedTag(l.cookie)), ErrBoundMissing)
		w.must(l.rotates(l.cookie, l.jkt))

		// The right WebCrypto key and every token, without the device: refused, marked
		// once, told once; and the owner goes on.
		for range 3 {
			w.refused(l.rotates("", l.jkt), ErrBoundMissing)
		}
		if f := l.facts(); !l.lapsed() || f.ended != "" || f.suspect || strings.Count(f.events, "session.lapsed") != 1 {
			t.Errorf("after a lapse the database says %+v", f)
		}
		w.must(l.rotates(l.cookie, l.jkt))

		// The cookie of another session, whose device lives, is none.
		other := w.person().laptop(bound)
		w.refused(l.checks(other.cookie), ErrBoundMissing)
		w.refused(l.rotates(other.cookie, l.jkt), ErrBoundMissing)

		// A touch gives the session new tokens and keeps its key. Copies of those would be
		// news again.
		iss, err := l.stepUp(l.jkt)
		w.must(err)
		l.iss = iss
		w.must(l.checks(l.cookie))
		w.refused(l.checks(""), ErrBoundMissing)
		w.refused(l.rotates("", l.jkt), ErrBoundMissing)
		if f := l.facts(); strings.Count(f.events, "session.lapsed") != 2 {
			t.Errorf("after a touch a lapse leaves %q", f.events)
		}

		// It ends, and only the device key gets another one.
		w.clock.sleep(boundLife + boundLate)
		w.refused(l.rotates(l.cookie, l.jkt), ErrBoundMissing)
		w.must(l.shows())
		w.must(l.rotates(l.cookie, l.jkt))
		w.must(l.checks(l.cookie))
	})
}

// Who has the whole profile, WebCrypto key and live cookie, has nothing in another
// network. The owner who moved shows the device key and goes on.
func TestABoundCookieStaysInItsNetwork(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.person().laptop(bound)
		l.addr = away
		w.refused(l.checks(l.cookie), ErrProofMissing) // the access token says so first
		w.refused(l.rotates(l.cookie, l.jkt), ErrBoundMissing)
		w.must(l.shows())
		w.must(l.rotates(l.cookie, l.jkt))
		w.must(l.checks(l.cookie))
	})
}

// An unbound session, of a browser without IndexedDB, is bound by its device key alone.
func TestADeviceKeyBindsWithoutWebCrypto(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.person().laptop()
		w.refused(l.checks(""), ErrBoundMissing)
		w.refused(l.rotates("", ""), ErrBoundMissing)
		if f := l.facts(); f.ended != "" {
			t.Errorf("the session ended: %+v", f)
		}
		w.must(l.rotates(l.cookie, ""))
		w.must(l.checks(l.cookie))
	})
}

// What the browser had sent before it had its cookie is let in, for ten seconds.
func TestWhatWasOnItsWayIsLetIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		_, err := c.registers(prooftest.NewKey(), w.s.Offer(c.iss.Session))
		w.must(err)
		w.must(c.check())
		w.clock.sleep(bindGrace - time.Second)
		w.must(c.check())
		w.clock.sleep(time.Second)
		w.refused(c.check(), ErrBoundMissing)
		w.refused(c.refresh(), ErrBoundMissing)
	})
}

// Who copied all but the device's key and is as quick as that: the refresh is let in, as
// one on its way would be, and what it gives opens nothing. The owner's browser gets the
// same tokens as from a retry and goes on.
func TestWhatIsMintedAfterTheBindingWasNotOnItsWay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := &laptop{client: w.person().signIn(bound), key: prooftest.NewKey()}
		out, err := l.registers(l.key, w.s.Offer(l.iss.Session))
		w.must(err)
		w.clock.sleep(time.Second)
		twin := *l.client
		copied := &laptop{client: &twin}
		w.must(copied.rotates("", l.jkt))
		w.refused(copied.checks(""), ErrBoundMissing)
		w.must(l.check())
		w.must(l.rotates(out.Cookie, l.jkt))
		w.must(l.checks(out.Cookie))
	})
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		c, other := p.signIn(bound), p.signIn(bound, elsewhere)
		app := p.signIn(app, elsewhere)
		k := prooftest.NewKey()
		o, foreign := w.s.Offer(c.iss.Session), w.s.Offer(other.iss.Session)
		late := w.s.Offer(c.iss.Session)
		refused := func(name string, c *client, o Offer) {
			t.Helper()
			before := c.facts()
			if _, err := c.registers(k, o); !errors.Is(err, ErrBoundRefused) {
				t.Errorf("%s: %v", name, err)
			}
			if after := c.facts(); after != before || c.session().DeviceJKT != "" && c.session().DeviceJKT != k.JKT() {
				t.Errorf("%s changed something: %+v", name, after)
			}
		}
		refused("a challenge of our own making", c, Offer{b64.EncodeToString(make([]byte, 40)), o.Authorization})
		refused("an authorization of our own making", c, Offer{o.Challenge, "kwd_" + string(c.iss.Session) + "." + b64.EncodeToString(make([]byte, 24))})
		refused("the challenge of another session", c, Offer{foreign.Challenge, o.Authorization})
		refused("the authorization of another session", c, Offer{o.Challenge, foreign.Authorization})
		refused("the invitation of another session", c, foreign)
		refused("a challenge that is no invitation", c, Offer{w.s.challenge(useShow, c.iss.Session, w.clock.now().Add(time.Minute)), o.Authorization})
		refused("the session of an app", app, w.s.Offer(app.iss.Session))
		naked := *c
		naked.iss.Access = ""
		refused("an invitation without the cookie", &naked, o)
		away := *c
		away.addr = netip.MustParseAddr("198.51.100.77")
		refused("an invitation and a cookie that were carried to another network", &away, o)
		spent := *c
		iss, err := c.stepUp(c.jkt)
		w.must(err)
		c.iss = iss
		refused("an invitation with a cookie from before a step-up", &spent, w.s.Offer(c.iss.Session))
		w.clock.sleep(offerLife)
		refused("an invitation that is over", c, late)

		o = w.s.Offer(c.iss.Session)
		w.must(c.refresh())
		_, err = c.registers(k, o)
		w.must(err)
		refused("the same once more", c, o)
		refused("the same key with another invitation", c, w.s.Offer(c.iss.Session))

		w.must(other.end(EndedByOwner))
		refused("a session that has ended", other, w.s.Offer(other.iss.Session))
	})
}

// Two registrations with one invitation, or with two: one key is bound.
func TestOneKeyIsBound(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		var g sync.WaitGroup
		var mu sync.Mutex // guards won
		won := 0
		same := w.s.Offer(c.iss.Session)
		for i := range 8 {
			o := same
			if i%2 == 1 {
				o = w.s.Offer(c.iss.Session)
			}
			g.Go(func() {
				if _, err := c.registers(prooftest.NewKey(), o); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		g.Wait()
		if f := c.facts(); won != 1 || f.events != "session.bound session.contested" || f.ended != EndedContested {
			t.Errorf("%d keys were bound, %+v", won, f)
		}
	})
}

// Whoever copied the first cookie and the invitation may be first. The browser that
// signed in then sends its own key, and nobody has the session.
func TestASecondKeyEndsTheSessionForBoth(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		c, other := p.signIn(bound), p.signIn(bound, elsewhere)
		o, owner, thief := w.s.Offer(c.iss.Session), prooftest.NewKey(), prooftest.NewKey()
		out, err := c.registers(thief, o)
		w.must(err)
		grant := c.gives("app_1")
		far := *c
		far.addr = netip.MustParseAddr("198.51.100.77")
		if _, err := far.registers(owner, o); !errors.Is(err, ErrBoundRefused) || c.facts().ended != "" {
			t.Fatalf("a key from another network: %v, %+v", err, c.facts())
		}
		if _, err := c.registers(owner, o); !errors.Is(err, ErrBoundRefused) {
			t.Fatalf("a second key: %v", err)
		}
		if f := c.facts(); f.ended != EndedContested || f.events != "grant.given session.bound session.contested" {
			t.Errorf("%+v", f)
		}
		if why := w.grantEnded(grant); why != EndedContested {
			t.Errorf("what an app was given meanwhile: %q", why)
		}
		if _, err := w.s.CheckBrowser(context.Background(), c.iss.Access, out.Cookie, c.addr); err == nil {
			t.Error("who was first is still in")
		}
		w.must(other.check())
		if _, err := c.registers(prooftest.NewKey(), o); !errors.Is(err, ErrBoundRefused) || c.facts().events != "grant.given session.bound session.contested" {
			t.Errorf("a third key: %v, %+v", err, c.facts())
		}
	})
}

// After a lapse the touch begins anew, and what was given to apps meanwhile ends: a copy of
// all but the device's key may have given it.
func TestALapseTakesTheAppsAlong(t *testing.T) {
	for _, row := range []struct {
		name   string
		lapses bool
		how    func(lapsed ID) begin
		ended  string
		apps   string
	}{
		{"the touch page, in the same browser", true, func(id ID) begin { return func(b *Begin) { b.JKT, b.Instead = "key-of-the-owner", id } }, EndedLapsed, EndedLapsed},
		{"the touch page, with the device's cookie lost", true, func(id ID) begin { return func(b *Begin) { bound(b); elsewhere(b); b.Instead = id } }, EndedLapsed, EndedLapsed},
		{"a sign-in of the same browser that passed by the touch page", true, func(ID) begin { return bound }, EndedLapsed, EndedLapsed},
		{"a sign-in of the same browser, and nothing had lapsed", false, func(ID) begin { return bound }, EndedReplaced, ""},
		{"a sign-in elsewhere", true, func(ID) begin { return elsewhere }, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				p := w.person()
				l, away := p.laptop(bound), p.signIn(bound, func(b *Begin) { b.Device = "dev_of_another_place" })
				before, others := l.gives("app_1"), away.gives("app_2")
				if row.lapses {
					w.refused(l.rotates("", l.jkt), ErrBoundMissing)
				}
				p.signIn(row.how(l.iss.Session))
				if f := l.facts(); f.ended != row.ended {
					t.Errorf("the session ended by %q", f.ended)
				}
				if why := w.grantEnded(before); why != row.apps {
					t.Errorf("the app ended by %q", why)
				}
				if why := w.grantEnded(others); why != "" {
					t.Errorf("an app of another session ended by %q", why)
				}
			})
		})
	}
}

// A bound cookie is looked at beside the session that the browser has, and no other.
func TestABoundCookieLivesForItsOwnSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		l, other := p.laptop(bound), p.laptop(bound, elsewhere)
		lives := func(cookie string, of *laptop, addr netip.Addr) bool {
			return w.s.BoundLives(context.Background(), cookie, of.iss.Refresh, addr)
		}
		if !lives(l.cookie, l, l.addr) {
			t.Error("a good cookie does not live")
		}
		for name, dead := range map[string]bool{
			"another session's":   lives(other.cookie, l, l.addr),
			"of another network":  lives(l.cookie, l, netip.MustParseAddr("198.51.100.77")),
			"with a forged tag":   lives(forgedTag(l.cookie), l, l.addr),
			"without any session": w.s.BoundLives(context.Background(), l.cookie, "", l.addr),
		} {
			if dead {
				t.Errorf("a cookie %s lives", name)
			}
		}
	})
}

// gives lets an app in, in this session.
func (c *client) gives(app string) (id GrantID) {
	c.w.t.Helper()
	c.w.must(c.w.update("grant.given", c.p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
		g, effects, err := c.w.s.Give(tx, NewGrant{Session: c.session(), Client: app, Scope: "read", Audience: origin, JKT: "key-of-the-app", Life: time.Hour})
		id = g.ID
		return effects, err
	}))
	return id
}

func (w *world) grantEnded(id GrantID) (why string) {
	w.t.Helper()
	w.must(w.db.Get(context.Background(), `SELECT ended_why FROM session_grant WHERE id = $1`, string(id)).Scan(&why))
	return why
}

func TestProofsOfADeviceThatAreRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		l, other := p.laptop(bound), p.laptop(bound, elsewhere)
		asked := func(name, jwt string) (next string) {
			t.Helper()
			out, err := l.show(jwt, l.iss.Refresh)
			if !errors.Is(err, ErrBoundChallenge) || out.Cookie != "" || out.Next == "" {
				t.Errorf("%s: %v, cookie %q", name, err, out.Cookie)
			}
			return out.Next
		}
		first := asked("nothing", "")
		asked("a foreign challenge", l.key.Device(other.next))
		asked("a challenge of its own", l.key.Device("c1"))
		asked("the challenge of an invitation", l.key.Device(w.s.Offer(l.iss.Session).Challenge))
		spent := l.next
		w.must(l.shows())
		asked("a challenge that was spent", l.key.Device(spent))
		w.clock.sleep(challengeLife)
		asked("a challenge that is over", l.key.Device(first))
		if f := l.facts(); f.suspect {
			t.Errorf("the owner's own browser is suspected: %+v", f)
		}

		// Somebody who knows the id of the session learns nothing and harms nobody.
		stranger := prooftest.NewKey()
		next := asked("nothing", "")
		for _, refresh := range []string{"", other.iss.Refresh, "kwr_1.x"} {
			if _, err := l.show(stranger.Device(next), refresh); !errors.Is(err, ErrBoundRefused) {
				t.Errorf("a stranger's key: %v", err)
			}
		}
		if f := l.facts(); f.suspect {
			t.Errorf("a stranger makes the owner suspect: %+v", f)
		}
		// Somebody with the session's own token and another key is a thief.
		for range 3 {
			if _, err := l.show(stranger.Device(next), l.iss.Refresh); !errors.Is(err, ErrBoundRefused) {
				t.Errorf("a thief's key: %v", err)
			}
		}
		if f := l.facts(); !f.suspect || f.ended != "" || strings.Count(f.events, "session.suspect") != 1 {
			t.Errorf("a thief's key leaves %+v", f)
		}
		w.must(l.shows())

		// A session that no browser bound looks like one that never was.
		plain := p.signIn(bound, elsewhere)
		out, _ := plain.show("", plain.iss.Refresh)
		if _, err := plain.show(stranger.Device(out.Next), plain.iss.Refresh); !errors.Is(err, ErrBoundRefused) {
			t.Errorf("a session without a device key: %v", err)
		}
		if _, err := w.s.ShowDevice(context.Background(), store.Cause{}, Show{Session: "ses_x", Addr: home}); !errors.Is(err, ErrBoundRefused) {
			t.Errorf("no id at all: %v", err)
		}
	})
}

// One challenge answered eight times at once gives one cookie.
func TestAChallengeIsSpentOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.person().laptop(bound)
		jwt := l.key.Device(l.next)
		var g sync.WaitGroup
		var mu sync.Mutex // guards won
		won := 0
		for range 8 {
			g.Go(func() {
				if _, err := l.show(jwt, l.iss.Refresh); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		g.Wait()
		if won != 1 {
			t.Errorf("%d cookies for one challenge", won)
		}
	})
}

// However a session ended, its browser hears that it is over; and so does a browser in
// which another one has begun, or it would write one session's cookie over the other's.
func TestABrowserHearsThatItsSessionIsOver(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(l *laptop)
	}{
		{"ended by its owner", func(l *laptop) { l.w.must(l.end(EndedByOwner)) }},
		{"with everything", func(l *laptop) { l.p.endAll() }},
		{"by age", func(l *laptop) { l.w.clock.sleep(25 * time.Hour) }},
		{"by idleness", func(l *laptop) { l.w.clock.sleep(61 * time.Minute) }},
		{"replaced in this browser", func(l *laptop) { l.iss.Refresh = l.p.signIn(bound).iss.Refresh }},
		{"another account in this browser", func(l *laptop) { l.iss.Refresh = l.w.person().signIn(bound).iss.Refresh }},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				l := w.person().laptop(bound)
				c.end(l)
				out, err := l.show(l.key.Device(l.next), l.iss.Refresh)
				if errors.Is(err, ErrBoundChallenge) {
					out, err = l.show(l.key.Device(out.Next), l.iss.Refresh)
				}
				if err != nil || !out.Over || out.Cookie != "" {
					t.Errorf("gave %+v, %v", out, err)
				}
			})
		})
	}
}

func TestBoundCookiesAreNotPrinted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.person().laptop(bound)
		out := Shown{Session: l.iss.Session, Cookie: l.cookie}
		for _, text := range printed(out, &out, Show{Refresh: l.iss.Refresh}, Refresh{Bound: l.cookie}) {
			if strings.Contains(text, l.cookie) || strings.Contains(text, l.iss.Refresh) {
				t.Errorf("printed: %s", text)
			}
		}
	})
}

// Whatever is done in whatever order: without a cookie that lives, that the device key
// got and that was given out to this very network, nothing is let in. A book of three
// lines says so beside it.
func TestBoundMachine(t *testing.T) {
	clock := newClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, clock)
		rapid.Check(t, func(t *rapid.T) {
			p := w.person()
			l := p.laptop(remembered)
			type given struct {
				cookie string
				at     time.Time
				addr   netip.Addr
			}
			jar := []given{{l.cookie, clock.now().Add(-bindGrace), home}}
			stranger := prooftest.NewKey()
			ended := false
			good := func(g given) bool {
				return g.cookie != "" && clock.now().Before(g.at.Add(boundLife+boundLate)) && g.addr == l.addr
			}
			any := func() given {
				if rapid.Bool().Draw(t, "no cookie") {
					return given{}
				}
				return rapid.SampledFrom(jar).Draw(t, "cookie")
			}
			t.Repeat(map[string]func(*rapid.T){
				"sleep": func(t *rapid.T) {
					clock.sleep(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
				},
				"move": func(t *rapid.T) { l.addr = rapid.SampledFrom([]netip.Addr{home, away}).Draw(t, "to") },
				"show": func(t *rapid.T) {
					if err := l.shows(); err != nil {
						t.Fatalf("the device key is refused: %v", err)
					}
					if !ended {
						jar = append(jar, given{l.cookie, clock.now(), l.addr})
					} else if l.cookie != "" {
						t.Fatal("a cookie for a session that has ended")
					}
				},
				"show another key": func(t *rapid.T) {
					if out, err := l.show(stranger.Device(l.next), ""); err == nil || out.Cookie != "" {
						t.Fatalf("another key is taken: %v", err)
					}
				},
				"register again": func(t *rapid.T) {
					if rapid.IntRange(0, 4).Draw(t, "really") != 0 {
						return
					}
					if _, err := l.registers(stranger, w.s.Offer(l.iss.Session)); !errors.Is(err, ErrBoundRefused) {
						t.Fatalf("a second key is bound: %v", err)
					}
					// With an access token that is over it is nobody's, and nothing ends.
					ended = ended || l.facts().ended == EndedContested
				},
				"refresh": func(t *rapid.T) {
					g := any()
					switch err := l.rotates(g.cookie, l.jkt); {
					case ended:
						if !errors.Is(err, ErrRefreshInvalid) {
							t.Fatalf("after the end: %v", err)
						}
					case good(g) != (err == nil), err != nil && !errors.Is(err, ErrBoundMissing):
						t.Fatalf("a refresh with a cookie that is good: %v: %v", good(g), err)
					}
				},
				"look": func(t *rapid.T) {
					g := any()
					if err := l.checks(g.cookie); err == nil && (!good(g) || ended) {
						t.Fatal("let in")
					}
				},
				"end": func(t *rapid.T) {
					if !ended && rapid.IntRange(0, 4).Draw(t, "really") == 0 {
						w.must(l.end(EndedByOwner))
						ended = true
					}
				},
			})
		})
	}, storetest.WithNow(func() time.Time { return clock.now() }))
}

func FuzzParseBound(f *testing.F) {
	mac := keyringtest.NewTestRing(f).MAC("session/bound")
	cookie := encodeBound(mac, boundToken{"ses_1", strings.Repeat("a", jktLen), 7, 9})
	f.Add(cookie)
	f.Add("kwb_ses_1...")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := parseBound(mac, text); ok && (text != cookie || encodeBound(mac, got) != text) {
			t.Errorf("%q is taken for %+v", text, got)
		}
	})
}
