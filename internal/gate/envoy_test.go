package gate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"keyward/internal/apikey"
)

// envoy stands in for the program: it asks the real gate over real gRPC with Envoy's own
// messages, does with the answer what Envoy's documentation says, and passes the request
// on. How it asks can be set.
type envoy struct {
	y      *yard
	ask    authv3.AuthorizationClient
	raw    bool // encode_raw_headers
	body   int  // max_request_bytes; 0: it keeps the body
	from   string
	edit   func(*authv3.CheckRequest)
	answer *authv3.CheckResponse // the last
}

func newEnvoy(t *testing.T, y *yard) *envoy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	y.w.Must(err)
	door := y.gate.Envoy()
	done := make(chan error, 1)
	go func() { done <- door.Serve(l, nil) }()
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	y.w.Must(err)
	t.Cleanup(func() {
		_ = c.Close()
		door.Close(context.Background())
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &envoy{y: y, ask: authv3.NewAuthorizationClient(c), from: "127.0.0.1"}
}

// question is what Envoy sends about a request (check_request_utils).
func (e *envoy) question(r *http.Request, body []byte) *authv3.CheckRequest {
	q := &authv3.AttributeContext_HttpRequest{Id: "1", Method: r.Method, Path: r.RequestURI, Host: r.Host, Scheme: "http", Protocol: "HTTP/1.1", Size: int64(len(body))}
	lines := map[string]string{":method": r.Method, ":path": r.RequestURI, ":authority": r.Host}
	var list []*corev3.HeaderValue
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		lines[strings.ToLower(name)] = strings.Join(r.Header[name], ",")
		for _, v := range r.Header[name] {
			list = append(list, &corev3.HeaderValue{Key: strings.ToLower(name), RawValue: []byte(v)})
		}
	}
	if e.body > 0 && len(body) > 0 {
		partial := "false"
		if len(body) > e.body {
			body, partial = body[:e.body], "true"
		}
		q.RawBody = body
		lines["x-envoy-auth-partial-body"] = partial
		list = append(list, &corev3.HeaderValue{Key: "x-envoy-auth-partial-body", RawValue: []byte(partial)})
	}
	if e.raw {
		q.HeaderMap = &corev3.HeaderMap{Headers: list}
	} else {
		q.Headers = lines
	}
	at := &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: e.from, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}}}}
	all := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Source: &authv3.AttributeContext_Peer{Address: at}, Destination: &authv3.AttributeContext_Peer{Address: at},
		Request: &authv3.AttributeContext_Request{Http: q}, ContextExtensions: map[string]string{"a": "b"}}}
	if e.edit != nil {
		e.edit(all)
	}
	return all
}

func (e *envoy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.answer = nil
	a, err := e.ask.Check(r.Context(), e.question(r, body))
	if err != nil {
		w.WriteHeader(http.StatusForbidden) // failure_mode_allow is off
		return
	}
	e.answer = a
	if a.GetStatus().GetCode() != 0 || a.GetOkResponse() == nil {
		no := a.GetDeniedResponse()
		for _, h := range no.GetHeaders() {
			w.Header().Set(h.GetHeader().GetKey(), h.GetHeader().GetValue())
		}
		w.WriteHeader(int(no.GetStatus().GetCode()))
		_, _ = io.WriteString(w, no.GetBody())
		return
	}
	ok := a.GetOkResponse()
	for _, h := range ok.GetHeaders() {
		if h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			e.y.t.Errorf("%s is put beside what the client sent", h.GetHeader().GetKey())
		}
		r.Header.Set(h.GetHeader().GetKey(), h.GetHeader().GetValue())
	}
	for _, name := range ok.GetHeadersToRemove() {
		remove(r.Header, name)
	}
	for _, h := range ok.GetResponseHeadersToAdd() {
		w.Header().Set(h.GetHeader().GetKey(), h.GetHeader().GetValue())
	}
	onward(e.y, w, r, body)
}

func remove(h http.Header, name string) {
	for had := range h {
		if strings.EqualFold(had, name) {
			delete(h, had)
		}
	}
}

// onward is the second half of a front: the request goes to the API as it is now.
func onward(y *yard, w http.ResponseWriter, r *http.Request, body []byte) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, y.gate.Upstream.String(), strings.NewReader(string(body)))
	y.w.Must(err)
	out.URL.Opaque, out.Header = r.RequestURI, r.Header
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}

// envoyHTTP stands in for Envoy with the HTTP service: the target behind path_prefix, the
// client's address in a header of Envoy's own.
type envoyHTTP struct {
	y *yard
	h http.Handler
}

