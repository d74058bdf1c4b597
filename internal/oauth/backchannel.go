package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"keyward/internal/audit"
	"keyward/internal/job"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Jobs of this package. Stored, so never renamed.
const (
	JobLogout    = "oauth.logout"     // tell one app that one session is over
	JobLogoutAll = "oauth.logout_all" // everybody's sessions, after a restore: the next part
)

// Follower tells apps that a session is over (OIDC Back-Channel Logout 1.0), whoever
// ended it: a sign-out, another device, a freeze, a removed key. It reads the log, so
// no act that ends sessions has to think of apps.
func (s *Service) Follower() *audit.Follower {
	return &audit.Follower{DB: s.db, Log: s.log, Name: "oauth.logout", Wanted: mayEndSessions, TakeIn: func(tx *store.Tx, events []audit.Record) error {
		for _, rec := range events {
			for _, e := range rec.Effects {
				left, next, err := s.sessions.LeftBy(tx, e)
				if err == nil {
					err = tell(tx, left, next)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	}}
}

// mayEndSessions passes over what makes up most of a log.
func mayEndSessions(a audit.Action) bool {
	return a != "session.refreshed" && a != "grant.refreshed" && a != "grant.given"
}

func tell(tx *store.Tx, left []session.Left, next session.ID) error {
	for _, l := range left {
		// Once for a session, however many events are about it.
		if err := job.Enqueue(tx, JobLogout, l, tx.Now, job.Key("logout/"+l.Client+"/"+string(l.Session))); err != nil {
			return err
		}
	}
	if next == "" {
		return nil
	}
	return job.Enqueue(tx, JobLogoutAll, next, tx.Now)
}

// LogoutAll is the handler of JobLogoutAll.
func (s *Service) LogoutAll(ctx context.Context, payload []byte) error {
	var after session.ID
	if err := json.Unmarshal(payload, &after); err != nil {
		return &job.Failure{Text: "the payload is not ours", Cause: err, Final: true}
	}
	return s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		left, next, err := s.sessions.LeftAfter(tx, after)
		if err != nil {
			return err
		}
		return tell(tx, left, next)
	})
}

// Logout is the handler of JobLogout: it brings one logout token to one app. An app
// without an address for it, or switched off, needs none: its tokens died with the
// session.
func (s *Service) Logout(ctx context.Context, payload []byte) error {
	var left session.Left
	if err := json.Unmarshal(payload, &left); err != nil {
		return &job.Failure{Text: "the payload is not ours", Cause: err, Final: true}
	}
	c, err := s.Client(ctx, left.Client)
	if errors.Is(err, ErrNoClient) || err == nil && c.Backchannel == "" {
		return nil
	}
	if err != nil {
		return err
	}
	token, err := s.mint.Logout(left)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Backchannel, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return &job.Failure{Text: "the address cannot be called", Cause: err, Final: true}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.out.Do(req)
	if err != nil {
		return &job.Failure{Text: "the app did not answer", Cause: err}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection can be used again; what it says is of no matter
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return &job.Failure{Text: "the app did not take the logout token"} // §2.8: 400 says so; a mistake over there may be mended by then
	}
	return nil
}

// caller is how we call apps: never on to another address, which nobody registered,
// and never for long.
func caller(transport http.RoundTripper) *http.Client {
	return &http.Client{Timeout: logoutTime, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}
