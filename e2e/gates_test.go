package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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
	calls atomic.Int64 // of the API behind them
	feed  feed         // its streams
	key   gatekit.Key  // of the gates and the API
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
	g := &gates{t: t, s: newKillable(t, storetest.EmptyPostgresURL(t))}
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
	for i := range g.doors {
		port := freePort(t)
		d := &gateProcess{t: t, bin: g.s.bin, conf: filepath.Join(t.TempDir(), "gate.yaml"), origin: "http://127.0.0.1:" + port, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
		base, err := os.ReadFile(g.s.conf)
		if err != nil {
			t.Fatal(err)
		}
		conf := fmt.Sprintf(`%s
gate:
  listen: 127.0.0.1:%s
  authority: %s
  upstream: %s
  upstream_key_file: %q
  routes:
    - {method: GET, path: /v1/balance, scope: read.account}
    - {method: POST, path: /v1/orders, scope: trade.spot}
    - {method: GET, path: /v1/stream, scope: read.account, stream: true}
  streams: {total: 2000, per_key: 1000}
  peers: [127.0.0.1]
`, base, port, apiName, upstream.URL, secret)
		if err := os.WriteFile(d.conf, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		g.doors[i] = d
		d.start()
	}
	return g
}

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
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = io.NopCloser(bytes.NewReader([]byte(body))), int64(len(body))
	c.URL.Host = d.origin[len("http://"):]
	res, err := d.client.Do(c)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	var told struct{ Code string }
	b, _ := io.ReadAll(res.Body)
	_ = json.Unmarshal(b, &told)
	return res.StatusCode, told.Code
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
	bot := softkey.NewBot(apiName)
	in := map[string]any{"purpose": purpose, "public_key": base64.StdEncoding.EncodeToString(bot.Public()), "scopes": []string{"read.account", "trade.spot"}, "addresses": []string{"127.0.0.1"}, "per_minute": 60000}
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
// answer, also by one that was stopped meanwhile and goes on past its lease.
func TestNoGateLetsAnEndedKeyIn(t *testing.T) {
	g := newGates(t)
	const owners, each = 4, 12
	var late atomic.Int64
	var wg sync.WaitGroup
	for n := range owners {
		wg.Go(func() {
			a := g.s.app(10 + n)
			if err := a.signUp(); err != nil {
				t.Error(err)
				return
			}
			for i := range each {
				bot, err := a.makesBot(fmt.Sprintf("bot %d", i))
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range g.doors {
					if status, code := d.answers(signed(bot, "GET", "/v1/balance", ""), ""); status != http.StatusCreated {
						t.Errorf("a good key: %d %s", status, code)
					}
				}
				var ended atomic.Bool
				stop := make(chan struct{})
				var asking sync.WaitGroup
				for _, d := range g.doors {
					asking.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
							}
							after := ended.Load()
							if status, _ := d.answers(signed(bot, "GET", "/v1/balance", ""), ""); after && status == http.StatusCreated {
								late.Add(1)
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
		})
	}
	wg.Wait()

	// A gate that is stopped past its lease and continued.
	a := g.s.app(90)
	a.must(a.signUp())
	for i := range 5 {
		bot, err := a.makesBot(fmt.Sprintf("sleeper %d", i))
		a.must(err)
		d := g.doors[1]
		if status, code := d.answers(signed(bot, "GET", "/v1/balance", ""), ""); status != http.StatusCreated {
			t.Fatalf("a good key: %d %s", status, code)
		}
		a.must(d.cmd.Process.Signal(syscall.SIGSTOP))
		err = a.call("DELETE", "/keys/"+bot.ID, a.have.Access, a.bind, nil, nil)
		r := signed(bot, "GET", "/v1/balance", "")
		a.must(d.cmd.Process.Signal(syscall.SIGCONT))
		a.must(err)
		if status, code := d.answers(r, ""); status == http.StatusCreated {
			late.Add(1)
		} else if code != "AUTH_FAILED" {
			t.Errorf("%d %s", status, code)
		}
	}
	if late.Load() != 0 {
		t.Errorf("%d requests were let in after the end of their key was acknowledged", late.Load())
	}
}
