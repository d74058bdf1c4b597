package oauth

import (
	"context"
	"net/url"
	"slices"

	"keyward/internal/edge"
	"keyward/internal/session"
)

// Leaving is a request to sign out that an app began (OIDC RP-Initiated Logout §2).
type Leaving struct {
	Client  Client     // zero when nobody said who asks
	To      string     // where to go afterwards, state included; "" for nowhere
	Session session.ID // that of a good id_token_hint; "" without one
}

// ReadLeaving reads such a request. All its errors are for the person's eyes: nobody
// is led to an address that was not proved to be the app's (§3).
func (s *Service) ReadLeaving(ctx context.Context, q url.Values) (Leaving, error) {
	var l Leaving
	for _, values := range q {
		if len(values) > 1 || len(values[0]) > maxParam {
			return l, errLeaving
		}
	}
	client := q.Get("client_id")
	if hint := q.Get("id_token_hint"); hint != "" {
		// Expired ones too (§2): the app has had it since the sign-in.
		id, err := s.mint.ReadID(hint)
		if err != nil || client != "" && client != id.Audience {
			return l, errLeaving
		}
		client, l.Session = id.Audience, session.ID(id.SID)
	}
	to := q.Get("post_logout_redirect_uri")
	if client == "" {
		if to != "" {
			return l, ErrRedirect // §3: without knowing whose it is, it is anybody's
		}
		return l, nil
	}
	var err error
	if l.Client, err = s.Client(ctx, client); err != nil || to == "" {
		return l, err
	}
	if !slices.ContainsFunc(l.Client.AfterLogout, func(r string) bool { return redirectMatches(to, r) }) {
		return l, ErrRedirect
	}
	u, err := url.Parse(to)
	if err != nil {
		return l, ErrRedirect
	}
	if state := q.Get("state"); state != "" {
		v := u.Query()
		v.Set("state", state)
		u.RawQuery = v.Encode()
	}
	l.To = u.String()
	return l, nil
}

var errLeaving = edge.E("bad_request")
