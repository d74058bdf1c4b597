package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// codes: the fallback. It opens a session that can look and stop things, and
// never add a key.
func codes() []step {
	return []step{
		{"phone", "makes recovery codes", want{201, "", "ten codes"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.api(ctx, http.MethodPost, "/codes", nil)
			if err != nil {
				return nil, err
			}
			var made struct{ Codes []string }
			if err := a.into(&made); err != nil {
				return a, err
			}
			if s.codes = made.Codes; len(s.codes) != 10 {
				err = fmt.Errorf("%d codes", len(s.codes))
			}
			return a, err
		}},
		{"borrowed", "signs in with a code, on a borrowed machine", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.withCode(ctx, s.borrowed, s.codes[0])
		}},
		{"borrowed", "adds a passkey from there", want{403, "insufficient_power", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.borrowed.do(ctx, call{method: http.MethodPost, path: "/passkeys/begin", json: struct{}{}})
		}},
		{"thief", "uses the same code again", want{401, "code_not_accepted", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.withCode(ctx, s.thief.copy(), s.codes[0])
		}},
		told(notify.CodeUsed),
	}
}

// withCode signs in with a recovery code, as bind.js sends the form.
func (s *story) withCode(ctx context.Context, v *visitor, code string) (*answer, error) {
	return v.do(ctx, call{method: http.MethodPost, path: "/signin/code", prove: true, form: map[string][]string{"mail": {s.mail}, "code": {code}, "to": {"/"}}})
}

// passkeys: never the last way in, and nothing enters without a touch.
func passkeys() []step {
	return []step{
		{"phone", "removes the only passkey, with a touch for it", want{409, "last_key", ""}, func(ctx context.Context, s *story) (*answer, error) {
			var keys []struct{ ID string }
			if a, err := s.phone.list(ctx, "/passkeys", &keys); err != nil {
				return a, err
			}
			if len(keys) != 1 {
				return nil, fmt.Errorf("%d passkeys", len(keys))
			}
			s.key = keys[0].ID
			if a, err := s.phone.appTouch(ctx, "keys.remove", s.key); well(a, err) != nil {
				return a, err
			}
			return s.phone.api(ctx, http.MethodDelete, "/passkeys/"+s.key, nil)
		}},
		{"phone", "adds a security key, with the touch of another act", want{403, "step_up_required", ""}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.phone.appTouch(ctx, "codes.new", ""); well(a, err) != nil {
				return a, err
			}
			return s.phone.api(ctx, http.MethodPost, "/passkeys", nil)
		}},
		{"phone", "adds it with a touch for it", want{201, "", "two passkeys"}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.phone.appTouch(ctx, "keys.add", ""); well(a, err) != nil {
				return a, err
			}
			a, err := s.phone.api(ctx, http.MethodPost, "/passkeys", nil)
			if err := well(a, err); err != nil {
				return a, err
			}
			var b begun
			if err := a.into(&b); err != nil {
				return a, err
			}
			stick := &softkey.Browser{Origin: s.Origin, Keys: &softkey.Authenticator{Local: true, Counts: true}}
			credential, err := stick.Create(b.Options)
			if err != nil {
				return nil, err
			}
			return s.phone.api(ctx, http.MethodPost, "/passkeys/finish", map[string]any{"credential": json.RawMessage(credential), "name": "Security key"})
		}},
		told(notify.KeyAdded),
	}
}

// freeze: works signed out, stops everything, and only a passkey lifts it.
func freeze() []step {
	return []step{
		{"stranger", "asks for a freeze link for an address nobody has", want{200, "", "same answer as any"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thief.copy().post(ctx, "/freeze/mail", map[string]string{"mail": "nobody@mail.example"})
		}},
		{"library", "asks for Mina's link, signed out", want{200, "", "a mail is on its way"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.library.post(ctx, "/freeze/mail", map[string]string{"mail": s.mail})
		}},
		told(notify.FreezeLink),
		{"library", "freezes the account with the link", want{200, "", "frozen"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.library.post(ctx, "/freeze/link", map[string]string{"t": s.link})
		}},
		{"laptop", "opens its page", want{401, "session_ended", ""}, home(func(s *story) *visitor { return s.laptop })},
		{"phone", "makes a call", want{401, "session_ended", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodGet, "/session", nil)
		}},
		{"borrowed", "signs in with a code", want{403, "account_frozen", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.withCode(ctx, s.borrowed.copy(), s.codes[1])
		}},
		told(notify.AccountFrozen),
		{"phone", "signs in with the passkey", want{200, "", "signed in, to lift it"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.appSignIn(ctx)
		}},
		{"phone", "lifts the freeze without a touch", want{403, "step_up_required", ""}, lift},
		{"phone", "lifts it with a touch for it", want{204, "", "active again"}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.phone.appTouch(ctx, "freeze.lift", ""); well(a, err) != nil {
				return a, err
			}
			return lift(ctx, s)
		}},
		told(notify.AccountUnfrozen),
		{"laptop", "signs in again", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.laptop.signIn(ctx)
			if err := well(a, err); err != nil {
				return a, err
			}
			return s.laptop.get(ctx, "/")
		}},
		{"phone", "reads in Activity what happened", want{200, "", "the theft, the freeze"}, func(ctx context.Context, s *story) (*answer, error) {
			stands := map[string]bool{}
			var a *answer
			for path := "/activity"; path != ""; {
				var err error
				if a, err = s.phone.api(ctx, http.MethodGet, path, nil); err != nil {
					return a, err
				}
				var page struct {
					Items []struct{ Action string }
					Next  string
				}
				if err := a.into(&page); err != nil {
					return a, err
				}
				for _, e := range page.Items {
					stands[e.Action] = true
				}
				if path = ""; page.Next != "" {
					path = "/activity?before=" + page.Next
				}
			}
			for _, action := range []string{"session.suspect", "session.reuse", "codes.used", "key.added", "account.frozen", "account.unfrozen"} {
				if !stands[action] {
					return a, errors.New("it does not say " + action)
				}
			}
			return a, nil
		}},
	}
}

func lift(ctx context.Context, s *story) (*answer, error) {
	return s.phone.api(ctx, http.MethodPost, "/freeze/lift", nil)
}

// raw is JSON that is sent as it stands.
func raw(b []byte) json.RawMessage { return b }
