package gate

import (
	"bytes"
	"encoding/json"
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

	"keyward/internal/apikey"
)

// A real nginx with the configuration that we ship, a real gate behind it, and an
// upstream that says what it saw.
func TestNginxAsksTheGate(t *testing.T) {
	nginx := nginxPath(t)
	y := newYard(t)
	front := runNginx(t, nginx, strings.TrimPrefix(y.check.URL, "http://"), y.gate.Upstream.Host)
	n := trading
	n.Symbols = nil                              // the front keeps the body: nobody could say what a batch trades
	n.Allow, _ = apikey.ParsePlaces("127.0.0.1") // where nginx sees us
	bot, _ := y.p.Bot(n)
	send := func(method, target, body string, edit func(*http.Request)) (int, string) {
		y.t.Helper()
		r, err := http.NewRequest(method, "http://"+front+target, strings.NewReader(body))
		y.w.Must(err)
		bot.Sign(r, []byte(body), y.w.DB.Now())
		if edit != nil {
			edit(r)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		y.w.Must(err)
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		var told struct{ Code string }
		_ = json.Unmarshal(b, &told)
		if res.Header.Get("X-Server-Time-Ms") == "" {
			t.Errorf("%s %s: no time of the server in %v", method, target, res.Header)
		}
		return res.StatusCode, told.Code
	}
	if status, code := send("POST", "/v1/batch?a=%20b", order, nil); status != http.StatusCreated || y.seenBody != order || y.seen.Header.Get("X-Keyward-Account") != string(y.p.Account) {
		t.Fatalf("%d %s; the upstream saw %q", status, code, y.seenBody)
	}
	calls := y.calls
	for _, row := range []struct {
		name, method, target, body string
		edit                       func(*http.Request)
		status                     int
		code                       string
	}{
		{"no signature", "GET", "/v1/balance", "", func(r *http.Request) { r.Header.Del("Signature") }, 401, "AUTH_FAILED"},
		{"a body that was changed on the way", "POST", "/v1/batch", order, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(order, "0.1", "9.9", 1)))
		}, 401, ""}, // the gate did not see it: the upstream compared
		{"a right that is not there", "GET", "/v1/orders/7", "", nil, 403, "SCOPE_MISSING"},
		{"somebody's account in our name", "GET", "/v1/balance", "", func(r *http.Request) { r.Header["X-Keyward-Account"] = []string{"victim"} }, 403, "BAD_REQUEST"},
		{"a decision of somebody's own", "GET", "/v1/balance", "", func(r *http.Request) { r.Header["X-Keyward-Decision"] = []string{"kwd1.e30.AA"} }, 403, "BAD_REQUEST"},
		{"another target for the gate than for the upstream", "GET", "/v1/orders/7", "", func(r *http.Request) {
			r.Header["X-Original-URI"], r.Header["X-Forwarded-Uri"] = []string{"/v1/balance"}, []string{"/v1/balance"}
		}, 403, "SCOPE_MISSING"},
		{"an address of somebody's own", "GET", "/v1/balance", "", func(r *http.Request) { r.Header["X-Forwarded-For"] = []string{"203.0.113.7"} }, 201, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			y.t = t
			if status, code := send(row.method, row.target, row.body, row.edit); status != row.status || row.code != "" && code != row.code {
				t.Errorf("%d %s, want %d %s", status, code, row.status, row.code)
			}
		})
	}
	if y.calls != calls+1 {
		t.Errorf("the upstream did %d things, want 1", y.calls-calls)
	}
	underscored := "X_Keyward_Account"
	// An underscore in place of a dash: nginx drops such a header unless it is told otherwise.
	if status, _ := send("GET", "/v1/balance", "", func(r *http.Request) { r.Header[underscored] = []string{"victim"} }); status != 201 || len(y.seen.Header[underscored]) != 0 {
		t.Errorf("%d, the upstream saw %v", status, y.seen.Header)
	}
}

func nginxPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatal("no nginx found, and nothing may skip here: run make setup")
	}
	t.Skip("skipped: no nginx found; make test installs it")
	return ""
}

// runNginx runs the shipped configuration with only its addresses replaced.
func runNginx(t *testing.T, nginx, gate, upstream string) (front string) {
	t.Helper()
	site, err := os.ReadFile("../../deploy/gate-nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	return runSite(t, nginx, string(site), gate, upstream)
}

func runSite(t *testing.T, nginx, site, gate, upstream string) (front string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front = l.Addr().String()
	l.Close()
	dir := t.TempDir()
	edited := strings.NewReplacer("listen 80;", "listen "+front+";", "127.0.0.1:9000", upstream, "127.0.0.1:7481", gate).Replace(site)
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	conf := filepath.Join(dir, "main.conf")
	whole := "pid " + dir + "/nginx.pid;\nerror_log stderr;\ndaemon off;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n" + temp + edited + "}\n"
	if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(nginx, "-p", dir, "-c", conf)
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
	for range 100 {
		if c, err := net.Dial("tcp4", front); err == nil {
			c.Close()
			return front
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("nginx does not listen")
	return ""
}
