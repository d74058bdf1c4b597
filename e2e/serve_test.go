package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// What an operator gets: the real binary, `keyward serve -c`, on both databases.

func sqliteIn(dir string) string { return "sqlite:" + filepath.Join(dir, "keyward.db") }

// onBoth runs a story on both databases, each of them empty.
func onBoth(t *testing.T, story func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { story(t, sqliteIn(t.TempDir())) })
	t.Run("PostgreSQL", func(t *testing.T) { story(t, storetest.EmptyPostgresURL(t)) })
}

// configure replaces parts of the configuration file.
func (s *killable) configure(oldnew ...string) {
	s.t.Helper()
	body, err := os.ReadFile(s.conf)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !bytes.Contains(body, []byte(oldnew[i])) {
			s.t.Fatalf("the configuration has no %q:\n%s", oldnew[i], body)
		}
	}
	if err := os.WriteFile(s.conf, []byte(strings.NewReplacer(oldnew...).Replace(string(body))), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// keyward runs a subcommand with the server's configuration.
func (s *killable) keyward(want int, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(s.bin, append(args, "-c", s.conf)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		s.t.Fatalf("keyward %s: exit %d, want %d\n%s", strings.Join(args, " "), code, want, out.String())
	}
	return out.String()
}

// event is a line of `keyward audit tail --json`.
type event struct {
	Index                                int64
	Action, Actor, Account, Target, Addr string
	Payload                              map[string]string
}

// events of an action, read beside the running server.
func (s *killable) events(action string) (all []event) {
	s.t.Helper()
	dec := json.NewDecoder(strings.NewReader(s.keyward(0, "--json", "audit", "tail")))
	for {
		var e event
		if err := dec.Decode(&e); err == io.EOF {
			return all
		} else if err != nil {
			s.t.Fatal(err)
		}
		if e.Action == action {
			all = append(all, e)
		}
	}
}

// soon waits for what another goroutine or process brings about.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// ready is the answer of /readyz.
func (s *killable) ready() (int, string) {
	s.t.Helper()
	res, err := http.Get(s.ops + "/readyz")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestTheFirstStart(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := unmigrated(t, url)
		if out := s.keyward(78, "serve"); !strings.Contains(out, "keyward migrate apply") {
			t.Errorf("serve on an empty database does not say what to do: %s", out)
		}
		s.keyward(0, "migrate", "apply")
		if out := s.keyward(1, "doctor"); !strings.Contains(out, "ok    the first start can make the root key") {
			t.Errorf("doctor before the first start:\n%s", out)
		}
		s.start()
		a := s.app(1)
		a.must(a.signUp())
		a.must(a.whoAmI())
		a.must(a.refresh())
		soon(t, "the sign-up is in the log", func() bool { return len(s.events("account.created")) == 1 })
		if e := s.events("account.created")[0]; e.Addr != a.addr {
			t.Errorf("it came from %q, want %q", e.Addr, a.addr)
		}
		if out := s.keyward(1, "doctor"); strings.Count(out, "FAIL") != 1 || !strings.Contains(out, "FAIL  mail can leave") {
			t.Errorf("doctor beside the running server finds more than the missing relay:\n%s", out)
		}
		s.stop()
		s.start()
		a.must(a.refresh())
		s.stop()
		s.verify()
	})
}

// unmigrated is newKillable without its migration.
func unmigrated(t *testing.T, url string) *killable {
	s := newKillable(t, sqliteIn(t.TempDir()))
	body, err := os.ReadFile(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(body), "database: {url: ")
	old, _, _ := strings.Cut(after, "}")
	s.configure(old, fmt.Sprintf("%q", url))
	return s
}

