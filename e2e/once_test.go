package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/softkey"
)

// Two servers, one PostgreSQL. Whatever is good for one use is sent to both at once,
// every call is written down with the instants at which it began and ended, and a
// checker looks for an order of them that one server, doing one thing at a time,
// could have answered. Then the database is read.

const rivals = 8

// race lets rivals use one thing at once, half of them at each door, and then tries
// each door once more.
func (p *pair) race(n *notes, thing int, kind func(rival int) string, do func(door, rival int, kind string) (said, int, error)) {
	var g sync.WaitGroup
	at := make(chan struct{})
	for i := range rivals {
		g.Go(func() {
			<-at
			k := kind(i)
			n.call(i, use{thing: thing, kind: k}, func() (said, int, error) { return do(i%2, i, k) })
		})
	}
	close(at)
	g.Wait()
	for door := range p.doors {
		n.call(door, use{thing: thing, kind: "right"}, func() (said, int, error) { return do(door, rivals+door, "right") })
	}
	if n.ok[thing] != 1 {
		p.t.Errorf("thing %d was accepted %d times", thing, n.ok[thing])
	}
}

func right(int) string { return "right" }

func challenge(v string) string {
	h := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func TestTwoServersTakeWhatIsGoodOnceOnce(t *testing.T) {
	p := newPair(t)
	public, secret := p.app("none"), p.app("client_secret_basic")
	w := p.person("owner@example.org")
	if err := secret.greet(p.doors[0]); err != nil {
		t.Fatal(err)
	}
	public.nonce = secret.nonce
	t.Run("a code", func(t *testing.T) { p.in(t).codes(w, public) })
	t.Run("a request_uri", func(t *testing.T) { p.in(t).requests(w, public) })
	t.Run("the jti of a DPoP proof", func(t *testing.T) { p.in(t).proofs(secret) })
	t.Run("a refresh token bound to a key", func(t *testing.T) { p.in(t).chains(w, public, true) })
	t.Run("a refresh token of an app with a secret", func(t *testing.T) { p.in(t).chains(w, secret, false) })
	for _, door := range p.doors {
		door.stop()
	}
	p.doors[0].verify()
}

func (p *pair) in(t *testing.T) *pair { q := *p; q.t = t; return &q }

// A code: one of all who bring it gets tokens, and because others brought it too,
// those are worth nothing the moment the last one has been refused (RFC 9700 §4.5).
func (p *pair) codes(w *person, c *client) {
	const things = 6
	n := newNotes(p.t)
	var mu sync.Mutex
	got := map[int]tokens{}
	var hashes [][]byte
	for thing := range things {
		code := p.code(w, c)
		h := sha256.Sum256([]byte(code))
		hashes = append(hashes, h[:])
		p.race(n, thing, func(rival int) string {
			if rival == rivals-1 {
				return "another verifier"
			}
			return "right"
		}, func(door, rival int, kind string) (said, int, error) {
			v := verifier
			if kind != "right" {
				v = "a-verifier-of-somebody-who-only-saw-the-code-pass-by"
			}
			s := p.doors[door]
			a, err := c.post(s, "/oauth/token", fmt.Sprintf("198.51.%d.%d", thing, rival), c.proof(s, "/oauth/token", c.key), redeeming(code, v))
			if err == nil && a.status == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				var t tokens
				err = json.Unmarshal(a.body, &t)
				got[thing] = t
			}
			return a, 0, err
		})
	}
	n.judge(once)
	for thing, h := range hashes {
		why := one[string](p, "SELECT g.ended_why FROM oauth_code c JOIN session_grant g ON g.id = c.grt WHERE c.id = $1", h)
		if why != "code_replayed" {
			p.t.Errorf("code %d: its grant ended by %q", thing, why)
		}
		for _, s := range p.doors {
			a, err := c.post(s, "/oauth/token", "198.51.100.10", c.proof(s, "/oauth/token", c.key), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got[thing].Refresh}})
			if err != nil || a.word() != "invalid_grant" {
				p.t.Errorf("code %d: what it gave is still good: %d %s %v", thing, a.status, a.word(), err)
			}
			h := http.Header{"Authorization": {"DPoP " + got[thing].Access}}
			h.Set("DPoP", c.key.Proof(softkey.DPoP{Method: "GET", URL: s.origin + "/oauth/userinfo", Token: got[thing].Access, Nonce: c.nonce}, time.Now()))
			if a, err := s.send(http.MethodGet, "/oauth/userinfo", "198.51.100.10", h, nil); err != nil || a.word() != "invalid_token" {
				p.t.Errorf("code %d: its access token still opens: %d %s %v", thing, a.status, a.word(), err)
			}
		}
	}
	if given := one[int](p, "SELECT count(*) FROM session_grant WHERE client = $1", c.id); given != things {
		p.t.Errorf("%d codes gave %d grants", things, given)
	}
	soon(p.t, "each replayed code stands in the log, once", func() bool { return len(p.doors[0].events("grant.code_replayed")) == things })
}

