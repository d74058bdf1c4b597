package oauth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// scopeTail lets an app of the exchange's own, by itself, hear what ends: ids and
// times, and nothing of anybody.
const scopeTail = "tail"

// ErrTail: a place in the log that it does not have; the follower begins anew.
var ErrTail = edge.E("tail_gone")

// TailLine is one line of the tail, in the form that package rs reads.
type TailLine struct {
	N      int64  `json:"n"`
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Before int64  `json:"before,omitempty"` // seconds; tokens issued then or earlier are good no more
}

// TailReader makes sure that whoever shows this token may follow the tail: an app of
// the exchange's own that was given the scope for itself, and is on.
func (s *Service) TailReader(ctx context.Context, token string) error {
	claims, err := s.mint.Access(token)
	if err != nil || claims.Grant != "" || claims.Confirm != nil || // a bound token is no bearer token (RFC 9449 §7.2)
		!slices.Contains(strings.Fields(claims.Scope), scopeTail) {
		return &Error{Code: "invalid_token", Description: "an app's own token with the scope tail is needed", Status: 401}
	}
	c, err := s.Client(ctx, claims.ClientID)
	if errors.Is(err, ErrNoClient) || err == nil && !c.FirstParty {
		return &Error{Code: "invalid_token", Description: "an app's own token with the scope tail is needed", Status: 401}
	}
	return err
}

// Tail answers one poll: what ended after a place in the log, or, without a lease,
// within the life of a token; and as the last line how far this goes and the lease,
// which was moved on before the log was read.
func (s *Service) Tail(ctx context.Context, lease string, after int64) ([]TailLine, error) {
	var out []TailLine
	name, last, err := s.log.Abroad(ctx, s.db, lease, after, s.db.Now().Add(-s.life-tailMargin), func(tx *store.Tx, rec audit.Record) error {
		ends, err := s.sessions.EndsIn(tx, rec)
		for _, e := range ends {
			// An event carries the time at which its transaction began, a token that of its
			// signature, perhaps of another server: one that was turned over while the end
			// was on its way says a later time than the end. So the end reaches further than
			// its own time. For what goes on (an account, a session that was only signed out
			// of and has apps with offline access) it must not reach far: what is refused in
			// that time is replaced by a refresh.
			reach := tailReach
			if e.Final {
				reach += s.life
			}
			out = append(out, TailLine{max(rec.Index, 0), e.Kind, e.ID, rec.At.Add(reach).Unix()})
		}
		return err
	})
	if errors.Is(err, audit.ErrHistory) {
		return nil, ErrTail
	}
	if err != nil {
		return nil, err
	}
	return append(out, TailLine{N: max(last, 0), Kind: "now", ID: name}), nil
}

// tailReach: the longest transaction (2 s), and what the clocks of our servers may differ.
const tailReach = 3 * time.Second

// tailMargin: events carry the time at which their transaction began, tokens that of
// their signature.
const tailMargin = time.Minute