func (e *envoyHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	q := httptest.NewRequest(r.Method, EnvoyPath+r.RequestURI, nil)
	q.Header = r.Header.Clone()
	q.Header.Set("X-Forwarded-For", "127.0.0.1") // authorization_request.headers_to_add
	q.Header.Set("Content-Length", "0")
	q.RemoteAddr = "127.0.0.1:4711"
	a := httptest.NewRecorder()
	e.h.ServeHTTP(a, q)
	if a.Code != http.StatusOK {
		maps.Copy(w.Header(), a.Result().Header)
		w.WriteHeader(a.Code)
		_, _ = w.Write(a.Body.Bytes())
		return
	}
	for _, name := range strings.Split(a.Header().Get("X-Envoy-Auth-Headers-To-Remove"), ",") {
		remove(r.Header, name)
	}
	for name, v := range a.Header() { // allowed_upstream_headers: the prefix x-keyward-
		if ours(name) {
			r.Header[name] = v
		}
	}
	onward(e.y, w, r, body)
}

// An Envoy that hands bodies over lets in what nginx cannot: profiles that sign the body,
// markets that stand in it.
func TestEnvoyHandsTheBodyOver(t *testing.T) {
	y := newYard(t)
	y.gate.BodyFromPeers = true
	e := newEnvoy(t, y)
	e.raw, e.body = true, 1<<12
	front := httptest.NewServer(e)
	t.Cleanup(front.Close)
	n := apikey.NewKey{Purpose: "a bot that was written for another exchange", Profile: apikey.OKX, Scopes: trading.Scopes, Symbols: trading.Symbols}
	n.Allow, _ = apikey.ParsePlaces("127.0.0.1")
	c, err := n.Checked()
	y.w.Must(err)
	y.p.Touch(c.Act().Kind, c.Act().Object)
	key, err := y.w.BotKeys.Add(t.Context(), y.p.Cause(), y.p.By(), n)
	y.w.Must(err)
	okx := func(body string) *http.Request {
		r, err := http.NewRequest("POST", front.URL+"/v1/orders", strings.NewReader(body))
		y.w.Must(err)
		at := y.w.DB.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		m := hmac.New(sha256.New, []byte(key.Secret))
		m.Write([]byte(at + "POST/v1/orders" + body))
		r.Header = http.Header{"Ok-Access-Key": {string(key.ID)}, "Ok-Access-Sign": {base64.StdEncoding.EncodeToString(m.Sum(nil))}, "Ok-Access-Timestamp": {at},
			"Ok-Access-Passphrase": {key.Passphrase}, "Content-Type": {"application/json"}}
		y.w.Clock.Sleep(time.Millisecond)
		return r
	}
	if res, code := y.does(okx(order)); res.StatusCode != http.StatusCreated || y.seenBody != order {
		t.Fatalf("%d %s; the upstream saw %q", res.StatusCode, code, y.seenBody)
	}
	native, _ := y.p.Bot(func() apikey.NewKey { n := trading; n.Allow, _ = apikey.ParsePlaces("127.0.0.1"); return n }())
	send := func(body string) *http.Request {
		r, err := http.NewRequest("POST", front.URL+"/v1/orders", strings.NewReader(body))
		y.w.Must(err)
		native.Sign(r, []byte(body), y.w.DB.Now())
		return r
	}
	if res, code := y.does(send(order)); res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, code)
	}
	calls := y.calls
	for _, row := range []struct {
		name string
		r    *http.Request
		edit func(*authv3.AttributeContext_HttpRequest)
		code string
	}{
		{"a body that was cut", send(`{"symbol":"BTC-USD","note":"` + strings.Repeat("x", 1<<12) + `"}`), nil, "BAD_REQUEST"},
		{"a market that is not on the list", send(strings.Replace(order, "BTC", "DOGE", 1)), nil, "SYMBOL_NOT_ALLOWED"},
		{"a body that was changed", okx(order), func(q *authv3.AttributeContext_HttpRequest) {
			q.RawBody = []byte(strings.Replace(order, "0.1", "9.9", 1))
		}, ""},
		{"a body that is not handed over", okx(order), func(q *authv3.AttributeContext_HttpRequest) {
			q.RawBody, q.HeaderMap.Headers = nil, q.HeaderMap.Headers[:len(q.HeaderMap.Headers)-1]
		}, ""},
		{"two bodies", send(order), func(q *authv3.AttributeContext_HttpRequest) { q.Body = order }, "BAD_REQUEST"},
		{"a client that marks its body as whole", set(send(`{"symbol":"BTC-USD","note":"`+strings.Repeat("x", 1<<12)+`"}`), partialBody, "false"), nil, "BAD_REQUEST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			y.t, e.edit = t, func(q *authv3.CheckRequest) {
				if row.edit != nil {
					row.edit(q.Attributes.Request.Http)
				}
			}
			if res, code := y.does(row.r); res.StatusCode < 400 || row.code != "" && code != row.code {
				t.Errorf("%d %s, want %s", res.StatusCode, code, row.code)
			}
		})
	}
	if y.calls != calls {
		t.Errorf("the upstream did %d things", y.calls-calls)
	}
}