// A request_uri: of all the tabs in which its person says yes, one makes the code.
func (p *pair) requests(w *person, c *client) {
	const things = 6
	before := one[int](p, "SELECT count(*) FROM oauth_code")
	n := newNotes(p.t)
	for thing := range things {
		uri, handle := p.push(c)
		p.race(n, thing, right, func(door, _ int, _ string) (said, int, error) {
			_, a, err := p.allow(door, w, handle)
			return a, 0, err
		})
		for door := range p.doors {
			if a, err := p.open(door, c, uri); err != nil || a.word() != "ask_gone" {
				p.t.Errorf("request %d opens again: %d %s %v", thing, a.status, a.word(), err)
			}
		}
	}
	n.judge(once)
	if made := one[int](p, "SELECT count(*) FROM oauth_code") - before; made != things {
		p.t.Errorf("%d requests made %d codes", things, made)
	}
	if left := one[int](p, "SELECT count(*) FROM oauth_ask"); left != 0 {
		p.t.Errorf("%d requests still wait", left)
	}
}

// A proof: the same header, word for word, is accepted at one of the doors.
func (p *pair) proofs(c *client) {
	const things = 10
	n := newNotes(p.t)
	for thing := range things {
		jti := fmt.Sprintf("proof-%d-%d", thing, rand.Uint64())
		proof := c.key.Proof(softkey.DPoP{Method: "POST", URL: p.doors[0].origin + "/oauth/token", Nonce: c.nonce, ID: jti}, time.Now())
		p.race(n, thing, right, func(door, rival int, _ string) (said, int, error) {
			a, err := c.post(p.doors[door], "/oauth/token", fmt.Sprintf("198.51.%d.%d", thing, rival), proof, url.Values{"grant_type": {"client_credentials"}})
			if err == nil && a.status >= 400 && a.status < 500 && a.word() != "invalid_dpop_proof" {
				err = fmt.Errorf("refused as %s", a.word())
			}
			return a, 0, err
		})
		h := sha256.Sum256([]byte(c.key.Thumbprint() + "|" + jti))
		if kept := one[int](p, "SELECT count(*) FROM session_jti WHERE id = $1", h[:]); kept != 1 {
			p.t.Errorf("proof %d stands in the table %d times", thing, kept)
		}
	}
	n.judge(once)
}

