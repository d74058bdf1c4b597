package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

const bye = "https://app.example.net/bye"

// leaver is a desk with an app that sends its people to sign out.
func leaver(t *testing.T) *desk {
	d := newDesk(t, false)
	var err error
	d.app, _, err = d.oauth.Register(context.Background(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "Portfolio View", Owner: "dev",
		Auth: oauth.AuthNone, Redirects: []string{appBack}, Scopes: []string{"openid"}, AfterLogout: []string{bye}})
	d.w.Must(err)
	return d
}

// hint is an ID token that the app got in a session.
func (d *desk) hint(ses session.Session, life time.Duration) string {
	d.t.Helper()
	token, err := session.NewMint(d.w.Ring, signintest.Origin, d.w.DB.Now).ID(session.IDClaims{
		Subject: string(ses.Account), Audience: string(d.app.ID), SID: string(ses.ID), ACR: ses.ACR,
	}, life)
	d.w.Must(err)
	return token
}

func (d *desk) ended(id session.ID) (over bool) {
	d.t.Helper()
	d.w.Must(d.w.DB.Get(context.Background(), `SELECT EXISTS (SELECT 1 FROM session_session WHERE id = $1 AND ended_at > 0)`, string(id)).Scan(&over))
	return over
}

func form(path string, v url.Values) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	return r
}

// OIDC RP-Initiated Logout §2, §6: any page can lead a browser here, so what it brings
// decides whether its person is asked.
func TestWhoIsSignedOutWithoutAQuestion(t *testing.T) {
	for _, row := range []struct {
		name   string
		query  func(d *desk) url.Values
		status int
		to     string
		over   bool
	}{
		{"the app of this very session", func(d *desk) url.Values {
			return url.Values{"id_token_hint": {d.hint(d.p.Session(), time.Minute)}, "post_logout_redirect_uri": {bye}, "state": {"st-1"}}
		}, 303, bye + "?state=st-1", true},
		{"the same with a token that ran out", func(d *desk) url.Values {
			return url.Values{"id_token_hint": {d.hint(d.p.Session(), -time.Hour)}, "post_logout_redirect_uri": {bye}}
		}, 303, bye, true},
		{"the same with nowhere to go", func(d *desk) url.Values {
			return url.Values{"id_token_hint": {d.hint(d.p.Session(), time.Minute)}}
		}, 303, "/signin?note=signed-out", true},
		{"an app of another session of theirs", func(d *desk) url.Values {
			return url.Values{"id_token_hint": {d.hint(d.p.Elsewhere().In().Session(), time.Minute)}, "post_logout_redirect_uri": {bye}}
		}, 200, "", false},
		{"somebody else's token", func(d *desk) url.Values {
			return url.Values{"id_token_hint": {d.hint(d.w.Person().Session(), time.Minute)}, "post_logout_redirect_uri": {bye}}
		}, 200, "", false},
		{"who only says its name", func(d *desk) url.Values {
			return url.Values{"client_id": {string(d.app.ID)}, "post_logout_redirect_uri": {bye}}
		}, 200, "", false},
		{"a link of anybody", func(*desk) url.Values { return url.Values{} }, 200, "", false},
		{"the app of this session, to an address that is not its own", func(d *desk) url.Values {
			return url.Values{"id_token_hint": {d.hint(d.p.Session(), time.Minute)}, "post_logout_redirect_uri": {"https://evil.example/bye"}}
		}, 400, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := leaver(t)
			ses, q := d.p.Session(), row.query(d)
			w := d.open("/oauth/logout?" + q.Encode())
			if to := w.Header().Get("Location"); w.Code != row.status || to != row.to {
				t.Errorf("%d to %q", w.Code, to)
			}
			if over := d.ended(ses.ID); over != row.over {
				t.Errorf("the session is over: %v", over)
			}
			if row.status == 200 && !strings.Contains(w.Body.String(), `action="/oauth/logout/confirm"`) {
				t.Error("nobody is asked")
			}
		})
	}
	t.Run("a form of the app becomes a visit, and ends nothing by itself", func(t *testing.T) {
		d := leaver(t)
		ses := d.p.Session()
		w := d.do(form("/oauth/logout", url.Values{"id_token_hint": {d.hint(ses, time.Minute)}, "post_logout_redirect_uri": {bye}}))
		to := w.Header().Get("Location")
		if w.Code != 303 || !strings.HasPrefix(to, "/oauth/logout?") || d.ended(ses.ID) {
			t.Fatalf("%d to %q", w.Code, to)
		}
		if w = d.open(to); w.Code != 303 || w.Header().Get("Location") != bye || !d.ended(ses.ID) {
			t.Errorf("the visit: %d to %q", w.Code, w.Header().Get("Location"))
		}
	})
	t.Run("nobody is signed in: it leads on", func(t *testing.T) {
		d := leaver(t)
		d.p.Iss.Access = ""
		w := d.open("/oauth/logout?" + url.Values{"client_id": {string(d.app.ID)}, "post_logout_redirect_uri": {bye}}.Encode())
		if to := w.Header().Get("Location"); w.Code != 303 || to != bye {
			t.Errorf("%d to %q", w.Code, to)
		}
	})
}

func TestTheAnswerToTheQuestionSignsOut(t *testing.T) {
	answer := func(d *desk, to string) url.Values {
		return url.Values{"client_id": {string(d.app.ID)}, "post_logout_redirect_uri": {to}, "state": {"st-1"}}
	}
	d := leaver(t)
	ses := d.p.Session()
	r := form("/oauth/logout/confirm", answer(d, bye))
	if w := d.do(r, "Sec-Fetch-Site", "cross-site"); w.Code != 403 || d.ended(ses.ID) {
		t.Fatalf("another site answered: %d", w.Code)
	}
	if w := d.do(form("/oauth/logout/confirm", answer(d, "https://evil.example/bye")), "Sec-Fetch-Site", "same-origin"); w.Code != 400 || d.ended(ses.ID) {
		t.Fatalf("to an address of somebody else: %d", w.Code)
	}
	w := d.do(form("/oauth/logout/confirm", answer(d, bye)), "Sec-Fetch-Site", "same-origin")
	if w.Code != 200 || w.Header().Get("Refresh") != "0; url="+bye+"?state=st-1" || !d.ended(ses.ID) {
		t.Errorf("%d, goes on to %q; ended %v", w.Code, w.Header().Get("Refresh"), d.ended(ses.ID))
	}
}
