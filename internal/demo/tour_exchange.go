package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyward/internal/softkey"
)

// exchanges: the exchange learns who is signed in, and loses them the moment the
// session ends.
func exchanges() []step {
	return []step{
		{"tablet", "signs in: a second browser", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.signIn(ctx)
		}},
		{"tablet", "asks the exchange to let it in", want{303, "", "sent to Keyward with a challenge"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tabletThere.start(ctx)
			if err != nil {
				return nil, err
			}
			s.ask, err = asked(s, a)
			return a, err
		}},
		{"tablet", "looks at where it leads: looking makes no code", want{200, "", "a page"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.do(ctx, call{method: http.MethodGet, path: "/handoff?" + s.ask.Encode(), page: true})
		}},
		{"thief", "asks for the code with copied cookies, from next door", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefOf(s.tablet, nil).handoff(ctx, s.ask)
		}},
		{"thief", "asks with a proof of a key of their own", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefOf(s.tablet, softkey.NewBindingKey()).handoff(ctx, s.ask)
		}},
		{"tablet", "asks with its own: a one-time code", want{200, "", "back to the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.handoff(ctx, s.ask)
			if err != nil {
				return nil, err
			}
			var out struct{ To string }
			if err := a.into(&out); err != nil {
				return a, err
			}
			if s.handoff = strings.TrimPrefix(out.To, s.Exchange); !strings.HasPrefix(s.handoff, "/enter?code=") {
				return a, fmt.Errorf("it was sent to %q", strings.SplitN(out.To, "?", 2)[0])
			}
			s.tablet.keep("code", codeOf(s.handoff))
			return a, nil
		}},
		{"thief", "brings the stolen code in a browser that never asked", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefThere.get(ctx, s.handoff)
		}},
		{"thief", "asks too, and brings it with the state and verifier of that", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.thiefThere.start(ctx)
			if err != nil {
				return nil, err
			}
			own, err := asked(s, a)
			if err != nil {
				return a, err
			}
			return s.thiefThere.get(ctx, "/enter?"+url.Values{"code": {codeOf(s.handoff)}, "state": {own.Get("state")}}.Encode())
		}},
		{"tablet", "is slipped a code without its state", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tabletThere.get(ctx, "/enter?code="+codeOf(s.handoff))
		}},
		{"exchange", "redeems the code and shows the balance", want{200, "", "0.42 BTC"}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.tabletThere.get(ctx, s.handoff); err != nil || a.status != http.StatusSeeOther {
				return a, err
			}
			a, err := s.tabletThere.get(ctx, "/")
			if err != nil {
				return nil, err
			}
			return a, seen(a, "0.42")
		}},
		{"tablet", "uses the same code once more", want{403, "", "refused by the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tabletThere.get(ctx, s.handoff)
		}},
		{"thief", "asks to be sent to an address of their own", want{400, "bad_request", ""}, func(ctx context.Context, s *story) (*answer, error) {
			ask := maps.Clone(s.ask)
			ask.Set("to", "https://evil.example/enter")
			return s.tablet.get(ctx, "/handoff?"+ask.Encode())
		}},
		{"phone", "ends the tablet's session", want{200, "", "a receipt with ms"}, endTablet},
		{"tablet", "opens its page", want{401, "session_ended", ""}, home(func(s *story) *visitor { return s.tablet })},
		{"tablet", "refreshes", want{401, "refresh_invalid", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.renew(ctx)
		}},
		{"exchange", "is asked for the balance again", want{200, "", "no balance: ended"}, func(ctx context.Context, s *story) (*answer, error) {
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

// asked is what the exchange sent a browser to Keyward with.
func asked(s *story, a *answer) (url.Values, error) {
	at, query, _ := strings.Cut(a.header.Get("Location"), "?")
	if at != s.Origin+"/handoff" {
		return nil, fmt.Errorf("it was sent to %q", at)
	}
	return url.ParseQuery(query)
}

// handoff is what the script of the page does (internal/web/static/handoff.js).
func (v *visitor) handoff(ctx context.Context, ask url.Values) (*answer, error) {
	return v.do(ctx, call{method: http.MethodPost, path: "/handoff", prove: true, json: map[string]string{
		"to": ask.Get("to"), "state": ask.Get("state"), "challenge": ask.Get("challenge"),
	}})
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
