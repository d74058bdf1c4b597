package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
)

// Beside nginx a client's headers go past us to the upstream: what drops our word or names
// another method or path must not pass.
func TestHeadersPastTheGateThroughNginx(t *testing.T) {
	nginx := nginxPath(t)
	y := newYard(t)
	front := runNginx(t, nginx, strings.TrimPrefix(y.check.URL, "http://"), y.gate.Upstream.Host)
	n := trading
	n.Symbols = nil
	n.Allow, _ = apikey.ParsePlaces("127.0.0.1")
	bot, _ := y.p.Bot(n)
	raw := func(target string, lines ...string) string {
		r, err := http.NewRequest("GET", "http://"+front+"/v1/balance", nil)
		y.w.Must(err)
		bot.Sign(r, nil, y.w.DB.Now())
		c, err := net.Dial("tcp", front)
		y.w.Must(err)
		defer c.Close()
		var b strings.Builder
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n", target)
		for name, v := range r.Header {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v[0])
		}
		for _, l := range lines {
			b.WriteString(l + "\r\n")
		}
		y.seen = nil
		_, _ = io.WriteString(c, b.String()+"\r\n")
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		in := bufio.NewReader(c)
		for { // past "100 Continue", and only when the upstream is done
			res, err := http.ReadResponse(in, r)
			y.w.Must(err)
			if res.StatusCode >= 200 {
				_, _ = io.ReadAll(res.Body)
				return res.Status
			}
		}
	}
	for _, name := range []string{"X-Http-Method-Override: DELETE", "X-Original-Url: /v1/withdrawals", "X-Rewrite-Url: /v1/withdrawals", "X-Original-Uri: /v1/withdrawals", "X-Original-Method: POST"} {
		status := raw("/v1/balance", "Connection: close", name)
		if key, _, _ := strings.Cut(name, ":"); y.seen != nil && y.seen.Header.Get(key) != "" {
			t.Errorf("%s: the upstream was told %s", status, name)
		}
	}
	for _, target := range []string{"/v1/x/../balance", "//v1/balance", "/v1/./balance", "/v1/%62alance", "/v1/balance#x", "/v1/balance/", "http://y/v1/x/../balance"} {
		if status := raw(target, "Connection: close"); y.seen != nil {
			t.Errorf("%s: %s, and the upstream saw %s", target, status, y.seen.RequestURI)
		}
	}
	for _, lines := range [][]string{{"Connection: close, X-Keyward-Decision"}, {"Connection: Upgrade", "Upgrade: h2c"}, {"Expect: 100-continue", "Connection: close"}, {"X_Keyward_Account: victim", "Connection: close"}} {
		status := raw("/v1/balance", lines...)
		t.Logf("%v: %s, upstream %v", lines, status, y.seen != nil)
		if y.seen != nil && (y.seen.Header.Get("X-Keyward-Account") != string(y.p.Account) || y.seen.Header.Get("Upgrade") != "") {
			t.Errorf("%v: %v", lines, y.seen.Header)
		}
	}
	// The absolute form: the gate is asked for the target that the upstream gets.
	if status := raw("http://y/v1/orders/7", "Connection: close"); y.seen != nil {
		t.Errorf("a signature for another target: %s", status)
	}
}