func TestServeEndsTLSItself(t *testing.T) {
	s := newKillable(t, sqliteIn(t.TempDir()))
	dir := filepath.Dir(s.conf)
	roots := certificateFor(t, dir, "localhost")
	s.configure("public_url: http:", "public_url: https:",
		"trusted_proxies: [127.0.0.1]\nbehind_proxy: true\n", fmt.Sprintf("tls: {cert_file: %q, key_file: %q}\nmail: {host: localhost, port: 1, tls: none, from: security@localhost}\n",
			filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")))
	plain := s.origin
	s.origin = strings.Replace(s.origin, "http:", "https:", 1)
	s.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	s.start()

	a := s.app(1)
	a.must(a.signUp())
	a.must(a.refresh())
	a.must(a.whoAmI())
	res, err := s.client.Get(plain + "/signin")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("plain http on the TLS port: %s", res.Status)
	}
	res, err = s.client.Get(s.origin + "/signin")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.TLS.Version < tls.VersionTLS12 {
		t.Errorf("over TLS: %s, version %x", res.Status, res.TLS.Version)
	}
	s.stop()

	if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	if out := s.keyward(78, "serve"); !strings.Contains(out, "check tls.cert_file and tls.key_file") {
		t.Errorf("without its key: %s", out)
	}
}

// A request that is under way when SIGTERM comes is answered; nobody new is let in.
func TestSIGTERMLetsAnOpenRequestFinish(t *testing.T) {
	s := newKillable(t, sqliteIn(t.TempDir()))
	s.start()
	public := strings.TrimPrefix(s.origin, "http://localhost")
	c, err := net.Dial("tcp", "127.0.0.1"+public)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := `{"mail":"slow@example.org"}`
	fmt.Fprintf(c, "POST /api/v1/sign-up HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:5])
	time.Sleep(200 * time.Millisecond) // the handler waits for the rest

	stopped := make(chan error, 1)
	go func() { stopped <- s.cmd.Wait() }()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	soon(t, "/readyz says that it drains", func() bool {
		code, text := s.ready()
		return code == http.StatusServiceUnavailable && strings.Contains(text, "draining")
	})
	soon(t, "the door is closed", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1"+public)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("it ended with a request under way: %v\n%s", err, s.stderr.String())
	default:
	}
	fmt.Fprint(c, body[5:])
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("the open request was cut off: %v", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the open request: %s", res.Status)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("it did not exit 0: %v\n%s", err, s.stderr.String())
		}
	case <-time.After(10 * time.Second):
		t.Error("it runs on after the last request")
		s.cmd.Process.Kill()
	}
	s.cmd = nil
}

func TestASecondProcessOnOneSQLiteIsTurnedAway(t *testing.T) {
	s := newKillable(t, sqliteIn(t.TempDir()))
	s.start()
	out := s.keyward(75, "serve")
	if !strings.Contains(out, fmt.Sprintf("(number %d)", s.cmd.Process.Pid)) || !strings.Contains(out, "use PostgreSQL to run several") {
		t.Errorf("it says: %s", out)
	}
	a := s.app(1)
	a.must(a.signUp()) // the first one does not notice
	s.kill()
	s.start() // the lock went with its holder
	a.must(a.refresh())
	s.stop()
}

func TestATakenPortIsSaidAtOnce(t *testing.T) {
	s := newKillable(t, sqliteIn(t.TempDir()))
	l, err := net.Listen("tcp", "127.0.0.1"+strings.TrimPrefix(s.origin, "http://localhost"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out := s.keyward(69, "serve"); !strings.Contains(out, "address already in use") {
		t.Errorf("it says: %s", out)
	}
}

// A rolled-back program must not run on what a newer one has migrated.
func TestTheSchemaOfAnotherVersionIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := unmigrated(t, url)
		s.keyward(0, "migrate", "apply")
		change(t, url, `INSERT INTO store_migration (version, name, checksum, at) VALUES (9999, '9999_future', '', 0)`)
		if out := s.keyward(78, "serve"); !strings.Contains(out, "newer than this program") {
			t.Errorf("a newer schema: %s", out)
		}
		if out := s.keyward(78, "migrate", "apply"); !strings.Contains(out, "newer than this program") {
			t.Errorf("migrating a newer schema: %s", out)
		}
		change(t, url, `DELETE FROM store_migration WHERE version IN (9, 9999)`)
		if out := s.keyward(78, "serve"); !strings.Contains(out, "older than this program") || !strings.Contains(out, "keyward migrate apply") {
			t.Errorf("an older schema: %s", out)
		}
	})
}

// change edits a database behind the server's back.
func change(t *testing.T, url, statement string) {
	t.Helper()
	driver, name := "pgx", url
	if path, is := strings.CutPrefix(url, "sqlite:"); is {
		driver, name = "sqlite", path
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// The key of a database with people in it, in every way it can be wrong. (The
// texts themselves are in cmd/keyward's scripts.)
func TestTheRootKeyOfAUsedDatabaseIsNotReplaced(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := unmigrated(t, url)
		s.keyward(0, "migrate", "apply")
		s.start()
		a := s.app(1)
		a.must(a.signUp())
		s.stop()
		key := filepath.Join(filepath.Dir(s.conf), "root.key")
		right, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		write := func(b []byte, mode os.FileMode) {
			t.Helper()
			os.Remove(key)
			if err := errors.Join(os.WriteFile(key, b, mode), os.Chmod(key, mode)); err != nil {
				t.Fatal(err)
			}
		}
		for _, row := range []struct {
			name string
			make func()
			fix  string
		}{
			{"it is missing", func() { os.Remove(key) }, "restore it from its backup"},
			{"it is another deployment's", func() { write(bytes.Repeat([]byte{7}, 32), 0o600) }, "keyward kek rewrap"},
			{"others can read it", func() { write(right, 0o644) }, "chmod 600"},
			{"its group can read it", func() { write(right, 0o640) }, "allow the group in the configuration"},
		} {
			row.make()
			if out := s.keyward(78, "serve"); !strings.Contains(out, row.fix) {
				t.Errorf("%s: the fix %q is not in: %s", row.name, row.fix, out)
			}
		}
		write(right, 0o600)
		s.start()
		a.must(a.refresh())
		s.stop()
	})
}

