package gate

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// raw sends a request byte for byte and returns the status line and what followed.
func (y *yard) raw(r *http.Request, lines ...string) (status string, rest []byte) {
	y.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(y.proxy.URL, "http://"))
	y.w.Must(err)
	defer c.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: x\r\n", r.Method, r.URL.RequestURI())
	for name, v := range r.Header {
		for _, v := range v {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	b.WriteString("\r\n")
	_, _ = io.WriteString(c, b.String())
	if r.Body != nil {
		_, _ = io.Copy(c, r.Body)
	}
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	in := bufio.NewReader(c)
	status, _ = in.ReadString('\n')
	rest, _ = io.ReadAll(in)
	return strings.TrimSpace(status), rest
}

// behind puts another upstream behind the gate: one that trusts its network.
func (y *yard) behind(h http.HandlerFunc) {
	up := httptest.NewServer(h)
	y.t.Cleanup(up.Close)
	y.gate.Upstream, _ = url.Parse(up.URL)
}

// Connection lists headers that the next hop is to drop (RFC 9110 §7.6.1): a client must
// not have the gate drop its own words, nor the headers that were signed.
func TestConnectionDropsNothingOfOurs(t *testing.T) {
	for _, name := range []string{"X-Keyward-Decision", "X-Keyward-Account", "X-Keyward-Key", "Content-Type", "Content-Digest"} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			bot, _ := y.p.Bot(trading)
			seen := http.Header{}
			y.behind(func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
			r := y.signed(bot, "POST", "/v1/orders", order)
			status, _ := y.raw(r, "Connection: close, "+name, fmt.Sprintf("Content-Length: %d", len(order)))
			if strings.Contains(status, " 200") && seen.Get(name) == "" {
				t.Errorf("%s; the upstream saw no %s", status, name)
			}
		})
	}
}

// A GET of a balance turns into a wire to the upstream on which everything goes, unsigned.
func TestUpgradeIsNoTunnel(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	got := make(chan string, 1)
	y.behind(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		c, in, _ := w.(http.Hijacker).Hijack()
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		line, _ := in.ReadString('\n')
		got <- line
	})
	r := y.signed(bot, "GET", "/v1/balance", "")
	r.Body = io.NopCloser(strings.NewReader("POST /v1/withdrawals HTTP/1.1\r\n"))
	status, _ := y.raw(r, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
	select {
	case line := <-got:
		t.Errorf("%s; the upstream was told %q behind the gate's back", status, line)
	case <-time.After(1500 * time.Millisecond):
	}
}

// Frameworks take another method or another path from headers that nobody signed.
func TestNoHeaderNamesAnotherMethodOrPath(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	seen := http.Header{}
	y.behind(func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix", "X-Forwarded-Uri",
		"X-Forwarded-Method", "X-Original-Uri", "X-Original-Method", "X-Real-Ip", "True-Client-Ip"} {
		clear(seen)
		_, _ = y.does(set(y.signed(bot, "GET", "/v1/balance", ""), name, "/v1/withdrawals"))
		if seen.Get(name) != "" {
			t.Errorf("the upstream was told %s", name)
		}
	}
}

// Trailers arrive after everything was decided.
func TestTrailersSayNothing(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	var seen, late http.Header
	y.behind(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		seen, late = r.Header.Clone(), r.Trailer.Clone()
	})
	r := y.signed(bot, "POST", "/v1/orders", order)
	r.Body = io.NopCloser(strings.NewReader(fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Keyward-Account: victim\r\n\r\n", len(order), order)))
	status, _ := y.raw(r, "Transfer-Encoding: chunked", "Trailer: X-Keyward-Account", "Connection: close")
	if !strings.Contains(status, " 200") {
		t.Fatal(status)
	}
	if seen.Get("X-Keyward-Account") != string(y.p.Account) || len(late) != 0 || seen.Get("Trailer") != "" {
		t.Errorf("the upstream saw %v and then %v", seen, late)
	}
}

// Targets in other forms never pass.
func TestTargetsInOtherForms(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	calls := 0
	y.behind(func(http.ResponseWriter, *http.Request) { calls++ })
	for _, target := range []string{"http://x/v1/balance", "*", "//v1/balance", "/v1/balance#x", "/v1/balance/", "/v1/balance/.", "/v1/balance;x", "/v1/bal\\ance", "/v1/balance%00", "/v1/balance%2f"} {
		r := y.signed(bot, "GET", "/v1/balance", "")
		c, err := net.Dial("tcp", strings.TrimPrefix(y.proxy.URL, "http://"))
		y.w.Must(err)
		var b strings.Builder
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", target)
		for name, v := range r.Header {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v[0])
		}
		_, _ = io.WriteString(c, b.String()+"\r\n")
		_, _ = io.ReadAll(c)
		c.Close()
		if calls > 0 {
			t.Fatalf("%s reached the upstream", target)
		}
	}
}

// One place, two spellings: what decodes twice, and what is no UTF-8 (an overlong dot or
// slash to lenient decoders).
func TestPathsThatDecodeTwice(t *testing.T) {
	for _, p := range []string{"/v1/orders/%252E%252E", "/v1/orders/%C0%AE%C0%AE", "/v1/orders/..%C0%AFbalance", "/v1/orders/%FF"} {
		if canonical(p) {
			t.Errorf("%s is taken", p)
		}
	}
}

