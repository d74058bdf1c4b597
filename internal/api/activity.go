package api

import (
	"context"
	"time"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
)

// activity registers the account's history.
func (s *Server) activity() {
	add(s, operation{
		id: "activity-list", call: "GET /activity", tag: "activity", access: holder, limit: edge.ClassAPI,
		summary: "What happened, newest first", about: "Sentences are for people; decide by \"action\".",
	}, s.activityList)
}

// Event is one thing that happened.
type Event struct {
	ID        string    `json:"id" example:"evt_01jd8f00000000000000000000"`
	At        time.Time `json:"at"`
	Action    string    `json:"action" example:"session.started"`
	Sentence  string    `json:"sentence"`
	Target    string    `json:"target,omitempty" doc:"What it was done to."`
	RequestID string    `json:"request_id,omitempty"`
	Address   string    `json:"address,omitempty"`
	Device    string    `json:"device,omitempty"`
}

type activityIn struct {
	Before string `query:"before" maxLength:"64" doc:"The \"next\" of the page above."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"40"`
	Lang   string `query:"lang" enum:"en,ko" doc:"Of the sentences; the request's language when absent."`
}

type activityOut struct{ Body List[Event] }

func (s *Server) activityList(ctx context.Context, in *activityIn) (*activityOut, error) {
	if in.Before != "" && !keyring.ValidID("evt_", in.Before) {
		return nil, errBadRequest.At("before", "is not the cursor of a page")
	}
	lang := in.Lang
	if lang == "" {
		lang = edge.Lang(request(ctx))
	}
	// One more than asked for tells whether there is another page.
	recs, err := s.Log.Activity(ctx, s.DB, string(caller(ctx).Account), in.Before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(recs) > in.Limit {
		recs = recs[:in.Limit]
		next = recs[in.Limit-1].ID
	}
	return &activityOut{List[Event]{Next: next, Items: each(recs, func(r audit.Record) Event { return eventOf(r, lang) })}}, nil
}

func eventOf(r audit.Record, lang string) Event {
	return Event{ID: r.ID, At: r.At, Action: string(r.Action), Sentence: audit.Sentence(r, lang), Target: r.Target, RequestID: r.Request, Address: r.Addr, Device: r.Device}
}
