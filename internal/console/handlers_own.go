package console

import (
	"encoding/json"
	"net/http"

	"keyward/internal/edge"
	"keyward/internal/staff"
)

// One's own passkeys and sessions.

func (s *Server) own(v *visit) (err error) {
	p := s.pageOf(v, "own")
	if p.Keys, err = s.Staff.Keys(v.r.Context(), v.who); err != nil {
		return err
	}
	if p.Sessions, err = s.Staff.Sessions(v.r.Context(), v.who); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

// keyBegin asks the browser for a new passkey. The touch for it is asked for after
// that, because it is for the very key that was made.
func (s *Server) keyBegin(v *visit) error {
	if err := edge.ReadJSON(v.r, &struct{}{}); err != nil {
		return err
	}
	options, err := s.Staff.KeyOptions(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	answer(v.w, map[string]any{"options": json.RawMessage(options)})
	return nil
}

func (s *Server) addKey(v *visit) error {
	o, t, err := s.ordered(v, actAddKey, "")
	if err != nil {
		return err
	}
	if _, err := s.Staff.AddKey(v.r.Context(), v.cause, v.who, o.Made, o.Reason, t); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/you", http.StatusSeeOther)
	return nil
}

func (s *Server) keyPage(v *visit) (err error) {
	p := s.pageOf(v, "key")
	if p.Keys, err = s.Staff.Keys(v.r.Context(), v.who); err != nil {
		return err
	}
	for _, k := range p.Keys {
		if string(k.ID) == v.r.PathValue("id") {
			p.Key = k
			s.show(v.w, v.r, http.StatusOK, p)
			return nil
		}
	}
	return staff.ErrKey
}

func (s *Server) removeKey(v *visit) error {
	o, t, err := s.ordered(v, actGoneKey, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := s.Staff.RemoveKey(v.r.Context(), v.cause, v.who, staff.KeyID(o.Object), o.Reason, t); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/you", http.StatusSeeOther)
	return nil
}

func (s *Server) endSession(v *visit) error {
	if err := s.Staff.EndSession(v.r.Context(), v.cause, v.who, staff.SessionID(v.r.PathValue("id"))); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/you", http.StatusSeeOther)
	return nil
}
