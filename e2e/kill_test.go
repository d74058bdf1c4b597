package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// The server is killed with kill -9 in the middle of whatever it does: turning
// refresh tokens for eight apps, signing people in, ending sessions. It starts
// again, each app sends the last token it has, which may have been spent by an
// answer that never came, and
//
//   - no session is lost: the same child comes back, or the next one (I3),
//   - none is resurrected: what was acknowledged as ended stays refused (I1),
//   - the log verifies, and says exactly what happened (I5, I6).
//
// KEYWARD_KILLS is how often (20 in make test, 4 otherwise; 500 for a long run).
func TestKilledAnywhere(t *testing.T) {
	kills := 20
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") != "1" {
		kills = 4
	}
	if s := os.Getenv("KEYWARD_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "keyward.db") },
		"PostgreSQL": storetest.EmptyPostgresURL,
	} {
		t.Run(name, func(t *testing.T) { killed(t, address(t), kills/2) })
	}
}

// sealedAfter: two seconds of silence let another process seal (internal/audit).
const sealedAfter = 3 * time.Second

func killed(t *testing.T, url string, kills int) {
	s := newKillable(t, url)
	s.start()
	const clients = 8
	apps := make([]*app, clients)
	for i := range apps {
		apps[i] = s.app(i)
		apps[i].must(apps[i].signUp())
	}
	var over []tokens // of sessions whose end was acknowledged
	refreshes, retries := 0, 0
	for round := range kills {
		stop, ended := make(chan struct{}), make(chan tokens, 2000)
		// One that is sure to be acknowledged: on PostgreSQL the first end after a
		// kill waits until the lease of the dead process has run out.
		s.app(5000+round).comeAndGo(apps[0], stop, ended, 1)
		var g sync.WaitGroup
		for _, a := range apps {
			a.turns = 0
			g.Go(func() { a.refreshUntil(stop) })
		}
		g.Go(func() { s.app(1000+round).comeAndGo(apps[0], stop, ended, 1000) })

		time.Sleep(time.Duration(50+rand.IntN(500)) * time.Millisecond)
		s.kill()
		close(stop)
		g.Wait()
		close(ended)
		for e := range ended {
			over = append(over, e)
		}

		s.start()
		for _, a := range apps {
			refreshes += a.turns
			if a.unsure {
				retries++
			}
			if err := a.refresh(); err != nil {
				t.Fatalf("kill %d: an app lost its session: %v", round+1, err)
			}
			if err := a.whoAmI(); err != nil {
				t.Fatalf("kill %d: an app's new access token: %v", round+1, err)
			}
		}
		for _, e := range over[max(0, len(over)-20):] {
			s.app(0).refused(e)
		}
	}
	for _, e := range over {
		s.app(0).refused(e)
	}
	if strings.HasPrefix(url, "postgres") { // the killed one may have held the seal
		time.Sleep(sealedAfter)
	}
	s.stop()
	s.verify()
	t.Logf("%d kills: %d refreshes, %d answers that never came, %d sessions ended for good", kills, refreshes, retries, len(over))
	if refreshes < kills*clients || len(over) < kills {
		t.Errorf("too little was under way to prove anything")
	}
}

// killable is `keyward serve` with a configuration of its own.
type killable struct {
	t      *testing.T
	bin    string
	conf   string
	origin string
	ops    string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	client *http.Client
}

