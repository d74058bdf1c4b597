package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"keyward/internal/edge"
	"keyward/internal/softkey"
)

// visitor is a browser or an app of somebody outside: cookies or tokens, a
// software authenticator, and the key it binds its session to. It knows nothing
// of the server but its address.
type visitor struct {
	name   string // for the tour's curl lines
	origin string
	client *http.Client
	agent  string                 // User-Agent
	from   string                 // X-Forwarded-For, which the demo's server believes from this machine; "" sends none
	keys   *softkey.Authenticator // nil: this visitor has no passkey
	bind   *softkey.BindingKey    // nil: it keeps no key, as a thief or a browser without script
	now    func() time.Time
	sent   func(sent)           // told of every request; may be nil
	kept   func(kind, v string) // told of every secret it is given; may be nil

	mu      sync.Mutex // guards the rest
	cookies map[string]string
	nonces  map[string]string // newest DPoP-Nonce of the pages and of the API, which differ
	access  string            // tokens of an app; browsers keep theirs in cookies
	refresh string
}

// browsing follows no redirect and keeps no cookie by itself: a redirect is an
// answer to look at, and Go's jar would hide Secure cookies from http://localhost,
// where browsers send them.
func browsing(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, Timeout: callTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// callTimeout: an answer takes milliseconds; a press of a button never hangs, also
// on a machine that is busy with something else.
const callTimeout = 20 * time.Second

// call is one request to be made.
type call struct {
	method, path string
	json         any                 // body, sent as JSON
	form         url.Values          // body, sent as a form
	page         bool                // ask for a page instead of JSON
	prove        bool                // with a proof of the binding key
	token        bool                // with the app's access token
	key          *softkey.BindingKey // prove with this key instead of one's own
	spell        http.Header         // more headers
}

// sent is a request as it went out.
type sent struct {
	*http.Request
	body []byte
}

// answer is what came back.
type answer struct {
	sent   sent
	status int
	header http.Header
	body   []byte
	took   time.Duration
	note   string // what the tour prints beside the line

	Code    string            `json:"code"` // of an RFC 9457 problem; "" is none
	Title   string            `json:"title"`
	Detail  string            `json:"detail"`
	Purpose map[string]string `json:"purpose"`
}

func (a *answer) request() string { return a.header.Get("X-Request-Id") }

func (a *answer) into(v any) error {
	if a.status >= 300 {
		return fmt.Errorf("%s %s: %d %s", a.sent.Method, a.sent.URL.Path, a.status, a.Code)
	}
	return json.Unmarshal(a.body, v)
}

// do makes a request. A stale nonce is no refusal: the answer brought a fresh
// one, and the same request goes out once more, as our pages do it.
func (v *visitor) do(ctx context.Context, c call) (*answer, error) {
	a, err := v.once(ctx, c)
	if err == nil && a.Code == "use_dpop_nonce" && (c.prove || c.token) {
		a, err = v.once(ctx, c)
	}
	return a, err
}

func (v *visitor) once(ctx context.Context, c call) (*answer, error) {
	req, body, err := v.request(ctx, c)
	if err != nil {
		return nil, err
	}
	if v.sent != nil {
		v.sent(sent{req, body})
	}
	start := v.now()
	res, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{sent: sent{req, body}, status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err != nil {
		return nil, err
	}
	a.took = v.now().Sub(start)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
		if err := json.Unmarshal(a.body, a); err != nil {
			return nil, fmt.Errorf("a problem that is not JSON: %w", err)
		}
	}
	if a.status >= 400 && a.Code == "" { // the form of RFC 6749 §5.2
		var plain struct{ Error, Message string }
		if json.Unmarshal(a.body, &plain) == nil {
			a.Code, a.Detail = plain.Error, plain.Message
		}
	}
	v.learn(res, c.path)
	return a, nil
}

// request writes a call down.
func (v *visitor) request(ctx context.Context, c call) (*http.Request, []byte, error) {
	var body []byte
	kind := ""
	switch {
	case c.json != nil:
		b, err := json.Marshal(c.json)
		if err != nil {
			return nil, nil, err
		}
		body, kind = b, "application/json"
	case c.form != nil:
		body, kind = []byte(c.form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, c.method, v.origin+c.path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	h := req.Header
	if kind != "" {
		h.Set("Content-Type", kind)
	}
	h.Set("User-Agent", v.agent)
	h.Set("Accept", "application/json")
	if c.page {
		h.Set("Accept", "text/html")
	}
	if v.from != "" {
		h.Set("X-Forwarded-For", v.from)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range cookieOrder {
		if value, ok := v.cookies[name]; ok {
			h["Cookie"] = append(h["Cookie"], name+"="+value)
		}
	}
	if len(h["Cookie"]) > 0 {
		h["Cookie"] = []string{strings.Join(h["Cookie"], "; ")}
	}
	p := softkey.DPoP{Method: c.method, URL: v.origin + req.URL.EscapedPath(), Nonce: v.nonces[door(c.path)]}
	if c.token {
		p.Token = v.access
		h.Set("Authorization", "DPoP "+v.access)
	}
	key := v.bind
	if c.key != nil {
		key = c.key
	}
	if (c.prove || c.token) && key != nil {
		h.Set("DPoP", key.Proof(p, v.now()))
	}
	maps.Copy(h, c.spell)
	return req, body, nil
}

// learn keeps what an answer brings: cookies and the next nonce.
func (v *visitor) learn(res *http.Response, path string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range res.Cookies() {
		if v.cookies == nil {
			v.cookies = map[string]string{}
		}
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
			v.keep(c.Name, c.Value)
		}
	}
	if n := res.Header.Get("DPoP-Nonce"); n != "" {
		if v.nonces == nil {
			v.nonces = map[string]string{}
		}
		v.nonces[door(path)] = n
	}
}

func (v *visitor) keep(kind, secret string) {
	if v.kept != nil {
		v.kept(kind, secret)
	}
}

// door tells pages and API apart: each has nonces of its own.
func door(path string) string {
	if strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/oauth/") && !strings.HasPrefix(path, "/oauth/authorize") {
		return "api"
	}
	return "pages"
}

// Names of the cookies, in the order in which they are sent.
var (
	accessCookie  = edge.AccessCookie.Name()
	refreshCookie = edge.RefreshCookie.Name()
	cookieOrder   = []string{accessCookie, refreshCookie, edge.DeviceCookie.Name(), "__Host-kw_signup", "__Host-kw_done", "__Host-exchange_start", "__Host-exchange_session"}
)

func (v *visitor) cookie(name string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cookies[name]
}

func (v *visitor) setCookie(name, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cookies == nil {
		v.cookies = map[string]string{}
	}
	v.cookies[name] = value
}

// copy is the same browser at this moment: what happens to the one does not
// happen to the other.
func (v *visitor) copy() *visitor {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &visitor{
		name: v.name, origin: v.origin, client: v.client, agent: v.agent, from: v.from, keys: v.keys, bind: v.bind, now: v.now,
		sent: v.sent, kept: v.kept, cookies: maps.Clone(v.cookies), nonces: maps.Clone(v.nonces), access: v.access, refresh: v.refresh,
	}
}
