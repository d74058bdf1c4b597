package gate

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyward/internal/apikey"
)

// fronts are all ways to the API: the real programs with the files that we ship, and
// Envoy's protocol.
var fronts = []struct {
	name string
	at   func(*testing.T, *yard) string // where clients go
}{
	{"the proxy", func(_ *testing.T, y *yard) string { return y.proxy.URL }},
	{"nginx, auth_request", func(t *testing.T, y *yard) string {
		return "http://" + runNginx(t, nginxPath(t), strings.TrimPrefix(y.check.URL, "http://"), y.gate.Upstream.Host)
	}},
	{"Caddy, forward_auth", func(t *testing.T, y *yard) string {
		return runCaddy(t, caddyPath(t), strings.TrimPrefix(y.check.URL, "http://"), y.gate.Upstream.Host)
	}},
	{"Envoy, gRPC, headers merged", func(t *testing.T, y *yard) string { return serve(t, newEnvoy(t, y)) }},
	{"Envoy, gRPC, headers as they came", func(t *testing.T, y *yard) string {
		e := newEnvoy(t, y)
		e.raw = true
		return serve(t, e)
	}},
	{"Envoy, HTTP", func(t *testing.T, y *yard) string { return serve(t, &envoyHTTP{y, y.gate.EnvoyHTTP()}) }},
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// Through every front the API hears of the account that signed and of nothing that the
// client made up.
func TestNobodySpeaksInOurNameThroughAnyFront(t *testing.T) {
	for _, front := range fronts {
		t.Run(front.name, func(t *testing.T) {
			y := newYard(t)
			n := trading
			n.Symbols = nil
			n.Allow, _ = apikey.ParsePlaces("127.0.0.1")
			bot, _ := y.p.Bot(n)
			at := front.at(t, y)
			request := func(method, target, body string) *http.Request {
				r, err := http.NewRequest(method, at+target, strings.NewReader(body))
				y.w.Must(err)
				bot.Sign(r, []byte(body), y.w.DB.Now())
				return r
			}

			// What the client signed arrives byte for byte.
			const target = "/v1/batch?a=%20b&&c=+%2F&d"
			if res, code := y.does(request("POST", target, order)); res.StatusCode != http.StatusCreated || y.seenBody != order || y.seen.RequestURI != target {
				t.Fatalf("%d %s; the upstream saw %s %q", res.StatusCode, code, y.seen.RequestURI, y.seenBody)
			}
			untouched(t, y)

			passed := 0
			for name, spoken := range map[string]http.Header{
				"somebody's account":                 {"X-Keyward-Account": {"victim"}},
				"with underscores":                   {"X_Keyward_Account": {"victim"}},
				"with one underscore":                {"X-Keyward_Account": {"victim"}},
				"in capitals":                        {"X-KEYWARD-ACCOUNT": {"victim"}},
				"a second copy":                      {"X-Keyward-Account": {string(y.p.Account), "victim"}},
				"a sub-account, where there is none": {"X-Keyward-Sub": {"victim"}},
				"a decision":                         {"X-Keyward-Decision": {"kwd1.victim.AA"}},
				"another target":                     {"X-Forwarded-Uri": {"/v1/victim"}},
				"another method and target":          {"X-Forwarded-Method": {"DELETE"}, "X-Forwarded-Uri": {"/v1/orders/victim"}},
				"the same as nginx would say it":     {"X-Original-Method": {"DELETE"}, "X-Original-Uri": {"/v1/orders/victim"}},
				"another method for frameworks":      {"X-Http-Method-Override": {"victim"}},
				"a target for rewriting":             {"X-Original-Url": {"/v1/victim"}},
			} {
				r := request("GET", "/v1/balance", "")
				for header, v := range spoken {
					r.Header[header] = v
				}
				calls := y.calls
				y.seen = nil
				res, code := y.does(r)
				switch {
				case y.calls == calls && res.StatusCode >= 400: // refused
				case y.calls == calls+1 && res.StatusCode == http.StatusCreated:
					passed++
					untouched(t, y)
				default:
					t.Errorf("%s: %d %s, and the upstream was called %d times", name, res.StatusCode, code, y.calls-calls)
				}
			}
			t.Logf("%d of 12 passed, cleaned", passed)

			// An address that the client made up is not the one it is seen from.
			n.Allow, _ = apikey.ParsePlaces("203.0.113.7")
			elsewhere, _ := y.p.Bot(n)
			if front.name != "the proxy" { // where this test is a proxy that may say so
				y.gate.Proxies = nil
				r := request("GET", "/v1/balance", "")
				elsewhere.Sign(r, nil, y.w.DB.Now())
				r.Header["X-Forwarded-For"] = []string{"203.0.113.7"}
				calls := y.calls
				if res, code := y.does(r); res.StatusCode != http.StatusForbidden || code != "IP_NOT_ALLOWED" || y.calls != calls {
					t.Errorf("a made up address: %d %s", res.StatusCode, code)
				}
			}
		})
	}
}

// untouched looks at what the upstream saw last.
func untouched(t *testing.T, y *yard) {
	t.Helper()
	for name, values := range y.seen.Header {
		if strings.Contains(strings.Join(values, " "), "victim") {
			t.Errorf("the upstream was told %s: %v", name, values)
		}
	}
	if got := y.seen.Header["X-Keyward-Account"]; len(got) != 1 || got[0] != string(y.p.Account) {
		t.Errorf("the account is %v", got)
	}
}

// Exchanges that answer 200 to everything do so here too, but a front that goes by the
// status must not take a refusal for a yes.
func TestNoRefusalIsAYesToAFront(t *testing.T) {
	for _, front := range fronts {
		t.Run(front.name, func(t *testing.T) {
			y := newYard(t)
			y.behind(func(http.ResponseWriter, *http.Request) { y.calls++ }) // one that checks no decision
			at := front.at(t, y)
			for _, marks := range []http.Header{
				{"X-Bapi-Api-Key": {"nobody"}, "X-Bapi-Sign": {strings.Repeat("0", 64)}, "X-Bapi-Timestamp": {"1700000000000"}},
				{"Api-Key": {"nobody"}, "Api-Sign": {"AAAA"}},
				{"Signature": {"x"}, "Signature-Input": {"x"}},
				{},
			} {
				r, err := http.NewRequest("GET", at+"/v1/balance", nil)
				y.w.Must(err)
				r.Header = marks
				res, err := http.DefaultTransport.RoundTrip(r)
				y.w.Must(err)
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if y.calls != 0 {
					t.Fatalf("%v: let in with %d %s", marks, res.StatusCode, body)
				}
			}
		})
	}
}

func caddyPath(t *testing.T) string {
	t.Helper()
	p, err := filepath.Abs("../../bin/caddy")
	if err == nil {
		if _, err = os.Stat(p); err == nil {
			return p
		}
	}
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatal("no Caddy found, and nothing may skip here: run make setup")
	}
	t.Skip("skipped: no Caddy found; make test builds it")
	return ""
}

// runCaddy runs the shipped file with only its addresses replaced.
func runCaddy(t *testing.T, caddy, gate, upstream string) (front string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	site, err := os.ReadFile("../../deploy/gate-Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.NewReplacer("api.example.com {", "http://"+at+" {", "127.0.0.1:9000", upstream, "127.0.0.1:7481", gate).Replace(string(site))
	conf := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(conf, []byte("{\n\tadmin off\n\tauto_https off\n}\n"+edited), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(caddy, "run", "--config", conf, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("Caddy said:\n%s", said.String())
		}
	})
	for range 200 {
		if c, err := net.Dial("tcp4", at); err == nil {
			c.Close()
			return "http://" + at
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("Caddy does not listen")
	return ""
}