func TestWhatEnvoySaysIsReadOneWay(t *testing.T) {
	y := newYard(t)
	e := newEnvoy(t, y)
	front := httptest.NewServer(e)
	t.Cleanup(front.Close)
	n := trading
	n.Symbols = nil
	bot, _ := y.p.Bot(n) // its place is 203.0.113.7
	e.from = "203.0.113.7"
	type ask = authv3.AttributeContext_HttpRequest
	for _, row := range []struct {
		name string
		from string
		edit func(*ask)
		want int
	}{
		{"as it is", "", func(*ask) {}, 201},
		{"another address", "198.51.100.9", func(*ask) {}, 403},
		{"an address that the client wrote", "198.51.100.9", func(q *ask) { q.Headers["x-forwarded-for"] = "203.0.113.7" }, 403},
		{"the address that a proxy of ours wrote", "127.0.0.1", func(q *ask) { q.Headers["x-forwarded-for"] = "203.0.113.7" }, 201},
		{"no address", "pipe", func(*ask) {}, 400},
		{"a second signature, merged with the first", "", func(q *ask) { q.Headers["signature"] += "," + q.Headers["signature"] }, 400},
		{"a second input, merged with the first", "", func(q *ask) { q.Headers["signature-input"] += ",sig2=()" }, 400},
		{"two types of a body", "", func(q *ask) { q.Headers["content-type"] = "application/json,text/plain" }, 400},
		{"a query of its own", "", func(q *ask) { q.Query = "x=1" }, 400},
		{"a fragment", "", func(q *ask) { q.Fragment = "x" }, 400},
		{"another path in the headers", "", func(q *ask) { q.Headers[":path"] = "/v1/withdrawals" }, 400},
		{"another method in the headers", "", func(q *ask) { q.Headers[":method"] = "POST" }, 400},
		{"a wish for another protocol", "", func(q *ask) { q.Headers["upgrade"] = "websocket" }, 400},
		{"a name in our name", "", func(q *ask) { q.Headers["x_keyward_account"] = "victim" }, 400},
		{"another method for frameworks", "", func(q *ask) { q.Headers["x-http-method-override"] = "DELETE" }, 400},
		{"both kinds of headers", "", func(q *ask) {
			q.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "a", Value: "b"}}}
		}, 400},
		{"no path", "", func(q *ask) { q.Path = "" }, 400},
		{"no method", "", func(q *ask) { q.Method = "" }, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			y.t = t
			if e.from = row.from; row.from == "" {
				e.from = "203.0.113.7"
			}
			e.edit = func(q *authv3.CheckRequest) {
				delete(q.Attributes.Request.Http.Headers, "x-forwarded-for")
				row.edit(q.Attributes.Request.Http)
			}
			r := y.signed(bot, "GET", "/v1/balance", "")
			r.URL.Host = strings.TrimPrefix(front.URL, "http://")
			calls := y.calls
			res, code := y.does(r)
			if res.StatusCode != row.want || (row.want == 201) != (y.calls == calls+1) {
				t.Errorf("%d %s, want %d; the upstream was called %d times", res.StatusCode, code, row.want, y.calls-calls)
			}
		})
	}
}

func TestAStrangerCannotAskAsEnvoy(t *testing.T) {
	y := newYard(t)
	y.gate.Peers = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	e := newEnvoy(t, y)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if a, err := e.ask.Check(ctx, &authv3.CheckRequest{}); err == nil {
		t.Errorf("answered: %v", a)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", EnvoyPath+"/v1/balance", nil)
	r.RemoteAddr = "127.0.0.1:4711"
	if y.gate.EnvoyHTTP().ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("over HTTP: %d", w.Code)
	}
}

// What must not be heard is taken out even by an Envoy that hides it from the gate.
func TestEnvoyTakesOutWhatItHid(t *testing.T) {
	y := newYard(t)
	e := newEnvoy(t, y)
	front := httptest.NewServer(e)
	t.Cleanup(front.Close)
	n := trading
	n.Allow, _ = apikey.ParsePlaces("127.0.0.1")
	bot, _ := y.p.Bot(n)
	e.edit = func(q *authv3.CheckRequest) { // allowed_headers: signature, signature-input
		maps.DeleteFunc(q.Attributes.Request.Http.Headers, func(name, _ string) bool { return !strings.HasPrefix(name, "signature") })
	}
	r, err := http.NewRequest("GET", front.URL+"/v1/balance", nil)
	y.w.Must(err)
	bot.Sign(r, nil, y.w.DB.Now())
	for _, name := range []string{"X-Keyward-Account", "X_Keyward_Account", "X-Keyward_Account", "X-Keyward-Sub", "X-Original-Url", "X-Forwarded-Uri"} {
		r.Header[name] = []string{"victim"}
	}
	if res, code := y.does(r); res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, code)
	}
	untouched(t, y)
}

