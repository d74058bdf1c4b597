package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyward/internal/softkey"
)

// exchanges: the exchange is an app of the house. It learns who is signed in by OpenID
// Connect, asks for a fresh touch when it needs one, and loses them the moment the
// session ends.
func exchanges() []step {
	return []step{
		{"tablet", "signs in: a second browser", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.signIn(ctx)
		}},
		{"tablet", "asks the exchange to let it in: it pushes its request (PAR)", want{303, "", "sent to Keyward with a name for it"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tabletThere.start(ctx)
			if err != nil {
				return nil, err
			}
			s.pushed, err = pushedTo(s, a)
			return a, err
		}},
		{"tablet", "looks at where it leads: looking makes no code", want{200, "", "a page"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.get(ctx, s.pushed)
			if err != nil {
				return nil, err
			}
			_, s.ask, _ = strings.Cut(a.header.Get("Location"), "ask=")
			return s.tablet.do(ctx, call{method: http.MethodGet, path: "/oauth/authorize?ask=" + s.ask, page: true})
		}},
		{"thief", "asks for the code with copied cookies, from next door", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefOf(s.tablet, nil).allow(ctx, s.ask)
		}},
		{"thief", "asks with a proof of a key of their own", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefOf(s.tablet, softkey.NewBindingKey()).allow(ctx, s.ask)
		}},
		{"tablet", "asks with its own: a one-time code", want{200, "", "back to the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			a, way, err := s.allowed(ctx, s.tablet, s.ask)
			if s.way = way; err == nil {
				s.tablet.keep("code", codeOf(way))
			}
			return a, err
		}},
		{"thief", "brings the stolen code in a browser that never asked", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefThere.get(ctx, s.way)
		}},
		{"thief", "asks too, and brings it with the state of that", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			if _, err := s.thiefThere.start(ctx); err != nil {
				return nil, err
			}
			state, _, _ := strings.Cut(s.thiefThere.cookies["__Host-exchange_start"], ".")
			return s.thiefThere.get(ctx, "/enter?"+url.Values{"code": {codeOf(s.way)}, "state": {state}, "iss": {s.Origin}}.Encode())
		}},
		{"tablet", "is slipped a code without its state", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tabletThere.get(ctx, "/enter?code="+codeOf(s.way))
		}},
		{"exchange", "redeems it with its key and shows the balance", want{200, "", "0.42 BTC"}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.tabletThere.get(ctx, s.way); err != nil || a.status != http.StatusSeeOther {
				return a, err
			}
			a, err := s.tabletThere.get(ctx, "/")
			if err != nil {
				return nil, err
			}
			return a, seen(a, "0.42")
		}},
		{"tablet", "uses the same code once more", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tabletThere.get(ctx, s.way)
		}},
		{"thief", "uses the same pushed request once more", want{400, "ask_gone", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.get(ctx, s.pushed)
		}},
		{"phone", "ends the tablet's session", want{200, "", "a receipt with ms"}, endTablet},
		{"tablet", "opens its page", want{401, "session_ended", ""}, home(func(s *story) *visitor { return s.tablet })},
		{"tablet", "refreshes", want{401, "refresh_invalid", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.renew(ctx)
		}},
		{"exchange", "is asked for the balance again", want{200, "", "no balance"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tabletThere.get(ctx, "/")
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(a.body), "0.42") {
				return a, errors.New("the balance is still shown")
			}
			return a, seen(a, "Your session was ended")
		}},
	}
}

// thiefOf has all cookies of a browser, on its network, and at most a key of their own.
func (s *story) thiefOf(v *visitor, key *softkey.BindingKey) *visitor {
	thief := v.copy()
	thief.name, thief.bind = "THIEF", key
	thief.sent = func(q sent) { s.sent = append(s.sent, s.curl(thief, q)) }
	return thief
}

// start asks the exchange to be let in.
func (v *visitor) start(ctx context.Context) (*answer, error) { return v.get(ctx, "/enter-start") }

// pushedTo is where the exchange sent a browser, at Keyward.
func pushedTo(s *story, a *answer) (string, error) {
	path, ours := strings.CutPrefix(a.header.Get("Location"), s.Origin)
	if !ours || !strings.HasPrefix(path, "/oauth/authorize?") || !strings.Contains(path, "request_uri=") || strings.Contains(path, "challenge") {
		return "", fmt.Errorf("it was sent to %q", strings.SplitN(a.header.Get("Location"), "?", 2)[0])
	}
	return path, nil
}

// allowed answers an app, and is the way back to the exchange.
func (s *story) allowed(ctx context.Context, v *visitor, ask string) (*answer, string, error) {
	a, err := v.allow(ctx, ask)
	if err != nil || a.status != http.StatusOK {
		return a, "", err
	}
	var out struct{ To string }
	if err := a.into(&out); err != nil {
		return a, "", err
	}
	way := strings.TrimPrefix(out.To, s.Exchange)
	if !strings.HasPrefix(way, "/enter?") || codeOf(way) == "" {
		return a, "", fmt.Errorf("it was sent to %q", strings.SplitN(out.To, "?", 2)[0])
	}
	return a, way, nil
}

// codeOf is the code in a way back to the exchange.
func codeOf(way string) string {
	_, query, _ := strings.Cut(way, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return q.Get("code")
}

// endTablet finds the tablet's session in the list and ends it; the answer is the
// receipt.
func endTablet(ctx context.Context, s *story) (*answer, error) {
	var all []struct {
		ID, System string
	}
	if a, err := s.phone.list(ctx, "/sessions", &all); err != nil {
		return a, err
	}
	for _, x := range all {
		if x.System != "iPad" {
			continue
		}
		a, err := s.phone.api(ctx, http.MethodDelete, "/sessions/"+x.ID, nil)
		if err != nil {
			return nil, err
		}
		var receipt struct {
			Sessions    int       `json:"sessions"`
			EffectiveAt time.Time `json:"effective_at"`
			TookMS      *int64    `json:"took_ms"`
		}
		if err := a.into(&receipt); err != nil {
			return a, err
		}
		if receipt.TookMS != nil {
			a.note = fmt.Sprintf("its receipt: refused everywhere after %d ms", *receipt.TookMS)
		}
		if receipt.Sessions != 1 || receipt.TookMS == nil || receipt.EffectiveAt.IsZero() {
			return a, errors.New("the receipt does not say what ended, when, and how fast")
		}
		return a, nil
	}
	return nil, errors.New("the tablet is not in the list")
}
