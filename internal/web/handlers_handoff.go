package web

import (
	"net/http"
	"net/url"

	"keyward/internal/edge"
	"keyward/internal/signin"
)

// The way on to the exchange. A GET shows a page and no more, so a link from
// anywhere, or a copied access cookie, makes no code; the page's script asks for
// it with a proof of the browser's key.

// handoffAsk holds what the exchange asked against what is configured. Only exact
// addresses are targets: an open redirect here would hand codes to anybody (RFC
// 9700 §4.1.3). Without state and challenge a code could be slipped into another
// browser (login CSRF, §4.7) or, stolen, be used from one (§4.5).
func (s *Server) handoffAsk(to, state, challenge string) (signin.Ask, error) {
	ask := signin.Ask{URL: to}
	for _, h := range s.set.Handoffs {
		if h.URL == to {
			ask.Client = h.Client
		}
	}
	if ask.Client == "" {
		return ask, edge.E("bad_request").At("to", "is not an address registered for hand-off")
	}
	if !signin.ValidState(state) {
		return ask, edge.E("bad_request").At("state", "is not 16 to 128 characters of A-Z a-z 0-9 - _")
	}
	var ok bool
	if ask.Challenge, ok = signin.ParseChallenge(challenge); !ok {
		return ask, edge.E("bad_request").At("challenge", "is not the base64url of a SHA-256 (43 characters)")
	}
	return ask, nil
}

func (s *Server) handoffPage(v *visit) error {
	q, err := edge.DecodeForm(v.r.URL.RawQuery)
	if err != nil {
		return err
	}
	view := &Handoff{Base: v.base, To: q.Get("to"), State: q.Get("state"), Challenge: q.Get("challenge")}
	ask, err := s.handoffAsk(view.To, view.State, view.Challenge)
	if err != nil {
		return err
	}
	u, err := url.Parse(ask.URL)
	if err != nil {
		return err
	}
	view.Site = u.Host
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

// handoff makes the code. The address goes back as an answer and not as a
// redirect: fetch would follow that to another origin, and the code would be in
// the hands of whatever answers there.
func (s *Server) handoff(v *visit) error {
	var in struct {
		To        string `json:"to"`
		State     string `json:"state"`
		Challenge string `json:"challenge"`
	}
	if err := edge.ReadJSON(v.r, &in); err != nil {
		return err
	}
	ask, err := s.handoffAsk(in.To, in.State, in.Challenge)
	if err != nil {
		return err
	}
	f, err := s.from(v.r, v.ses.Remember)
	if err != nil {
		return err
	}
	u, err := url.Parse(ask.URL)
	if err != nil {
		return err
	}
	code, err := s.SignIn.Handoff(v.r.Context(), v.ses, ask, f)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("code", code)
	q.Set("state", in.State)
	u.RawQuery = q.Encode()
	answer(v.w, http.StatusOK, map[string]string{"to": u.String()})
	return nil
}
