package apikey

import (
	"context"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// tailSince: a new follower has no streams from before its first poll; events carry the
// time at which their transaction began.
const tailSince = time.Minute

// TailLine is one line of what an engine with sockets of its own follows: a key or an
// account has changed. What that means for a stream, Stands says.
type TailLine struct {
	N    int64  `json:"n"`
	Kind string `json:"kind"` // "apikey", "account", "all"; "now" in the last line
	ID   string `json:"id"`
}

// Tail answers one poll, as the tail of access tokens does: what changed after a place in
// the log, and as the last line how far this goes and the lease, which was moved on
// before the log was read (audit.Log.Abroad). The error is audit.ErrHistory for a place
// that is not there: the follower begins anew.
func (s *Service) Tail(ctx context.Context, lease string, after int64) ([]TailLine, error) {
	var out []TailLine
	name, last, err := s.log.Abroad(ctx, s.db, lease, after, s.db.Now().Add(-tailSince), func(_ *store.Tx, rec audit.Record) error {
		for _, e := range rec.Effects {
			switch e.Kind {
			case "apikey", "account":
				out = append(out, TailLine{max(rec.Index, 0), e.Kind, e.ID})
			case "everyone", "apikeys":
				out = append(out, TailLine{max(rec.Index, 0), "all", "*"})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(out, TailLine{N: max(last, 0), Kind: "now", ID: name}), nil
}
