package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"keyward/gatekit"
	"keyward/internal/keyring"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// gates are two `keyward gate` processes in front of one API, beside the server, on one
// PostgreSQL.
type gates struct {
	t     *testing.T
	s     *killable
	doors [2]*gateProcess
	login string // database address of the first gate

	database, safe, upstreamKey string
	calls                       atomic.Int64 // of the API behind them
	feed                        feed         // its streams
	key                         gatekit.Key  // of the gates and the API
}

type gateProcess struct {
	t         *testing.T
	bin, conf string
	origin    string
	cmd       *exec.Cmd
	said      bytes.Buffer
	client    *http.Client
}

const apiName = "api.example.com"

func newGates(t *testing.T) *gates {
	t.Helper()
	return newGatesWith(t, gatesOf{database: storetest.EmptyPostgresURL(t)})
}

// gatesOf is what stories change.
type gatesOf struct {
	database string
	grace    [2]string // "": none
	log      string    // level; "": warn
}

func newGatesWith(t *testing.T, of gatesOf) *gates {
	t.Helper()
	database := of.database
	g := &gates{t: t, s: newKillable(t, database), database: database}
	if of.log != "" {
		conf, err := os.ReadFile(g.s.conf)
		if err == nil {
			err = os.WriteFile(g.s.conf, bytes.Replace(conf, []byte("log: {level: warn}"), []byte("log: {level: "+of.log+"}"), 1), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(t.TempDir(), "upstream.key")
	if err := os.WriteFile(secret, []byte(base64.StdEncoding.EncodeToString(keyring.Random(32))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := gatekit.ReadKeyFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	g.key = key
	upstream := httptest.NewServer(gatekit.NewVerifier(key).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/stream" {
			g.feed.ServeHTTP(w, r)
			return
		}
		g.calls.Add(1)
		w.WriteHeader(http.StatusCreated)
	}), 1<<20))
	t.Cleanup(upstream.Close)
	g.s.start()
	safe := filepath.Join(t.TempDir(), "gate.keys")
	g.safe, g.upstreamKey = safe, secret
	if out, err := exec.Command(g.s.bin, "-c", g.s.conf, "keys", "gate", safe).CombinedOutput(); err != nil {
		t.Fatalf("keys gate: %v\n%s", err, out)
	}
	for i := range g.doors {
		port := freePort(t)
		d := &gateProcess{t: t, bin: g.s.bin, conf: filepath.Join(t.TempDir(), "gate.yaml"), origin: "http://127.0.0.1:" + port, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
		base, err := os.ReadFile(g.s.conf)
		if err != nil {
			t.Fatal(err)
		}
		// With a login of its own and nothing but the key file of gates.
		conf := fmt.Sprintf(`%s
gate:
  key_file: %q
  grace: %s
  listen: 127.0.0.1:%s
  authority: %s
  upstream: %s
  upstream_key_file: %q
  routes:
    - {method: GET, path: /v1/balance, scope: read.account}
    - {method: POST, path: /v1/orders, scope: trade.spot}
    - {method: DELETE, path: "/v1/orders/{id}", scope: trade.cancel}
    - {method: GET, path: /v1/stream, scope: read.account, stream: true}
  streams: {total: 2000, per_key: 1000}
  peers: [127.0.0.1]
`, g.asGate(string(base), database), safe, cmp.Or(of.grace[i], "0s"), port, apiName, upstream.URL, secret)
		if err := os.WriteFile(d.conf, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		g.doors[i] = d
		d.start()
	}
	return g
}

// asGate is the configuration of a gate as the documents say it should run: with a login
// of its own that has no rights but those of deploy/sql/gate-role.sql, and without the
// root key.
func (g *gates) asGate(base, database string) string {
	t := g.t
	t.Helper()
	script, err := os.ReadFile("../deploy/sql/gate-role.sql")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	login := strings.ToLower("gate_" + keyring.NewID("t", time.Now())[1:])
	for _, q := range []string{string(script), "CREATE ROLE " + login + " LOGIN PASSWORD 'only in this test' IN ROLE keyward_gate"} {
		if _, err := c.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		c, err := pgx.Connect(context.Background(), database)
		if err == nil {
			defer c.Close(context.Background())
			_, err = c.Exec(context.Background(), "DROP ROLE "+login)
		}
		if err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(login, "only in this test")
	if q := u.Query(); q.Has("user") { // which would win
		q.Set("user", login)
		u.RawQuery = q.Encode()
	}
	if g.login == "" {
		g.login = u.String()
	}
	var out []string
	for line := range strings.Lines(base) {
		switch key, _, _ := strings.Cut(line, ":"); key {
		case "database":
			line = fmt.Sprintf("database: {url: %q}\n", u)
		case "key_file":
			line = fmt.Sprintf("key_file: %q\n", filepath.Join(t.TempDir(), "not here"))
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// rootKey is the server's file.
func (g *gates) rootKey() string { return filepath.Join(filepath.Dir(g.s.conf), "root.key") }

func (d *gateProcess) start() {
	d.t.Helper()
	d.cmd = exec.Command(d.bin, "gate", "-c", d.conf)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d.cmd.Stderr, d.cmd.Stdout = &d.said, &d.said
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = d.cmd.Process.Signal(syscall.SIGCONT)
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if d.t.Failed() {
			d.t.Logf("a gate said:\n%s", d.said.String())
		}
	})
	soon(d.t, "the gate answers", func() bool {
		res, err := d.client.Get(d.origin + "/v1/time")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	})
}

func (d *gateProcess) kill() {
	d.t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Fatal(err)
	}
	_ = d.cmd.Wait()
	d.client.CloseIdleConnections()
}

// answers sends a request as it stands and says what came back.
func (d *gateProcess) answers(r *http.Request, body string) (int, string) {
	status, code, _ := d.hears(r, body)
	return status, code
}

// hears also says for how long nobody vouched for the answer; "" when somebody did.
func (d *gateProcess) hears(r *http.Request, body string) (status int, code, stale string) {
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = io.NopCloser(bytes.NewReader([]byte(body))), int64(len(body))
	c.URL.Host = d.origin[len("http://"):]
	res, err := d.client.Do(c)
	if err != nil {
		return 0, err.Error(), ""
	}
	defer res.Body.Close()
	var told struct{ Code string }
	b, _ := io.ReadAll(res.Body)
	_ = json.Unmarshal(b, &told)
	return res.StatusCode, told.Code, res.Header.Get("Keyward-Stale")
}

// touch is the owner's, for one act.
func (a *app) touch(act, object string) error {
	purpose := map[string]any{"act": act, "object": object}
	var begun struct{ Options json.RawMessage }
	if err := a.call("POST", "/step-up", a.have.Access, a.bind, purpose, &begun); err != nil {
		return err
	}
	cred, err := a.browser().Get(begun.Options)
	if err != nil {
		return err
	}
	purpose["credential"] = json.RawMessage(cred)
	next := a.have
	if err := a.call("POST", "/step-up/finish", a.have.Access, a.bind, purpose, &next); err != nil {
		return err
	}
	next.by = a.bind
	a.have = next
	return nil
}

// bot makes a key that trades from this machine.
func (a *app) makesBot(purpose string) (*softkey.Bot, error) {
	return a.makesBotAt(purpose, "127.0.0.1")
}

// makesBotAt is makesBot for one that trades from elsewhere.
func (a *app) makesBotAt(purpose, addr string) (*softkey.Bot, error) {
	bot := softkey.NewBot(apiName)
	in := map[string]any{"purpose": purpose, "public_key": base64.StdEncoding.EncodeToString(bot.Public()), "scopes": []string{"read.account", "trade.spot", "trade.cancel"}, "addresses": []string{addr}, "per_minute": 60000}
	var made struct{ Key struct{ ID string } }
	var no *refusal
	err := a.call("POST", "/keys", a.have.Access, a.bind, in, &made)
	if !errors.As(err, &no) || no.code != "step_up_required" {
		return nil, fmt.Errorf("a key without a touch: %v", err)
	}
	if err := a.touch(no.purpose["act"], no.purpose["object"]); err != nil {
		return nil, err
	}
	if err := a.call("POST", "/keys", a.have.Access, a.bind, in, &made); err != nil {
		return nil, err
	}
	bot.ID = made.Key.ID
	return bot, nil
}

func signed(bot *softkey.Bot, method, path, body string) *http.Request {
	r, err := http.NewRequest(method, "http://gate"+path, nil)
	if err != nil {
		panic(err) // made here
	}
	bot.Sign(r, []byte(body), time.Now())
	return r
}

// One captured order, five thousand times at both gates, one of which is killed and
// started anew in the middle.
func TestACapturedOrderIsTakenOnceByTwoGates(t *testing.T) {
	g := newGates(t)
	owner := g.s.app(1)
	owner.must(owner.signUp())
	bot, err := owner.makesBot("grid bot")
	owner.must(err)
	const order = `{"symbol":"BTC-USD"}`
	r := signed(bot, "POST", "/v1/orders", order)
	var in, replayed, other atomic.Int64
	send := func(n int) {
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := range n / 16 {
					switch status, code := g.doors[(w+i)%2].answers(r, order); {
					case status == http.StatusCreated:
						in.Add(1)
					case code == "REPLAYED":
						replayed.Add(1)
					case code == "TIMESTAMP_OUTSIDE_WINDOW" || status == 0: // too late by now, or the gate that was killed
						other.Add(1)
					default:
						t.Errorf("%d %s", status, code)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	send(2500)
	g.doors[0].kill()
	g.doors[0].start()
	send(2500)
	if in.Load() != 1 || g.calls.Load() != 1 {
		t.Errorf("let in %d times, the API was called %d times", in.Load(), g.calls.Load())
	}
	t.Logf("%d replayed, %d too late", replayed.Load(), other.Load())
}

// What was ended is refused by every gate for every request that starts after the
// answer: 300 keys under load, and then 200 at once. KEYWARD_GATE_REVOKES makes it more.
func TestNoGateLetsAnEndedKeyIn(t *testing.T) {
	g := newGates(t)
	revokes := 300
	if n, err := strconv.Atoi(os.Getenv("KEYWARD_GATE_REVOKES")); err == nil {
		revokes = n
	}
	// Ten at a time. More owners for more keys, and an address for each key, because what
	// an account may ask for in a minute, and an address that proves nothing, has an end: a
	// good key that is refused for that shows nothing.
	const atATime = 10
	owners := atATime * (1 + revokes/1000)
	place := func(i int) string { return fmt.Sprintf("10.%d.%d.7", i/250, i%250) }
	var late, let, asked atomic.Int64
	people := make([]*app, owners)
	var wg sync.WaitGroup
	for n := range people {
		wg.Go(func() {
			people[n] = g.s.app(10 + n)
			if err := people[n].signUp(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	// One key's life: let in at both gates, asked for all the time, ended, refused.
	life := func(a *app, bot *softkey.Bot, addr string) {
		balance := func() *http.Request {
			r := signed(bot, "GET", "/v1/balance", "")
			r.Header.Set("X-Forwarded-For", addr)
			return r
		}
		for _, d := range g.doors {
			if status, code := d.answers(balance(), ""); status != http.StatusCreated {
				t.Errorf("a good key: %d %s", status, code)
			}
		}
		var ended atomic.Bool
		stop := make(chan struct{})
		var asking sync.WaitGroup
		for _, d := range g.doors {
			asking.Go(func() {
				for {
					after := ended.Load()
					status, _ := d.answers(balance(), "")
					asked.Add(1)
					switch {
					case status == http.StatusCreated && after:
						late.Add(1)
					case status == http.StatusCreated:
						let.Add(1)
					}
					select {
					case <-stop:
						return
					case <-time.After(3 * time.Millisecond):
					}
				}
			})
		}
		if err := a.call("DELETE", "/keys/"+bot.ID, a.have.Access, a.bind, nil, nil); err != nil {
			t.Error(err)
		}
		ended.Store(true)
		time.Sleep(50 * time.Millisecond)
		close(stop)
		asking.Wait()
	}
	start := time.Now()
	for n := range atATime {
		wg.Go(func() {
			for i := n; i < revokes; i += atATime {
				a := people[i%owners]
				bot, err := a.makesBotAt(fmt.Sprintf("bot %d", i), place(i))
				if err != nil {
					t.Error(err)
					return
				}
				life(a, bot, place(i))
			}
		})
	}
	wg.Wait()
	t.Logf("%d ended one after another in %v: %d requests, %d let in before", revokes, time.Since(start).Round(time.Millisecond), asked.Load(), let.Load())

	const atOnce = 200
	bots := make([]*softkey.Bot, atOnce)
	for n, a := range people {
		wg.Go(func() {
			for i := n; i < atOnce; i += owners {
				var err error
				if bots[i], err = a.makesBotAt(fmt.Sprintf("together %d", i), place(revokes+i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	start = time.Now()
	for i, bot := range bots {
		mine := *people[i%owners] // a call keeps the nonce it is given
		wg.Go(func() { life(&mine, bot, place(revokes+i)) })
	}
	wg.Wait()
	t.Logf("%d ended at once in %v: %d requests", atOnce, time.Since(start).Round(time.Millisecond), asked.Load())
	if late.Load() != 0 {
		t.Errorf("%d requests were let in after the end of their key was acknowledged", late.Load())
	}
	if let.Load() == 0 {
		t.Error("no request was ever let in: nothing was tested")
	}
}

// A gate that is stopped past its lease, twenty times, and goes on: it refuses what was
// ended meanwhile.
func TestAGateThatWasStoppedRefusesWhatEndedMeanwhile(t *testing.T) {
	g := newGates(t)
	a := g.s.app(90)
	a.must(a.signUp())
	for i := range 20 {
		bot, err := a.makesBot(fmt.Sprintf("sleeper %d", i))
		a.must(err)
		d := g.doors[i%2]
		if status, code := d.answers(signed(bot, "GET", "/v1/balance", ""), ""); status != http.StatusCreated {
			t.Fatalf("a good key: %d %s", status, code)
		}
		a.must(d.cmd.Process.Signal(syscall.SIGSTOP))
		err = a.call("DELETE", "/keys/"+bot.ID, a.have.Access, a.bind, nil, nil)
		r := signed(bot, "GET", "/v1/balance", "")
		a.must(d.cmd.Process.Signal(syscall.SIGCONT))
		a.must(err)
		if status, code := d.answers(r, ""); status == http.StatusCreated {
			t.Errorf("%d: let in after its end was acknowledged", i)
		} else if code != "AUTH_FAILED" {
			t.Errorf("%d %s", status, code)
		}
	}
}

// What whoever takes a gate over may do in the database, and what not.
func TestAGatesRoleCanDoNothingElse(t *testing.T) {
	g := newGates(t)
	owner := g.s.app(1)
	owner.must(owner.signUp())
	bot, err := owner.makesBot("grid bot")
	owner.must(err)
	if status, code := g.doors[0].answers(signed(bot, "POST", "/v1/orders", "{}"), "{}"); status != http.StatusCreated {
		t.Fatalf("%d %s", status, code)
	}
	c, err := pgx.Connect(t.Context(), g.login)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, q := range []string{
		"SELECT payload FROM audit_event", "SELECT * FROM audit_event", "SELECT * FROM account_contact", "SELECT * FROM session_session", "SELECT * FROM store_meta",
		"SELECT * FROM device_key", "INSERT INTO audit_event (id) VALUES ('evt_1')", "UPDATE apikey_key SET scopes = 'withdraw'", "UPDATE apikey_key SET used_at = 1",
		"DELETE FROM apikey_replay", "DELETE FROM apikey_use", "DELETE FROM apikey_key", "INSERT INTO apikey_key (id) VALUES ('k')", "UPDATE apikey_version SET public = NULL",
		"DELETE FROM audit_pending", "UPDATE account_account SET status = 'active'", "DELETE FROM apikey_sighting", "SELECT addr FROM apikey_sighting", "CREATE TABLE mine (x int)",
		"UPDATE audit_lease SET id = 'x'", "TRUNCATE audit_lease",
		"SELECT external_id FROM account_account", "SELECT phrase FROM account_account", "SELECT because FROM account_hold", "SELECT made_addr, made_agent FROM apikey_key",
		"CREATE FUNCTION upper(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1'",
	} {
		_, err := c.Exec(t.Context(), q)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v, want: no permission", q, err)
		}
	}
	// Leases of others: they are seen, and neither moved on nor made nor deleted.
	var others int
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM audit_lease WHERE NOT starts_with(id, current_user || '/')").Scan(&others); err != nil || others < 2 {
		t.Fatalf("%d leases of others, %v; want those of the server and of the other gate", others, err)
	}
	tag, err := c.Exec(t.Context(), "UPDATE audit_lease SET n = n + 100 WHERE NOT starts_with(id, current_user || '/')")
	if err != nil || tag.RowsAffected() != 0 {
		t.Errorf("moved %d leases of others on, %v", tag.RowsAffected(), err)
	}
	if _, err := c.Exec(t.Context(), "INSERT INTO audit_lease (id, n, at) VALUES ('server/lea_1', 9, 9)"); err == nil {
		t.Error("made a lease in another's name")
	}
	if _, err := c.Exec(t.Context(), "DELETE FROM audit_lease"); err == nil {
		t.Error("deleted leases")
	}
}

// A gate's role writes no row that nothing would ever sweep, none of a size that would fill
// a server's memory, and none that makes an old request good again.
func TestAGatesRoleWritesOnlyWhatAGateWrites(t *testing.T) {
	g := newGates(t)
	owner := g.s.app(1)
	owner.must(owner.signUp())
	bot, err := owner.makesBot("grid bot")
	owner.must(err)
	c, err := pgx.Connect(t.Context(), g.login)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	const now = "(extract(epoch FROM now()) * 1000000)::bigint"
	const year = "31536000000000"
	for what, q := range map[string]string{
		"a claim for a year":             "INSERT INTO apikey_replay VALUES ('\\x00112233445566778899aabbccddeeff', '\\x00112233445566778899aabbccddeeff', " + now + " + " + year + ")",
		"a claim of a megabyte":          "INSERT INTO apikey_replay VALUES ('\\x00112233445566778899aabbccddeeff', convert_to(repeat('x', 1000000), 'UTF8'), " + now + ")",
		"a use of next year":             "INSERT INTO apikey_use VALUES ('k', " + now + " + " + year + ", '', 'read', '', 1)",
		"a use with a long answer":       "INSERT INTO apikey_use VALUES ('k', " + now + ", '', 'read', repeat('x', 1000000), 1)",
		"a sighting of a megabyte":       "INSERT INTO apikey_sighting VALUES ('a', 'first', 'k', repeat('x', 1000000), " + now + ", 1)",
		"a sighting of what nobody sees": "INSERT INTO apikey_sighting VALUES ('a', 'quarantine', 'k', '', " + now + ", 1)",
		"a sighting before all others":   "INSERT INTO apikey_sighting VALUES ('a', 'first', 'k', '', 0, 1)",
		"a lease that is never old":      "INSERT INTO audit_lease VALUES (current_user || '/x', 1, " + now + " + " + year + ")",
	} {
		var pg *pgconn.PgError
		if _, err := c.Exec(t.Context(), q); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v, want: no permission", what, err)
		}
	}
	// Its leases are few.
	made := 0
	for i := range 1100 {
		if _, err := c.Exec(t.Context(), "INSERT INTO audit_lease VALUES (current_user || '/' || $1, 1, "+now+")", fmt.Sprint(i)); err != nil {
			break
		}
		made++
	}
	if made < 900 || made > 1000 {
		t.Errorf("a gate made %d leases", made)
	}
	// A nonce grows and does not shrink.
	for _, q := range []string{"INSERT INTO apikey_nonce VALUES ('k', 7)", "UPDATE apikey_nonce SET high = 8 WHERE key_id = 'k'"} {
		if _, err := c.Exec(t.Context(), q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
	if _, err := c.Exec(t.Context(), "UPDATE apikey_nonce SET high = 3 WHERE key_id = 'k'"); err == nil {
		t.Error("a nonce shrank")
	}
	// What an old story says stays as it is.
	o, err := pgx.Connect(t.Context(), g.database)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close(context.Background())
	if _, err := o.Exec(t.Context(), "INSERT INTO apikey_use VALUES ('k', 60000000, '198.51.100.9', 'read', '', 1)"); err != nil {
		t.Fatal(err)
	}
	if tag, err := c.Exec(t.Context(), "UPDATE apikey_use SET n = 0 WHERE minute < "+now+" - "+year); err != nil || tag.RowsAffected() != 0 {
		t.Errorf("changed %d lines of an old story, %v", tag.RowsAffected(), err)
	}
	// And the gate works as before.
	for i, d := range g.doors {
		if status, code := d.answers(signed(bot, "POST", "/v1/orders", "{}"), "{}"); status != http.StatusCreated {
			t.Errorf("gate %d: %d %s", i, status, code)
		}
	}
}