func TestAPanicIsARefusal(t *testing.T) {
	y := newYard(t)
	e := newEnvoy(t, y)
	y.gate.Now = func() time.Time { panic("a clock") }
	if a, err := e.ask.Check(t.Context(), &authv3.CheckRequest{}); err == nil || a.GetOkResponse() != nil {
		t.Errorf("%v, %v", a, err)
	}
	y.gate.Now = y.w.DB.Now
	if a, err := e.ask.Check(t.Context(), &authv3.CheckRequest{}); err != nil || a.GetStatus().GetCode() != permissionDenied || a.GetDeniedResponse().GetStatus().GetCode() != 400 {
		t.Errorf("afterwards: %v, %v", a, err)
	}
}

// What we write is what Envoy reads, and what we read is what Envoy wrote.
func FuzzCheckRequest(f *testing.F) {
	e := &envoy{from: "203.0.113.7", raw: true, body: 10}
	r := httptest.NewRequest("POST", "/v1/orders?x=1", nil)
	r.Header = http.Header{"Signature": {"sig1=:AA==:"}, "X-Two": {"a", "b"}}
	for _, raw := range []bool{true, false} {
		e.raw = raw
		b, _ := proto.Marshal(e.question(r, []byte("a body")))
		f.Add(b)
	}
	f.Add([]byte{0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02})
	f.Fuzz(func(t *testing.T, b []byte) {
		var ours checkRequest
		if ours.parse(string(b)) != nil {
			return
		}
		var theirs authv3.CheckRequest
		if proto.Unmarshal(b, &theirs) != nil {
			return // a text that is no UTF-8: they are stricter, and no signature covers such a one
		}
		q := theirs.GetAttributes().GetRequest().GetHttp()
		if ours.method != q.GetMethod() || ours.path != q.GetPath() || ours.query != q.GetQuery() || ours.hash != q.GetFragment() || ours.body != q.GetBody() || ours.rawBody != string(q.GetRawBody()) {
			t.Errorf("%+v\n%v", ours, &theirs)
		}
		if ours.source != theirs.GetAttributes().GetSource().GetAddress().GetSocketAddress().GetAddress() && theirs.GetAttributes().GetSource().GetAddress().GetSocketAddress() != nil {
			t.Errorf("from %q\n%v", ours.source, &theirs)
		}
		for i, h := range q.GetHeaderMap().GetHeaders() {
			if ours.raw[i] != (pair{h.GetKey(), h.GetValue() + string(h.GetRawValue())}) {
				t.Errorf("header %d: %q\n%v", i, ours.raw[i], h)
			}
		}
		for name, v := range q.GetHeaders() {
			if !slices.Contains(ours.headers, pair{name, v}) {
				t.Errorf("header %s: %q\n%v", name, ours.headers, v)
			}
		}
	})
}

func TestEnvoyReadsWhatWeWrite(t *testing.T) {
	long := strings.Repeat("x", 300)
	var a authv3.CheckResponse
	if err := proto.Unmarshal(allowed([]pair{{"x-keyward-decision", long}, {"a", ""}}, []pair{{"c", "d"}}, []string{"e", long}), &a); err != nil {
		t.Fatal(err)
	}
	ok := a.GetOkResponse()
	if a.GetStatus() == nil || a.GetStatus().GetCode() != 0 || len(ok.GetHeaders()) != 2 || ok.GetHeaders()[0].GetHeader().GetValue() != long || ok.GetHeaders()[1].GetHeader().GetKey() != "a" ||
		ok.GetResponseHeadersToAdd()[0].GetHeader().GetValue() != "d" || !slices.Equal(ok.GetHeadersToRemove(), []string{"e", long}) || a.GetDeniedResponse() != nil {
		t.Errorf("%v", &a)
	}
	var d authv3.CheckResponse
	if err := proto.Unmarshal(denied(429, []pair{{"retry-after", "1"}}, long), &d); err != nil {
		t.Fatal(err)
	}
	no := d.GetDeniedResponse()
	if d.GetStatus().GetCode() != permissionDenied || no.GetStatus().GetCode() != 429 || no.GetBody() != long || no.GetHeaders()[0].GetHeader().GetValue() != "1" || d.GetOkResponse() != nil {
		t.Errorf("%v", &d)
	}
}