// Strangers' tries cost them nothing, so they are counted per minute and kind and
// not written one by one.
func TestTriesWithoutProofAreCountedInTheLog(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := unmigrated(t, url)
		s.keyward(0, "migrate", "apply")
		s.start()
		a := s.app(1)
		a.must(a.signUp())
		for range 25 {
			a.s.app(2).refusedWith("refresh_invalid", "/session/refresh", map[string]any{"refresh_token": "kwr_1.fam_x.1.AAAA.BBBB"})
		}
		for range 3 {
			a.s.app(3).refusedWith("code_not_accepted", "/sign-in/code", map[string]any{"mail": "app@example.org", "code": "00000-00000-00000-00000-00000"})
		}
		s.stop() // what was counted is written
		s.start()
		var counts []event
		soon(t, "both counts are in the log", func() bool { counts = s.events("refusal.counted"); return len(counts) == 2 })
		for _, e := range counts {
			want := map[string]string{"refresh-token": "25", "recovery-code": "3"}[e.Target]
			if e.Payload["n"] != want || e.Account != "" {
				t.Errorf("%+v, want %s", e, want)
			}
		}
		s.stop()
		s.verify()
	})
}

// refusedWith posts to an open operation and holds it to a code.
func (a *app) refusedWith(code, path string, body any) {
	a.s.t.Helper()
	var no *refusal
	if err := a.call("POST", path, "", a.bind, body, nil); !errors.As(err, &no) || no.code != code {
		a.s.t.Errorf("POST %s: %v, want %s", path, err, code)
	}
}

// Two server processes on one PostgreSQL: what one acknowledges, the other obeys.
func TestTwoServersOnOnePostgreSQL(t *testing.T) {
	here := unmigrated(t, storetest.EmptyPostgresURL(t))
	here.keyward(0, "migrate", "apply")
	there := here.twin()
	here.start()
	there.start()

	phone := here.app(1)
	phone.must(phone.signUp())
	for round := range 5 {
		// The same person on another device, served by the other process.
		tablet := there.app(100 + round)
		tablet.keys = phone.keys
		tablet.must(tablet.signIn())
		tablet.must(tablet.whoAmI())
		tablet.at(here).must(tablet.whoAmI()) // either knows it

		// Tokens turn on either.
		moved := tablet.at(here)
		moved.must(moved.refresh())
		tablet.have = moved.have
		tablet.must(tablet.refresh())
		tablet.must(tablet.whoAmI())

		var effect struct {
			EffectiveAt time.Time `json:"effective_at"`
			Passed      int       `json:"gates_passed"`
			Lapsed      int       `json:"leases_lapsed"`
			MS          float64   `json:"took_ms"`
		}
		sent := time.Now()
		phone.must(phone.call("DELETE", "/sessions/"+tablet.have.Session, phone.have.Access, phone.bind, nil, &effect))
		took := time.Since(sent)
		// Acknowledged means refused, from this moment and everywhere.
		tablet.refused(tablet.have)
		tablet.at(here).refused(tablet.have)
		if took > 1500*time.Millisecond { // ≤ 700 ms by design; a busy machine gets twice that
			t.Errorf("the end took %s", took)
		}
		if effect.Passed+effect.Lapsed < 2 {
			t.Errorf("only %d processes passed and %d lapsed, there are two", effect.Passed, effect.Lapsed)
		}
	}

	// One goes; the other serves on, and everybody stays signed in.
	here.stop()
	away := phone.at(there)
	away.must(away.refresh())
	away.must(away.whoAmI())
	there.stop()
	there.verify()
}

