package web

import (
	"net/http"
	"strings"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
)

// activityPage is how many events one page shows.
const activityPage = 40

// kinds sorts actions under the filters of the page.
func kindOfAction(a audit.Action) ActivityKind {
	switch {
	case a == "session.suspect", a == "session.lapsed", a == "session.reuse", a == "refusal.counted":
		return RefusedActivity
	case a == "session.started", a == "codes.used", a == "account.created":
		return SignInActivity
	case strings.HasPrefix(string(a), "session"), a == "device.removed", a == "device.named":
		return SessionActivity
	}
	return KeyActivity
}

func (s *Server) activity(v *visit) error {
	q := v.r.URL.Query()
	view := &Activity{Base: v.base}
	switch k := ActivityKind(q.Get("kind")); k {
	case SignInActivity, KeyActivity, SessionActivity, RefusedActivity, StaffActivity:
		view.Kind = k
	}
	before := q.Get("before")
	// The log is read in steps until the page is full: a filter that matches little
	// must not look like an empty log.
	for range 25 {
		recs, err := s.Log.Activity(v.r.Context(), s.DB, string(v.ses.Account), before, activityPage)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			before = rec.ID
			e := s.entry(v, rec)
			if view.Kind != AllActivity && !(view.Kind == StaffActivity && e.Staff) && view.Kind != kindOfAction(rec.Action) {
				continue
			}
			view.Entries = append(view.Entries, e)
			if len(view.Entries) == activityPage {
				view.Older = rec.ID
				break
			}
		}
		if len(recs) < activityPage || view.Older != "" {
			break
		}
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) entry(v *visit, rec audit.Record) Entry {
	e := Entry{
		ID: rec.ID, At: rec.At, Sentence: audit.Sentence(rec, v.base.Lang), Agent: agentIn(rec.Payload["agent"]), Addr: rec.Addr, Place: v.place(rec.Addr), RequestID: rec.Request,
		Refused: kindOfAction(rec.Action) == RefusedActivity,
		New:     rec.Payload["new_device"] == "yes" || rec.Action == "key.added",
		Staff:   strings.HasPrefix(rec.Actor, "operator:"),
	}
	switch rec.Payload["method"] {
	case "passkey":
		e.Method, e.HasMethod = ByPasskey, true
	case "code":
		e.Method, e.HasMethod = ByCode, true
	}
	// Doubt makes sense about what somebody did elsewhere, not about this session.
	e.CanDoubt = rec.Target != string(v.ses.ID) && (rec.Action == "session.started" || rec.Action == "codes.used" || rec.Action == "key.added")
	return e
}

// event finds an event of this account, or says it does not exist.
func (s *Server) event(v *visit) (*audit.Record, device.ID, error) {
	rec, err := s.Log.ByID(v.r.Context(), s.DB, v.r.PathValue("id"))
	if err != nil || rec.Account != string(v.ses.Account) {
		return nil, "", edge.E("not_found").Because(err)
	}
	return &rec, s.deviceOf(v, rec), nil
}

// deviceOf is the device an event came from: of the session it began, else of
// the request.
func (s *Server) deviceOf(v *visit, rec audit.Record) device.ID {
	for _, e := range rec.Effects {
		if e.Kind == "session" {
			if id, ok := s.sessionDevice(v, e.ID); ok {
				return id
			}
		}
	}
	return device.ID(rec.Device)
}

func (s *Server) activityNotMePage(v *visit) error {
	rec, dev, err := s.event(v)
	if err != nil {
		return err
	}
	view, _, err := s.notMeView(v, dev, rec)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) activityNotMe(v *visit) error {
	rec, dev, err := s.event(v)
	if err != nil {
		return err
	}
	view, live, err := s.notMeView(v, dev, rec)
	if err != nil {
		return err
	}
	return s.disown(v, view, live)
}
