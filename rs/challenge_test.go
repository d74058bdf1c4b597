package rs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

func TestChallenges(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	free, bound := is.token(nil), is.bound(k)
	both, strictly := is.verifier(t), is.verifier(t, func(c *rs.Config) { c.AcceptBearer = false })
	nothing := bearer("")
	nothing.Header.Del("Authorization")
	for _, c := range []struct {
		name   string
		v      *rs.Verifier
		r      *http.Request
		need   rs.Need
		status int
		want   []string
	}{
		{"nothing was presented: no error code (RFC 6750 §3.1)", both, nothing, rs.Need{ACR: rs.Phrh, Scope: []string{"keys"}}, 401,
			[]string{`DPoP algs="ES256 EdDSA"`, `Bearer realm="https://api.example.com"`}},
		{"nothing was presented where no bearer tokens are taken", strictly, nothing, rs.Need{}, 401, []string{`DPoP algs="ES256 EdDSA"`}},
		{"a bad token says nothing of step-up, whatever is needed (RFC 9470 §3)", both, bearer("x"), rs.Need{ACR: rs.Phrh, MaxAge: time.Minute}, 401,
			[]string{`DPoP algs="ES256 EdDSA", error="invalid_token", error_description="the token is not one well-formed compact JWT"`,
				`Bearer realm="https://api.example.com", error="invalid_token", error_description="the token is not one well-formed compact JWT"`}},
		{"a scope too few", strictly, dpop(bound, is.prove(k, bound)), rs.Need{Scope: []string{"trade", "keys"}}, 403,
			[]string{`DPoP algs="ES256 EdDSA", error="insufficient_scope", error_description="the token has not the scope for this", scope="trade keys"`}},
		{"step-up", strictly, dpop(bound, is.prove(k, bound)), rs.Need{ACR: rs.Phrh, MaxAge: 5 * time.Minute}, 401,
			[]string{`DPoP algs="ES256 EdDSA", error="insufficient_user_authentication", error_description="a stronger or more recent sign-in is needed", acr_values="phrh", max_age="300"`}},
		{"step-up by age alone", strictly, dpop(bound, is.prove(k, bound)), rs.Need{MaxAge: time.Second, Scope: []string{"read"}}, 401,
			[]string{`DPoP algs="ES256 EdDSA", error="insufficient_user_authentication", error_description="a stronger or more recent sign-in is needed", scope="read", max_age="1"`}},
		{"step-up with a token without its key", strictly, dpop(bound, "x"), rs.Need{ACR: rs.Phrh}, 401,
			[]string{`DPoP algs="ES256 EdDSA", error="invalid_dpop_proof", error_description="the proof is not one well-formed compact JWT"`}},
		{"a bad proof, of which a Bearer client knows nothing", both, dpop(bound, "x"), rs.Need{}, 401,
			[]string{`DPoP algs="ES256 EdDSA", error="invalid_dpop_proof", error_description="the proof is not one well-formed compact JWT"`}},
		{"two headers", both, twice(bearer(free)), rs.Need{}, 400,
			[]string{`DPoP algs="ES256 EdDSA", error="invalid_request", error_description="more than one Authorization header"`,
				`Bearer realm="https://api.example.com", error="invalid_request", error_description="more than one Authorization header"`}},
		{"good", both, bearer(free), rs.Need{Scope: []string{"read"}}, 204, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			c.v.Require(c.need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tok, ok := rs.FromContext(r.Context()); !ok || tok.Subject != "acc_1" {
					t.Errorf("the handler has %+v", tok)
				}
				w.WriteHeader(204)
			})).ServeHTTP(w, c.r)
			if got := w.Header()["Www-Authenticate"]; w.Code != c.status || !slices.Equal(got, c.want) {
				t.Errorf("%d %q\nwant %d %q", w.Code, got, c.status, c.want)
			}
			if w.Code >= 400 && w.Header().Get("Cache-Control") != "no-store" {
				t.Error("an answer that may be stored")
			}
		})
	}
}

func twice(r *http.Request) *http.Request {
	r.Header["Authorization"] = append(r.Header["Authorization"], r.Header["Authorization"]...)
	return r
}

func TestFromContextWithoutAToken(t *testing.T) {
	if tok, ok := rs.FromContext(t.Context()); ok || tok != nil {
		t.Error(tok)
	}
}

func TestAnErrorOfSomebodyElseIsNoRefusalOfTheToken(t *testing.T) {
	w := httptest.NewRecorder()
	newIssuer(t).verifier(t).Refuse(w, errors.New("the disk of acc_1 is full"))
	if w.Code != 503 || w.Header().Get("WWW-Authenticate") != "" || strings.Contains(w.Body.String(), "acc_1") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