// twin is a second process of the same deployment: same public URL, same
// database, same key, doors of its own.
func (s *killable) twin() *killable {
	s.t.Helper()
	other := newKillable(s.t, sqliteIn(s.t.TempDir()))
	body, err := os.ReadFile(s.conf)
	if err != nil {
		s.t.Fatal(err)
	}
	port := func(url string) string { return url[strings.LastIndexByte(url, ':'):] }
	if err := os.WriteFile(other.conf, body, 0o600); err != nil {
		s.t.Fatal(err)
	}
	other.configure(`listen: {public: "127.0.0.1`+port(s.origin)+`", ops: "127.0.0.1`+port(s.ops)+`"}`,
		`listen: {public: "127.0.0.1`+port(other.origin)+`", ops: "127.0.0.1`+port(other.ops)+`"}`)
	other.origin = s.origin // the client dials its own door whatever the URL says
	return other
}

// at is the same app, talking to another process.
func (a *app) at(s *killable) *app {
	b := *a
	b.s = s
	return &b
}

// What is not formed as it should be is refused with a code, and nothing of it stays.
func TestBadInputIsRefusedByCode(t *testing.T) {
	s := newKillable(t, sqliteIn(t.TempDir()))
	s.start()
	a := s.app(1)
	a.must(a.signUp())
	before := len(s.events("account.created"))
	big := strings.Repeat("x", 10<<20)
	for _, row := range []struct {
		name   string
		header map[string]string
		body   string
		chunks bool // without a Content-Length
		status int
		code   string
		names  string // the part that was refused
	}{
		{name: "a body of ten megabytes", body: `{"mail":"` + big + `"}`, status: 413, code: "body_too_large"},
		{name: "ten megabytes that do not say how many they are", body: `{"mail":"` + big + `"}`, chunks: true, status: 413, code: "body_too_large"},
		{name: "a field nobody knows", body: `{"mail":"a@example.org","admin":true}`, status: 400, code: "unknown_field", names: "/admin"},
		{name: "U+0000 in a text", body: `{"mail":"a\u0000@example.org"}`, status: 400, code: "nul_in_text", names: "/mail"},
		{name: "a form from another site", header: map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, body: `{"mail":"a@example.org"}`, status: 403, code: "cross_site_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(row.body)
			if row.chunks {
				body = struct{ io.Reader }{body}
			}
			req, err := http.NewRequest("POST", s.origin+"/api/v1/sign-up", body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			for k, v := range row.header {
				req.Header.Set(k, v)
			}
			res, err := s.client.Do(req)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			defer res.Body.Close()
			var p struct {
				Code   string
				Errors []struct{ Pointer string }
			}
			if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != row.status || p.Code != row.code {
				t.Errorf("%d %s, want %d %s", res.StatusCode, p.Code, row.status, row.code)
			}
			if row.names != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != row.names) {
				t.Errorf("it names %v, want %s", p.Errors, row.names)
			}
		})
	}
	if n := len(s.events("account.created")); n != before {
		t.Errorf("%d accounts were made", n-before)
	}

	// Nothing is made of the Host header: links, proofs and the issuer come from
	// public_url. So any Host may come in (a health check's, a proxy's own name).
	t.Run("another Host", func(t *testing.T) {
		for _, path := range []string{"/signin", "/devices", "/docs/errors", "/.well-known/passkey-endpoints", "/nowhere", "/api/openapi.json"} {
			req, err := http.NewRequest("GET", s.origin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "evil.example"
			req.Header.Set("X-Forwarded-Host", "evil.example")
			req.Header.Set("Accept", "text/html")
			res, err := s.client.Transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			page, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || bytes.Contains(page, []byte("evil.example")) || strings.Contains(fmt.Sprint(res.Header), "evil.example") {
				t.Errorf("%s says it back: %v\n%v", path, err, res.Header)
			}
		}
	})
	t.Run("what is for operators is not on the public door", func(t *testing.T) {
		for _, path := range []string{"/metrics", "/readyz", "/livez", "/debug/pprof/", "/demo", "/demo/mail"} {
			res, err := s.client.Get(s.origin + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", path, res.Status)
			}
		}
	})
	// A proof for another host is worth nothing, whatever Host it comes under.
	t.Run("a proof made for another host", func(t *testing.T) {
		lied := a.bind.Proof(softkey.DPoP{Method: "GET", URL: "https://evil.example/api/v1/session", Token: a.have.Access, Nonce: a.nonce}, time.Now())
		req, err := http.NewRequest("GET", s.origin+"/api/v1/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		req.Header.Set("Authorization", "DPoP "+a.have.Access)
		req.Header.Set("DPoP", lied)
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s", res.Status)
		}
	})
	s.stop()
}
