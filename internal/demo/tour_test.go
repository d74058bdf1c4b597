package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/internal/notify"
)

// parts is a tour against a server that answers what the test says.
func parts(t *testing.T, out *bytes.Buffer, h http.HandlerFunc) TourParts {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return TourParts{
		Out: out, Origin: s.URL, Exchange: "http://exchange.localhost:1", ExchangeAddr: s.Listener.Addr().String(),
		Catcher: notify.NewCatcher(), Transport: http.DefaultTransport.(*http.Transport), Now: time.Now,
		Verify: func(context.Context) (Proof, error) { return Proof{Size: 7}, nil },
	}
}

func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code":%q}`, code)
	}
}

func TestALineFailsWhen(t *testing.T) {
	refused := want{401, "session_ended", ""}
	asks := func(ctx context.Context, s *story) (*answer, error) { return s.laptop.get(ctx, "/") }
	for _, row := range []struct {
		name   string
		server http.HandlerFunc
		want   want
		do     func(context.Context, *story) (*answer, error)
		says   string // "" is ok
	}{
		{"nothing is wrong", refuse(401, "session_ended"), refused, asks, ""},
		{"what should be refused works", func(http.ResponseWriter, *http.Request) {}, refused, asks, "answered 200"},
		{"it is refused for another reason", refuse(401, "not_signed_in"), refused, asks, "answered 401 not_signed_in"},
		{"it is refused with another status", refuse(403, "session_ended"), refused, asks, "answered 403 session_ended"},
		{"what should work is refused", refuse(401, "session_ended"), want{status: 200}, asks, "answered 401 session_ended"},
		{"a refusal carries no code", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) }, refused, asks, "answered 401"},
		{"the answer is right and the fact is not", refuse(401, "session_ended"), refused,
			func(ctx context.Context, s *story) (*answer, error) {
				a, err := s.laptop.get(ctx, "/")
				return a, errors.Join(err, errors.New("the balance is still shown"))
			}, "the balance is still shown"},
		{"there is no answer at all", refuse(401, "session_ended"), refused,
			func(context.Context, *story) (*answer, error) { return nil, nil }, "no answer"},
		{"the server is gone", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, refused, asks, "EOF"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			err := play(t.Context(), parts(t, &out, row.server), []step{{"laptop", "asks", row.want, row.do}})
			if failed := errors.Is(err, ErrTour); failed != (row.says != "") {
				t.Errorf("error %v\n%s", err, out.String())
			}
			line, _, _ := strings.Cut(out.String(), "\n")
			if ok := strings.Contains(line, " ok "); ok != (row.says == "") || strings.Contains(line, " FAIL ") == ok {
				t.Errorf("the line says %q", line)
			}
			if !strings.Contains(out.String(), row.says) {
				t.Errorf("it does not say why:\n%s", out.String())
			}
		})
	}
}

func TestOneBadLineFailsTheTour(t *testing.T) {
	var out bytes.Buffer
	good := step{"laptop", "asks", want{401, "session_ended", ""}, func(ctx context.Context, s *story) (*answer, error) { return s.laptop.get(ctx, "/") }}
	bad := good
	bad.want.code = "proof_missing"
	err := play(t.Context(), parts(t, &out, refuse(401, "session_ended")), []step{good, bad, good})
	if !errors.Is(err, ErrTour) || strings.Count(out.String(), " ok ") != 2 || strings.Count(out.String(), " FAIL ") != 1 {
		t.Errorf("error %v\n%s", err, out.String())
	}
}

func TestALogThatDoesNotVerifyFailsTheTour(t *testing.T) {
	var out bytes.Buffer
	p := parts(t, &out, refuse(401, ""))
	p.Verify = func(context.Context) (Proof, error) { return Proof{}, errors.New("event 4 was edited") }
	if err := play(t.Context(), p, nil); !errors.Is(err, ErrTour) || !strings.Contains(out.String(), "log FAIL: event 4 was edited") {
		t.Errorf("error %v\n%s", err, out.String())
	}
}

func TestCurlLinesHoldNoSecret(t *testing.T) {
	var out bytes.Buffer
	p := parts(t, &out, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: refreshCookie, Value: "kwr_first." + r.URL.Path[1:], Path: "/"})
	})
	p.Curl = true
	var token, captured string
	err := play(t.Context(), p, []step{
		{"laptop", "is given a token", want{status: 200}, func(ctx context.Context, s *story) (*answer, error) { return s.laptop.get(ctx, "/a") }},
		{"laptop", "refreshes it", want{status: 200}, func(ctx context.Context, s *story) (*answer, error) {
			token = s.laptop.cookie(refreshCookie)
			a, err := s.laptop.renew(ctx)
			captured = a.sent.Header.Get("DPoP")
			return a, err
		}},
		{"thief", "presents the spent one and a captured proof", want{status: 200}, func(ctx context.Context, s *story) (*answer, error) {
			v := s.thief.copy()
			v.setCookie(refreshCookie, token)
			return v.do(ctx, call{method: "POST", path: "/session/renew", json: map[string]any{"code": "ABCDE-12345", "credential": map[string]string{"id": "x"}, "note": `say "$HOME"`}, spell: http.Header{"Dpop": {captured}}})
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{token, captured, "ABCDE-12345", `\"id\"`} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is printed", secret)
		}
	}
	for _, part := range []string{
		`-H "Cookie: ` + refreshCookie + `=$LAPTOP_RT"`, // the thief's as well: the name tells whose it was
		`-H "DPoP: $LAPTOP_PROOF"`,
		`\"code\":\"$THIEF_CODE\"`, `\"credential\":$THIEF_CREDENTIAL`, `\"note\":\"say \\\"\$HOME\\\"\"`,
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%s is missing in\n%s", part, out.String())
		}
	}
	if strings.Contains(out.String(), "THIEF_PROOF") || strings.Contains(out.String(), "THIEF_RT") {
		t.Errorf("what was stolen goes under the thief's name:\n%s", out.String())
	}
}
