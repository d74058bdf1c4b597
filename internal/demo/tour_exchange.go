package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// exchanges: the exchange learns who is signed in, and loses them the moment the
// session ends.
func exchanges() []step {
	return []step{
		{"tablet", "signs in: a second browser", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.signIn(ctx)
		}},
		{"tablet", "goes to the exchange with a one-time code", want{303, "", "sent back to the exchange"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.do(ctx, call{method: http.MethodGet, path: "/handoff?to=" + url.QueryEscape(s.Exchange+"/enter"), page: true})
			if err != nil {
				return nil, err
			}
			if s.handoff = strings.TrimPrefix(a.header.Get("Location"), s.Exchange); !strings.HasPrefix(s.handoff, "/enter?code=") {
				return a, fmt.Errorf("it was sent to %q", strings.SplitN(s.handoff, "?", 2)[0])
			}
			return a, nil
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
		{"thief", "uses the same code once more", want{403, "", "refused"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.laptopThere.get(ctx, s.handoff)
		}},
		{"thief", "asks to be sent to an address of their own", want{400, "bad_request", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.get(ctx, "/handoff?to="+url.QueryEscape("https://evil.example/enter"))
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
