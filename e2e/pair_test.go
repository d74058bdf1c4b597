package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// pair is two servers with one PostgreSQL, one root key and one public address, as
// they stand behind a load balancer. Nothing else connects them.
type pair struct {
	t     *testing.T
	doors [2]*killable
	db    *sql.DB // beside them: what is true, and not what they say
}

func newPair(t *testing.T) *pair {
	t.Helper()
	address := storetest.EmptyPostgresURL(t)
	here := newKillable(t, address)
	p := &pair{t: t, doors: [2]*killable{here, here.twin()}}
	for _, door := range p.doors {
		door.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		door.start() // the first one makes the root key
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p.db = db
	return p
}

// app registers one that asks nobody for consent.
func (p *pair) app(auth string) *client {
	p.t.Helper()
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	args := []string{"--json", "client", "add", "--name", "App of two servers", "--owner", "dev@app.example.net", "--first-party", "--auth", auth, "--redirect", appBack}
	for _, scope := range []string{"openid", "offline_access", "read"} {
		args = append(args, "--scope", scope)
	}
	if err := json.Unmarshal([]byte(p.doors[0].keyward(0, args...)), &made); err != nil {
		p.t.Fatal(err)
	}
	return &client{id: made.ID, secret: made.Secret, key: softkey.NewBindingKey()}
}

// one reads a single value from the database.
func one[T any](p *pair, query string, args ...any) (v T) {
	p.t.Helper()
	if err := p.db.QueryRowContext(p.t.Context(), query, args...).Scan(&v); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return v
}

// said is what came back.
type said struct {
	status int
	header http.Header
	body   []byte
}

// word is the error of an answer, in either form, "" for none.
func (s said) word() string {
	var no struct{ Code, Error string }
	_ = json.Unmarshal(s.body, &no)
	if s.status < 400 {
		return ""
	}
	return no.Code + no.Error
}

// send makes one request at one of the doors.
func (s *killable) send(method, path, addr string, header http.Header, body []byte) (said, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, s.origin+path, bytes.NewReader(body))
	if err != nil {
		return said{}, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("X-Forwarded-For", addr)
	req.Header.Set("Accept", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return said{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return said{res.StatusCode, res.Header, text}, err
}

// client is an app as a server's neighbour knows it.
type client struct {
	id, secret string
	key        *softkey.BindingKey
	nonce      string // of the API's doors; made by either, good at both
}

const (
	appBack  = "https://app.example.net/back"
	verifier = "a-verifier-that-the-app-kept-for-the-browser-it-began-with"
)

// post sends a form. proof is a DPoP header made beforehand, "" for none.
func (c *client) post(s *killable, path, addr, proof string, form url.Values) (said, error) {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if proof != "" {
		h.Set("DPoP", proof)
	}
	if c.secret != "" {
		req := http.Request{Header: h}
		req.SetBasicAuth(c.id, c.secret)
	} else {
		form.Set("client_id", c.id)
	}
	return s.send(http.MethodPost, path, addr, h, []byte(form.Encode()))
}

func (c *client) proof(s *killable, path string, key *softkey.BindingKey) string {
	return key.Proof(softkey.DPoP{Method: http.MethodPost, URL: s.origin + path, Nonce: c.nonce}, time.Now())
}

// greet fetches a nonce, by the refusal that brings it (RFC 9449 §8).
func (c *client) greet(s *killable) error {
	a, err := c.post(s, "/oauth/token", "198.51.100.9", c.proof(s, "/oauth/token", c.key), url.Values{"grant_type": {"client_credentials"}})
	if c.nonce = a.header.Get("DPoP-Nonce"); err == nil && c.nonce == "" {
		err = fmt.Errorf("no nonce came: %d %s", a.status, a.body)
	}
	return err
}

// person sits at a browser with a bound session.
type person struct {
	bind    *softkey.BindingKey
	cookies []string
	nonce   string
}

// person signs up at the first door, with the pages' own requests.
func (p *pair) person(mail string) *person {
	p.t.Helper()
	s, who := p.doors[0], &person{bind: softkey.NewBindingKey()}
	browser := &softkey.Browser{Origin: s.origin, Keys: &softkey.Authenticator{}}
	a, err := who.post(s, "/signup/begin", map[string]string{"mail": mail}, "")
	var begun struct{ Options json.RawMessage }
	if err == nil {
		err = json.Unmarshal(a.body, &begun)
	}
	if err != nil {
		p.t.Fatalf("sign up: %v: %d %s", err, a.status, a.body)
	}
	credential, err := browser.Create(begun.Options)
	if err != nil {
		p.t.Fatal(err)
	}
	if a, err = s.send(http.MethodGet, "/session/state", "198.51.100.7", nil, nil); err != nil {
		p.t.Fatal(err)
	}
	who.nonce = a.header.Get("DPoP-Nonce")
	a, err = who.post(s, "/signup/finish", map[string]any{"credential": json.RawMessage(credential)}, who.proof(s, "/signup/finish"))
	if err != nil || a.status >= 300 {
		p.t.Fatalf("sign up: %v: %d %s", err, a.status, a.body)
	}
	return who
}

func (w *person) proof(s *killable, path string) string {
	return w.bind.Proof(softkey.DPoP{Method: http.MethodPost, URL: s.origin + path, Nonce: w.nonce}, time.Now())
}

// post sends JSON as a script of our pages does, and keeps the cookies that come
// back; only one request at a time may bring any.
func (w *person) post(s *killable, path string, in any, proof string) (said, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return said{}, err
	}
	h := http.Header{"Content-Type": {"application/json"}, "Cookie": {strings.Join(w.cookies, "; ")}}
	if proof != "" {
		h.Set("DPoP", proof)
	}
	a, err := s.send(http.MethodPost, path, "198.51.100.7", h, body)
	if brought := (&http.Response{Header: a.header}).Cookies(); len(brought) > 0 {
		for _, c := range brought {
			w.cookies = append(w.cookies, c.Name+"="+c.Value)
		}
	}
	return a, err
}

// push sends a request of an app ahead (RFC 9126) and opens it, each at another
// door. It returns the request_uri and the handle under which it waits.
func (p *pair) push(c *client) (uri, handle string) {
	p.t.Helper()
	form := url.Values{"response_type": {"code"}, "redirect_uri": {appBack}, "scope": {"openid offline_access read"}, "state": {"st"}, "nonce": {"n"},
		"code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "client_id": {c.id}}
	a, err := c.post(p.doors[0], "/oauth/par", "198.51.100.8", "", form)
	var pushed struct {
		URI string `json:"request_uri"`
	}
	if err == nil {
		err = json.Unmarshal(a.body, &pushed)
	}
	if err != nil || pushed.URI == "" {
		p.t.Fatalf("push: %v: %d %s", err, a.status, a.body)
	}
	if a, err = p.open(1, c, pushed.URI); err != nil {
		p.t.Fatal(err)
	}
	_, handle, ok := strings.Cut(a.header.Get("Location"), "ask=")
	if !ok {
		p.t.Fatalf("a pushed request does not open: %d %s", a.status, a.body)
	}
	return pushed.URI, handle
}

func (p *pair) open(door int, c *client, uri string) (said, error) {
	q := url.Values{"client_id": {c.id}, "request_uri": {uri}}
	return p.doors[door].send(http.MethodGet, "/oauth/authorize?"+q.Encode(), "198.51.100.7", nil, nil)
}

// allow is the person's answer; it returns the code.
func (p *pair) allow(door int, w *person, handle string) (code string, a said, err error) {
	s := p.doors[door]
	a, err = w.post(s, "/oauth/authorize/answer", map[string]string{"ask": handle}, w.proof(s, "/oauth/authorize/answer"))
	if err != nil || a.status != http.StatusOK {
		return "", a, err
	}
	var to struct{ To string }
	if err := json.Unmarshal(a.body, &to); err != nil {
		return "", a, err
	}
	u, err := url.Parse(to.To)
	return u.Query().Get("code"), a, err
}

// code gets one for an app, from its person.
func (p *pair) code(w *person, c *client) string {
	p.t.Helper()
	_, handle := p.push(c)
	code, a, err := p.allow(0, w, handle)
	if err != nil || code == "" {
		p.t.Fatalf("no code: %v: %d %s", err, a.status, a.body)
	}
	return code
}

func redeeming(code, verifier string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {appBack}, "code_verifier": {verifier}}
}
