package demo

import (
	"context"
	"errors"
	"net/http"

	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// rotation: what happens to refresh tokens of honest browsers (DESIGN §6, rules 2
// to 4). Every refresh is made with the browser's key.
func rotation() []step {
	return []step{
		{"laptop", "refreshes its session", want{200, "", "a new token"}, func(ctx context.Context, s *story) (*answer, error) {
			before := s.laptop.cookie(refreshCookie)
			s.spent = append(s.spent, before)
			a, err := s.laptop.renew(ctx)
			if err == nil && s.laptop.cookie(refreshCookie) == before {
				err = errors.New("the token was not turned over")
			}
			return a, err
		}},
		{"laptop", "never saw that answer and asks again with the old token", want{200, "", "the same token again"}, func(ctx context.Context, s *story) (*answer, error) {
			child := s.laptop.cookie(refreshCookie)
			s.laptop.setCookie(refreshCookie, s.spent[0])
			a, err := s.laptop.renew(ctx)
			if err == nil && s.laptop.cookie(refreshCookie) != child {
				err = errors.New("another token than the first answer had")
			}
			return a, err
		}},
		{"laptop", "wakes a tab with a token from two turns ago", want{409, "refresh_superseded", ""}, func(ctx context.Context, s *story) (*answer, error) {
			s.spent = append(s.spent, s.laptop.cookie(refreshCookie))
			a, err := s.laptop.renew(ctx)
			if err := well(a, err); err != nil {
				return a, err
			}
			return s.presents(ctx, s.laptop, s.spent[0], nil)
		}},
		{"laptop", "looks at its page: nobody was signed out for it", want{200, "", "still signed in"}, home(func(s *story) *visitor { return s.laptop })},
	}
}

// theft: a copy without the key is worth nothing, and costs the owner nothing
// (rule 5).
func theft() []step {
	return []step{
		{"thief", "uses the laptop's copied cookies from another town", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.stolen(farAddr).get(ctx, "/")
		}},
		{"thief", "refreshes with the copied token and a key of their own", want{401, "refresh_wrong_key", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.presents(ctx, s.stolen(farAddr), s.laptop.cookie(refreshCookie), softkey.NewBindingKey())
		}},
		{"thief", "replays a spent token without any key", want{401, "refresh_wrong_key", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.presents(ctx, s.stolen(farAddr), s.spent[0], nil)
		}},
		{"thief", "from the same network, adds a passkey of their own", want{403, "step_up_required", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.stolen(nearbyAddr).forge(ctx, call{})
		}},
		{"laptop", "refreshes all the same: nothing was lost", want{200, "", "a new token"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.laptop.renew(ctx)
		}},
		{"phone", "lists the sessions: the laptop's is marked", want{200, "", "marked suspect"}, func(ctx context.Context, s *story) (*answer, error) {
			var all []struct {
				Suspect string `json:"suspect_at"`
			}
			a, err := s.phone.list(ctx, "/sessions", &all)
			if err != nil {
				return a, err
			}
			for _, x := range all {
				if x.Suspect != "" {
					return a, nil
				}
			}
			return a, errors.New("no session is marked")
		}},
		told(notify.SessionSuspect),
		{"laptop", "touches the passkey: new secrets", want{200, "", "the copy is dead"}, func(ctx context.Context, s *story) (*answer, error) {
			copied := s.laptop.cookie(refreshCookie)
			a, err := s.laptop.touch(ctx, "confirm.me", "")
			if err := well(a, err); err != nil {
				return a, err
			}
			dead, err := s.presents(ctx, s.stolen(farAddr), copied, nil)
			if err == nil && dead.Code != "refresh_invalid" {
				err = errors.New("the copied token still means something: " + dead.Code)
			}
			return a, err
		}},
		{"thief", "sends a captured call of the phone once more", want{401, "proof_replayed", ""}, func(ctx context.Context, s *story) (*answer, error) {
			var captured sent
			own := s.phone.sent
			s.phone.sent = func(q sent) { captured = q; own(q) }
			a, err := s.phone.api(ctx, http.MethodGet, "/session", nil)
			s.phone.sent = own
			if err := well(a, err); err != nil {
				return a, err
			}
			return s.thief.do(ctx, call{method: http.MethodGet, path: "/api/v1/session", spell: http.Header{
				"Authorization": captured.Header["Authorization"], "Dpop": captured.Header["Dpop"],
			}})
		}},
	}
}

// unbound: a browser that keeps no key. There a replay cannot be told from the
// owner, so both lose (rule 6, RFC 9700 §4.14.2).
func unbound() []step {
	return []step{
		{"library", "signs in from a browser that keeps no key", want{200, "", "an unbound session"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.library.signIn(ctx)
		}},
		{"library", "refreshes twice", want{200, "", "a new token"}, func(ctx context.Context, s *story) (*answer, error) {
			s.spent = append(s.spent, s.library.cookie(refreshCookie))
			if a, err := s.library.renew(ctx); well(a, err) != nil {
				return a, err
			}
			return s.library.renew(ctx)
		}},
		{"thief", "replays the library's first token", want{401, "refresh_reused", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.presents(ctx, s.thief.copy(), s.spent[len(s.spent)-1], nil)
		}},
		{"library", "refreshes with its newest token: the family is over", want{401, "refresh_invalid", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.library.renew(ctx)
		}},
		{"library", "opens its page", want{401, "session_ended", ""}, home(func(s *story) *visitor { return s.library })},
		told(notify.SessionReuse),
		{"laptop", "looks at its page: only that one session ended", want{200, "", "still signed in"}, home(func(s *story) *visitor { return s.laptop })},
	}
}

func home(who func(*story) *visitor) func(context.Context, *story) (*answer, error) {
	return func(ctx context.Context, s *story) (*answer, error) { return who(s).get(ctx, "/") }
}

// stolen is a thief with the laptop's cookies and without its key.
func (s *story) stolen(from string) *visitor {
	v := s.thief.copy()
	v.from = from
	v.setCookie(accessCookie, s.laptop.cookie(accessCookie))
	v.setCookie(refreshCookie, s.laptop.cookie(refreshCookie))
	return v
}

// presents a refresh token from somebody's browser without leaving it there.
func (s *story) presents(ctx context.Context, who *visitor, refresh string, key *softkey.BindingKey) (*answer, error) {
	v := who.copy()
	v.setCookie(refreshCookie, refresh)
	return v.do(ctx, call{method: http.MethodPost, path: "/session/renew", prove: true, key: key})
}