// A refresh token: clients that share one chain turn it at both doors, with the
// newest token they know of or an older one.
func (p *pair) chains(w *person, c *client, bound bool) {
	const things, clients, calls = 3, 5, 8
	n := newNotes(p.t)
	var starts []tokens
	for thing := range things {
		proof := ""
		if bound {
			proof = c.proof(p.doors[0], "/oauth/token", c.key)
		}
		a, err := c.post(p.doors[0], "/oauth/token", "198.51.100.11", proof, redeeming(p.code(w, c), verifier))
		var first tokens
		if err == nil {
			err = json.Unmarshal(a.body, &first)
		}
		if err != nil || first.Refresh == "" {
			p.t.Fatalf("chain %d: %v: %d %s", thing, err, a.status, a.body)
		}
		starts = append(starts, first)
	}
	var g sync.WaitGroup
	known := make([]*descent, things)
	for thing, first := range starts {
		known[thing] = &descent{of: map[int]string{1: first.Refresh}, last: 1}
		for id := range clients {
			g.Go(func() {
				r := rand.New(rand.NewPCG(rand.Uint64(), uint64(id)))
				for range calls {
					p.turn(n, c, known[thing], thing, id, bound, r)
				}
			})
		}
	}
	g.Wait()
	n.judge(chain)
	for thing, d := range known {
		if d.twins != "" {
			p.t.Errorf("chain %d: %s", thing, d.twins)
		}
		grant := one[string](p, "SELECT grt FROM session_family WHERE id = $1", family(starts[thing].Refresh))
		gen := one[int](p, "SELECT gen FROM session_family WHERE grt = $1", grant)
		// A retry writes nothing, so each event is a token that was accepted once.
		soon(p.t, "the log knows every turn, and no other", func() bool {
			turned := 0
			for _, e := range p.doors[thing%2].events("grant.refreshed") {
				if e.Target == grant {
					turned++
				}
			}
			return turned == gen-1
		})
		// One turn may have met the end: committed before it and answered after it, as
		// what it would have given was worth nothing by then.
		if gen != d.last && !(d.over && gen == d.last+1) {
			p.t.Errorf("chain %d: generation %d in the database, %d in hands", thing, gen, d.last)
		}
		why := one[string](p, "SELECT ended_why FROM session_grant WHERE id = $1", grant)
		if want := map[bool]string{true: "reuse"}[d.over]; why != want {
			p.t.Errorf("chain %d ended by %q, want %q", thing, why, want)
		}
		if marked := one[int64](p, "SELECT suspect_at FROM session_grant WHERE id = $1", grant) > 0; marked != d.thief {
			p.t.Errorf("chain %d: a thief came by: %v, and left a mark: %v", thing, d.thief, marked)
		}
	}
}

// turn is one call of a client.
func (p *pair) turn(n *notes, c *client, d *descent, thing, id int, bound bool, r *rand.Rand) {
	gen, token := d.pick(r, bound)
	u := use{thing: thing, kind: "right", gen: gen, reuses: !bound}
	s, key := p.doors[r.IntN(2)], c.key
	if bound && r.IntN(6) == 0 {
		u.kind, key = "a thief's key", softkey.NewBindingKey()
	}
	n.call(thing*10+id, u, func() (said, int, error) {
		proof := ""
		if bound {
			proof = c.proof(s, "/oauth/token", key)
		}
		a, err := c.post(s, "/oauth/token", fmt.Sprintf("198.51.%d.%d", thing, id), proof, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		if err != nil || a.status != http.StatusOK {
			d.refused(a.word(), bound)
			return a, 0, err
		}
		var next tokens
		if err := json.Unmarshal(a.body, &next); err != nil {
			return a, 0, err
		}
		return a, d.learn(next.Refresh), nil
	})
}

// descent are the tokens of one chain that anybody holds.
type descent struct {
	mu    sync.Mutex
	of    map[int]string
	last  int
	over  bool // it ended, by an answer
	thief bool // one came by, by an answer
	twins string
}

// pick takes the newest, or now and then an older one.
func (d *descent) pick(r *rand.Rand, bound bool) (int, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	back := r.IntN(2)
	if odds := map[bool]int{true: 4, false: 12}[bound]; r.IntN(odds) == 0 {
		back = 2 + r.IntN(2)
	}
	gen := max(1, d.last-back)
	return gen, d.of[gen]
}

func (d *descent) learn(token string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	gen := generation(token)
	if old, has := d.of[gen]; has && old != token {
		d.twins = fmt.Sprintf("one token has two children of generation %d", gen)
	}
	d.of[gen], d.last = token, max(d.last, gen)
	return gen
}

func (d *descent) refused(word string, bound bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = d.over || !bound && word == "invalid_grant"
	d.thief = d.thief || word == "invalid_dpop_proof"
}

// family is the second part of a refresh token.
func family(refresh string) string {
	_, rest, _ := strings.Cut(refresh, ".")
	id, _, _ := strings.Cut(rest, ".")
	return id
}
