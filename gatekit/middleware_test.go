package gatekit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
)

// upstream is a service behind a gate, on a real socket.
type upstream struct {
	*httptest.Server
	v       *gatekit.Verifier
	now     time.Time
	refused []error
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{v: gatekit.NewVerifier(key), now: noon}
	u.v.Now = func() time.Time { return u.now }
	u.v.Refused = func(_ *http.Request, err error) { u.refused = append(u.refused, err) }
	u.Server = httptest.NewServer(u.v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, ok := gatekit.FromContext(r.Context())
		body, err := io.ReadAll(r.Body)
		if !ok || err != nil || sha256.Sum256(body) != d.Body || r.ContentLength != int64(len(body)) {
			t.Errorf("the handler has %+v, %v, %q of length %d, %v", d, ok, body, r.ContentLength, err)
		}
		fmt.Fprintf(w, "%s %s %q %q %q %q", d.ID, r.Header.Values(gatekit.HeaderAccount), r.Header.Get(gatekit.HeaderSub),
			r.Header.Get(gatekit.HeaderKey), r.Header.Get(gatekit.HeaderScopes), r.Header.Get(gatekit.HeaderRequestID))
	}), 1<<10))
	t.Cleanup(u.Close)
	return u
}

// send puts the token of d on the request that d is about, and lets edit change it.
func (u *upstream) send(t *testing.T, d gatekit.Decision, body io.Reader, edit func(*http.Request)) (status int, head http.Header, text string) {
	t.Helper()
	r, err := http.NewRequest(d.Method, u.URL+d.Target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(gatekit.Header, key.Sign(d))
	if edit != nil {
		edit(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func TestWhatCameThroughTheGateIsServed(t *testing.T) {
	u := newUpstream(t)
	status, _, text := u.send(t, decision(), bytes.NewReader(order), func(r *http.Request) {
		r.Header.Set(gatekit.HeaderAccount, "acc_of_somebody_else") // a neighbour with a decision of its own
		r.Header.Set(gatekit.HeaderRequestID, "req_1")
	})
	if want := `dec_01JDYQ4Z8M [acc_7Q2] "sub_1" "key:kwk_live_1wD3" "read trade" "req_1"`; status != 200 || text != want {
		t.Errorf("%d %s, want %s", status, text, want)
	}
	// In pieces, without a length, as proxies may send it.
	if status, _, text := u.send(t, decision(), io.MultiReader(bytes.NewReader(order[:7]), bytes.NewReader(order[7:])), nil); status != 200 {
		t.Errorf("a chunked body: %d %s", status, text)
	}
	d := decision()
	d.Method, d.Target, d.Body, d.Sub, d.Scopes = "GET", "/v1/a%2Fb//c?x=%20&x", sha256.Sum256(nil), "", ""
	status, _, text = u.send(t, d, nil, func(r *http.Request) {
		r.Header.Set(gatekit.HeaderSub, "sub_2")
		r.Header.Set(gatekit.HeaderScopes, "withdraw")
	})
	if want := `dec_01JDYQ4Z8M [acc_7Q2] "" "key:kwk_live_1wD3" "" ""`; status != 200 || text != want {
		t.Errorf("%d %s, want %s", status, text, want)
	}
}

func TestWhatDidNotIsRefusedAndLearnsNothing(t *testing.T) {
	u := newUpstream(t)
	answers := map[string]bool{}
	for _, row := range []struct {
		name string
		edit func(*http.Request)
		want error
	}{
		{"no token", func(r *http.Request) { r.Header.Del(gatekit.Header) }, gatekit.ErrNoToken},
		{"an empty token", func(r *http.Request) { r.Header.Set(gatekit.Header, "") }, gatekit.ErrNoToken},
		{"the headers for convenience alone", func(r *http.Request) {
			r.Header.Del(gatekit.Header)
			r.Header.Set(gatekit.HeaderAccount, "acc_7Q2")
		}, gatekit.ErrNoToken},
		{"the token twice", func(r *http.Request) { r.Header.Add(gatekit.Header, r.Header.Get(gatekit.Header)) }, gatekit.ErrHeaderTwice},
		{"a good token and one that is none", func(r *http.Request) { r.Header.Add(gatekit.Header, "x") }, gatekit.ErrHeaderTwice},
		{"two accounts", func(r *http.Request) {
			r.Header.Add(gatekit.HeaderAccount, "acc_7Q2")
			r.Header.Add(gatekit.HeaderAccount, "acc_8")
		}, gatekit.ErrHeaderTwice},
		{"a token that is none", func(r *http.Request) { r.Header.Set(gatekit.Header, "kwd1.e30.x") }, gatekit.ErrMalformed},
		{"a wrong tag", func(r *http.Request) {
			other := key
			other[0]++
			r.Header.Set(gatekit.Header, raw(other, payload(t, key.Sign(decision()))))
		}, gatekit.ErrTag},
		{"another gate's key", func(r *http.Request) {
			other := key
			other[0]++
			r.Header.Set(gatekit.Header, other.Sign(decision()))
		}, gatekit.ErrUnknownKey},
		{"another path", func(r *http.Request) { r.URL.Path = "/v1/withdrawals" }, gatekit.ErrOtherRequest},
		{"another query", func(r *http.Request) { r.URL.RawQuery = "dry=0" }, gatekit.ErrOtherRequest},
		{"another method", func(r *http.Request) { r.Method = "PUT" }, gatekit.ErrOtherRequest},
		{"another body", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{}`))
			r.ContentLength = 2
		}, gatekit.ErrOtherRequest},
		{"no body", func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 }, gatekit.ErrOtherRequest},
		{"a decision of yesterday", func(r *http.Request) {
			d := decision()
			d.Issued = noon.Add(-24 * time.Hour)
			r.Header.Set(gatekit.Header, key.Sign(d))
		}, gatekit.ErrExpired},
		{"a decision of tomorrow", func(r *http.Request) {
			d := decision()
			d.Issued = noon.Add(24 * time.Hour)
			r.Header.Set(gatekit.Header, key.Sign(d))
		}, gatekit.ErrNotYet},
	} {
		t.Run(row.name, func(t *testing.T) {
			u.refused = nil
			status, head, text := u.send(t, decision(), bytes.NewReader(order), row.edit)
			var problem struct {
				Status int
				Code   string
			}
			if err := json.Unmarshal([]byte(text), &problem); err != nil || status != 401 || problem.Status != 401 || problem.Code != "no_decision" ||
				head.Get("Content-Type") != "application/problem+json" || head.Get("WWW-Authenticate") == "" || head.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v %s", status, head, text)
			}
			answers[text] = true
			if len(u.refused) != 1 || !errors.Is(u.refused[0], row.want) {
				t.Errorf("the log has %v, want %v", u.refused, row.want)
			}
		})
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers to those who came around the gate: %v", len(answers), answers)
	}
}

func TestBodiesAreReadOnlyForWhoHasADecision(t *testing.T) {
	u := newUpstream(t)
	big := bytes.Repeat([]byte("x"), 1<<10+1)
	d := decision()
	d.Body = sha256.Sum256(big)
	if status, _, text := u.send(t, d, bytes.NewReader(big), nil); status != 413 || !strings.Contains(text, "body_too_large") {
		t.Errorf("a larger body with a good decision: %d %s", status, text)
	}
	d.Body = sha256.Sum256(big[1:])
	if status, _, text := u.send(t, d, bytes.NewReader(big[1:]), nil); status != 200 {
		t.Errorf("a body of just the limit: %d %s", status, text)
	}
	unread := &endless{}
	r := httptest.NewRequest("POST", decision().Target, unread)
	w := httptest.NewRecorder()
	u.v.Middleware(http.NotFoundHandler(), 1<<40).ServeHTTP(w, r)
	if w.Code != 401 || unread.n != 0 {
		t.Errorf("a stranger's body: %d after %d reads", w.Code, unread.n)
	}
}

type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) { e.n++; return len(p), nil }

// A request whose head came in time and whose body was held back.
func TestTheTimeRunsOutWhileABodyArrives(t *testing.T) {
	u := newUpstream(t)
	r := httptest.NewRequest("POST", decision().Target, io.MultiReader(bytes.NewReader(order), late(func() { u.now = noon.Add(gatekit.Life) })))
	r.Header.Set(gatekit.Header, key.Sign(decision()))
	w := httptest.NewRecorder()
	u.Config.Handler.ServeHTTP(w, r)
	if w.Code != 401 || len(u.refused) != 1 || !errors.Is(u.refused[0], gatekit.ErrExpired) {
		t.Errorf("%d, %v", w.Code, u.refused)
	}
}

type late func()

func (l late) Read([]byte) (int, error) { l(); return 0, io.EOF }

func TestABodyThatBreaksOffIsNoBody(t *testing.T) {
	u := newUpstream(t)
	r := httptest.NewRequest("POST", decision().Target, io.MultiReader(bytes.NewReader(order), broken{}))
	r.Header.Set(gatekit.Header, key.Sign(decision()))
	w := httptest.NewRecorder()
	u.Config.Handler.ServeHTTP(w, r)
	if w.Code != 401 || len(u.refused) != 1 || !errors.Is(u.refused[0], gatekit.ErrBodyLost) || !errors.Is(u.refused[0], io.ErrUnexpectedEOF) {
		t.Errorf("%d, %v", w.Code, u.refused)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestOutsideOfMiddlewareThereIsNoDecision(t *testing.T) {
	if d, ok := gatekit.FromContext(t.Context()); ok || d != (gatekit.Decision{}) {
		t.Errorf("%+v, %v", d, ok)
	}
}