func newKillable(t *testing.T, url string) *killable {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	public, ops := freePort(t), freePort(t)
	s := &killable{
		t: t, bin: bin, conf: filepath.Join(dir, "keyward.yaml"), origin: "http://localhost:" + public, ops: "http://127.0.0.1:" + ops,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { // localhost may be ::1 first
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+public)
			},
		}},
	}
	conf := fmt.Sprintf(`public_url: %s
self_sign_up: true
listen: {public: "127.0.0.1:%s", ops: "127.0.0.1:%s"}
trusted_proxies: [127.0.0.1]
behind_proxy: true
database: {url: %q}
key_file: %q
anchor_file: %q
limits: {rate_factor: 100}
log: {level: warn}
`, s.origin, public, ops, url, filepath.Join(dir, "root.key"), filepath.Join(dir, "anchor"))
	if err := os.WriteFile(s.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "migrate", "apply", "-c", s.conf).CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if s.cmd != nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", s.stderr.String())
		}
	})
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// start returns when the server is ready.
func (s *killable) start() {
	s.t.Helper()
	s.stderr.Reset()
	s.cmd = exec.Command(s.bin, "serve", "-c", s.conf)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.cmd.Stderr, s.cmd.Stdout = &s.stderr, &s.stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get(s.ops + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			s.t.Fatalf("the server did not get ready: %v\n%s", err, s.stderr.String())
		}
	}
}

// kill leaves the server no time for anything.
func (s *killable) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	_ = s.cmd.Wait()
	s.client.CloseIdleConnections()
	if strings.Contains(s.stderr.String(), "panic:") {
		s.t.Errorf("it panicked:\n%s", s.stderr.String())
	}
	s.cmd = nil
}

// stop lets it finish.
func (s *killable) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("it did not stop cleanly: %v\n%s", err, s.stderr.String())
	}
	s.cmd = nil
}

// verify reads the whole log.
func (s *killable) verify() {
	s.t.Helper()
	out, err := exec.Command(s.bin, "audit", "verify", "-c", s.conf).CombinedOutput()
	if err != nil {
		s.t.Errorf("the log does not verify: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "wait for their place") {
		s.t.Errorf("events are not sealed:\n%s", out)
	}
	s.t.Logf("%s", bytes.TrimSpace(out))
}

// app is a phone with a key, a passkey and the tokens it was handed last.
type app struct {
	s      *killable
	addr   string
	keys   *softkey.Authenticator
	bind   *softkey.BindingKey
	nonce  string
	have   tokens
	turns  int
	unsure bool // a refresh was sent whose answer never came
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Session string `json:"session"`
	by      *softkey.BindingKey
}

func (s *killable) app(n int) *app {
	return &app{
		s: s, addr: fmt.Sprintf("198.51.%d.%d", n/200, 1+n%200), // of its own, because limits are per address
		keys: &softkey.Authenticator{}, bind: softkey.NewBindingKey(),
	}
}

func (a *app) must(err error) {
	a.s.t.Helper()
	if err != nil {
		a.s.t.Fatal(err)
	}
}

// refusal is an answer that said no.
type refusal struct {
	status  int
	code    string
	purpose map[string]string // of the touch that is missing
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.code) }

// call makes one request of the API. An error that is no refusal means that
// nobody knows whether it was obeyed.
func (a *app) call(method, path, token string, by *softkey.BindingKey, in, out any) error {
	err := a.once(method, path, token, by, in, out)
	var no *refusal
	if errors.As(err, &no) && no.code == "use_dpop_nonce" {
		err = a.once(method, path, token, by, in, out)
	}
	return err
}