// A route that an earlier one hides: here withdrawing takes the right to trade.
func TestARouteThatIsHiddenIsRefused(t *testing.T) {
	_, err := New(Parts{}, Settings{Authority: "api.example.com", Key: testKey, BodyLimit: 1, Routes: []Route{
		{Method: "POST", Path: "/v1/{rest...}", Scope: "trade.spot"},
		{Method: "POST", Path: "/v1/withdrawals", Scope: "withdraw"},
	}})
	if err == nil {
		t.Error("taken: POST /v1/withdrawals asks for trade.spot")
	}
}

// The market that we read is the one that any upstream reads.
func TestOneMarketForAllReaders(t *testing.T) {
	y := newYard(t)
	y.gate.routes, _ = parseRoutes(append(slices.Clone(testRoutes), Route{Method: "POST", Path: "/v1/q", Scope: "trade.spot", Symbol: "query:symbol"}))
	bot, _ := y.p.Bot(trading)
	y.behind(func(http.ResponseWriter, *http.Request) {})
	const form = "application/x-www-form-urlencoded"
	for _, row := range []struct{ name, target, kind, body string }{
		{"another case", "/v1/orders", "application/json", `{"symbol":"BTC-USD","Symbol":"DOGE-USD"}`},
		{"a letter that folds to s (encoding/json takes it)", "/v1/orders", "application/json", "{\"symbol\":\"BTC-USD\",\"\u017fymbol\":\"DOGE-USD\"}"},
		{"an escape", "/v1/orders", "application/json", `{"symbol":"BTC-USD","\u0073ymbol":"DOGE-USD"}`},
		{"an object that is also a form", "/v1/orders", form, `{"symbol":"BTC-USD","x":"&symbol=DOGE-USD&y="}`},
		{"no type at all that is JSON", "/v1/orders", "text/plain", `{"symbol":"BTC-USD"}`},
		{"one in the body and one in the query", "/v1/orders?symbol=DOGE-USD", "application/json", `{"symbol":"BTC-USD"}`},
		{"one in the query and one in a form (net/http reads the form first)", "/v1/q?symbol=BTC-USD", form, `symbol=DOGE-USD`},
		{"one in the query and one in an object", "/v1/q?symbol=BTC-USD", "application/json", `{"symbol":"DOGE-USD"}`},
		{"another case in the query", "/v1/q?symbol=BTC-USD&Symbol=DOGE-USD", "", ``},
		{"a list in the query", "/v1/q?symbol=BTC-USD&symbol[]=DOGE-USD", "", ``},
		{"an encoded name in the query", "/v1/q?symbol=BTC-USD&%73ymbol=DOGE-USD", "", ``},
		{"a semicolon in the query", "/v1/q?symbol=BTC-USD;symbol=DOGE-USD", "", ``},
	} {
		t.Run(row.name, func(t *testing.T) {
			y.t = t
			// The client signs the type as it sends it.
			r := y.typed(bot, row.target, row.kind, row.body)
			if res, code := y.does(r); code == "" {
				t.Errorf("%d, let in", res.StatusCode)
			}
		})
	}
}

// Through a front that asks, a key of the profile cdp-jwt gets a decision that its upstream
// takes: a digest of nothing known is the digest of no request at all.
func TestAnUnsignedProfileThroughAFrontThatAsks(t *testing.T) {
	y := newYard(t)
	bot := softkey.NewBot(signintest.API)
	n := apikey.NewKey{Purpose: "portfolio", Profile: apikey.CDP, Public: bot.Public(), Scopes: apikey.ReadAccount}
	c, err := n.Checked()
	y.w.Must(err)
	y.p.Touch(c.Act().Kind, c.Act().Object)
	key, err := y.w.BotKeys.Add(t.Context(), y.p.Cause(), y.p.By(), n)
	y.w.Must(err)
	now := y.w.DB.Now().Unix()
	enc := base64.RawURLEncoding.EncodeToString
	text := enc(fmt.Appendf(nil, `{"alg":"EdDSA","typ":"JWT","kid":%q,"nonce":"abc"}`, key.ID)) + "." +
		enc(fmt.Appendf(nil, `{"iss":"cdp","sub":%q,"nbf":%d,"exp":%d,"uri":"GET %s/v1/balance"}`, key.ID, now, now+60, signintest.API))
	r, err := http.NewRequest("GET", y.check.URL+"/gate/check", nil)
	y.w.Must(err)
	r.Header.Set("Authorization", "Bearer "+text+"."+enc(ed25519.Sign(bot.Private, []byte(text))))
	r.Header[originalMethod], r.Header[originalTarget] = []string{"GET"}, []string{"/v1/balance"}
	res, code := y.does(r)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, code)
	}
	if _, err := gatekit.NewVerifier(testKey).Check(res.Header.Get(gatekit.Header), "GET", "/v1/balance", nil, y.w.DB.Now()); err != nil {
		t.Errorf("the upstream: %v", err)
	}
}