func (a *app) once(method, path, token string, by *softkey.BindingKey, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	url := a.s.origin + "/api/v1" + path
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", a.addr)
	req.Header.Set("User-Agent", "okhttp/5 Android")
	if by != nil {
		req.Header.Set("DPoP", by.Proof(softkey.DPoP{Method: method, URL: url, Token: token, Nonce: a.nonce}, time.Now()))
	}
	if token != "" {
		req.Header.Set("Authorization", "DPoP "+token)
	}
	res, err := a.s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if n := res.Header.Get("DPoP-Nonce"); n != "" {
		a.nonce = n
	}
	if res.StatusCode >= 300 {
		var p struct {
			Code    string            `json:"code"`
			Purpose map[string]string `json:"purpose"`
		}
		_ = json.Unmarshal(answer, &p)
		return &refusal{res.StatusCode, p.Code, p.Purpose}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (a *app) browser() *softkey.Browser { return &softkey.Browser{Origin: a.s.origin, Keys: a.keys} }

func (a *app) signUp() error {
	var begun struct {
		Options json.RawMessage `json:"options"`
		Ticket  string          `json:"ticket"`
	}
	mail := fmt.Sprintf("app-%s@example.org", strings.ReplaceAll(a.addr, ".", "-"))
	if err := a.call("POST", "/sign-up", "", nil, map[string]string{"mail": mail}, &begun); err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	cred, err := a.browser().Create(begun.Options)
	if err != nil {
		return err
	}
	return a.take(a.call("POST", "/sign-up/finish", "", a.bind,
		map[string]any{"ticket": begun.Ticket, "credential": json.RawMessage(cred)}, &a.have))
}

func (a *app) signIn() error {
	var begun struct {
		Options json.RawMessage `json:"options"`
	}
	if err := a.call("POST", "/sign-in", "", nil, struct{}{}, &begun); err != nil {
		return err
	}
	cred, err := a.browser().Get(begun.Options)
	if err != nil {
		return err
	}
	return a.take(a.call("POST", "/sign-in/finish", "", a.bind, map[string]any{"credential": json.RawMessage(cred)}, &a.have))
}

func (a *app) take(err error) error {
	a.have.by = a.bind
	return err
}

// refresh follows the rules for clients: keep what comes back, send the same token
// again when nothing came.
func (a *app) refresh() error {
	var next tokens
	if err := a.call("POST", "/session/refresh", "", a.bind, map[string]string{"refresh_token": a.have.Refresh}, &next); err != nil {
		return err
	}
	if generation(next.Refresh) != generation(a.have.Refresh)+1 {
		a.s.t.Errorf("generation %d came after %d", generation(next.Refresh), generation(a.have.Refresh))
	}
	next.by = a.bind
	a.have = next
	return nil
}

// generation is the third part of a refresh token. A lost answer that is given
// again brings the generation that was lost, not one later.
func generation(refresh string) int {
	parts := strings.Split(refresh, ".")
	if len(parts) != 5 {
		return -1
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil {
		return -1
	}
	return n
}

// refreshUntil turns tokens over as fast as it can. A refusal is a mistake of the
// server; silence is the kill.
func (a *app) refreshUntil(stop chan struct{}) {
	a.unsure = false
	for {
		select {
		case <-stop:
			return
		default:
		}
		err := a.refresh()
		var no *refusal
		switch {
		case err == nil:
			a.turns++
		case errors.As(err, &no):
			a.s.t.Errorf("a refresh was refused: %v", err)
			return
		default:
			a.unsure = true
			return
		}
	}
}

// comeAndGo signs in with the passkey of another app and out again, so many times.
// It reports each end that was acknowledged.
func (a *app) comeAndGo(owner *app, stop chan struct{}, ended chan<- tokens, times int) {
	a.keys = owner.keys
	for range times {
		select {
		case <-stop:
			return
		default:
		}
		if a.signIn() != nil {
			return
		}
		if a.call("DELETE", "/sessions/"+a.have.Session, a.have.Access, a.bind, nil, nil) != nil {
			return
		}
		ended <- a.have
	}
}

func (a *app) whoAmI() error { return a.call("GET", "/session", a.have.Access, a.bind, nil, nil) }

// refused makes sure that tokens of an ended session open nothing.
func (a *app) refused(old tokens) {
	a.s.t.Helper()
	var no *refusal
	err := a.call("POST", "/session/refresh", "", old.by, map[string]string{"refresh_token": old.Refresh}, nil)
	if !errors.As(err, &no) || no.code != "refresh_invalid" {
		a.s.t.Errorf("the refresh token of an ended session: %v", err)
	}
	err = a.call("GET", "/session", old.Access, old.by, nil, nil)
	if !errors.As(err, &no) || no.code != "session_ended" && no.code != "access_expired" { // in a long run it is old by now
		a.s.t.Errorf("the access token of an ended session: %v", err)
	}
}
