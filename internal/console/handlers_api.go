package console

import (
	"encoding/json"
	"strings"
	"time"

	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/staff"
)

// The same acts as JSON, for an operator's own tools on this origin. The session is the
// cookie of the pages and each change carries a touch for exactly it: no bearer token
// stands in for a person here, so there is none to steal.

// appJSON is an app in the words of RFC 7591 §2, with ours beside them.
type appJSON struct {
	ID          string          `json:"client_id,omitempty"`
	Name        string          `json:"client_name"`
	Owner       string          `json:"owner"`
	Auth        string          `json:"token_endpoint_auth_method"`
	JWKS        json.RawMessage `json:"jwks,omitempty"`
	Redirects   []string        `json:"redirect_uris"`
	Scope       string          `json:"scope"`
	Details     []string        `json:"authorization_details_types,omitempty"`
	Audience    string          `json:"audience,omitempty"`
	GrantDays   int64           `json:"grant_days"`
	Purpose     string          `json:"purpose,omitempty"`
	Profile     string          `json:"profile,omitempty"`
	FirstParty  bool            `json:"first_party"`
	Backchannel string          `json:"backchannel_logout_uri,omitempty"`
	AfterLogout []string        `json:"post_logout_redirect_uris,omitempty"`

	// Answers only.
	Publisher string    `json:"verified_publisher,omitempty"`
	KeyIDs    []string  `json:"kids,omitempty"`
	State     string    `json:"state,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Version   int64     `json:"version,omitempty"`
	Live      *int      `json:"live_grants,omitempty"` // 1001: more than a thousand
	Secret    string    `json:"client_secret,omitempty"`
}

func shownApp(c oauth.Client) appJSON {
	a := appJSON{
		ID: string(c.ID), Name: c.Name, Owner: c.Owner, Auth: c.Auth, Redirects: c.Redirects, Scope: strings.Join(c.Scopes, " "), Details: c.Details,
		Audience: c.Audience, GrantDays: int64(c.Life / (24 * time.Hour)), Purpose: c.Purpose, Profile: c.Profile, FirstParty: c.FirstParty,
		Backchannel: c.Backchannel, AfterLogout: c.AfterLogout, Publisher: c.Domain, KeyIDs: c.KeyIDs(), State: "on", CreatedAt: c.CreatedAt, Version: c.Version,
	}
	if c.Off {
		a.State = "off"
	}
	return a
}

func (a *appJSON) registration() (oauth.NewClient, error) {
	if a.GrantDays < 0 || a.GrantDays > 400 {
		return oauth.NewClient{}, oauth.ErrBadClient.At("grant_days", "is at most 400")
	}
	return oauth.NewClient{
		Name: a.Name, Owner: a.Owner, Auth: a.Auth, JWKS: a.JWKS, FirstParty: a.FirstParty, Redirects: a.Redirects, Scopes: sorted(strings.Fields(a.Scope)),
		Audience: a.Audience, Life: time.Duration(a.GrantDays) * 24 * time.Hour, Purpose: a.Purpose, Profile: a.Profile, Details: sorted(a.Details),
		Backchannel: a.Backchannel, AfterLogout: a.AfterLogout,
	}, nil
}

// body is an order as JSON. act and object are for the touch alone: the act itself is
// named by its address.
type body struct {
	Act        string          `json:"act,omitempty"`
	Object     string          `json:"object,omitempty"`
	Reason     string          `json:"reason"`
	App        *appJSON        `json:"app,omitempty"`
	Domain     string          `json:"domain,omitempty"`
	Credential json.RawMessage `json:"credential,omitempty"`
}

func (b *body) order(act, object string) (o order, err error) {
	o = order{Act: act, Object: object, Reason: b.Reason, Domain: b.Domain}
	if act == actRegister {
		if b.App == nil {
			return o, errForm.At("app", "is missing")
		}
		o.App, err = b.App.registration()
	}
	return o, err
}

// apiTouch asks for the touch of an order.
func (s *Server) apiTouch(v *visit) error {
	var b body
	if err := edge.ReadJSON(v.r, &b); err != nil {
		return err
	}
	o, err := b.order(b.Act, b.Object)
	if err != nil {
		return err
	}
	act, err := s.act(v, o)
	if err != nil {
		return err
	}
	options, err := s.Staff.TouchOptions(v.who, act)
	if err != nil {
		return err
	}
	answer(v.w, map[string]any{"options": json.RawMessage(options)})
	return nil
}

// sentJSON reads a body that changes something, with its touch.
func (s *Server) sentJSON(v *visit, act string) (o order, t *staff.Touch, err error) {
	var b body
	if err := edge.ReadJSON(v.r, &b); err != nil {
		return o, nil, err
	}
	if o, err = b.order(act, v.r.PathValue("id")); err != nil {
		return o, nil, err
	}
	t, err = s.touchFor(v, o, string(b.Credential))
	return o, t, err
}

func (s *Server) apiApps(v *visit) error {
	all, err := s.list(v)
	if err != nil {
		return err
	}
	out := []appJSON{}
	for _, c := range all {
		out = append(out, shownApp(c))
	}
	answer(v.w, map[string]any{"apps": out})
	return nil
}

func (s *Server) apiApp(v *visit) error {
	c, live, _, err := s.one(v)
	if err != nil {
		return err
	}
	a := shownApp(c)
	a.Live = &live
	answer(v.w, a)
	return nil
}

func (s *Server) apiRegister(v *visit) error {
	o, t, err := s.sentJSON(v, actRegister)
	if err != nil {
		return err
	}
	d, err := s.doRegister(v, o, t)
	if err != nil {
		return err
	}
	a := shownApp(d.Client)
	a.Secret = d.Secret
	answer(v.w, a)
	return nil
}

func (s *Server) apiNarrow(act string) func(*visit) error {
	return func(v *visit) error {
		o, t, err := s.sentJSON(v, act)
		if err != nil {
			return err
		}
		ended, err := s.doNarrow(v, o, t)
		if err != nil {
			return err
		}
		answer(v.w, map[string]int{"grants_ended": ended})
		return nil
	}
}

// requestJSON is a request that takes two.
type requestJSON struct {
	ID        staff.RequestID `json:"id"`
	Kind      staff.Kind      `json:"kind"`
	Target    string          `json:"target"`
	Diff      []staff.Change  `json:"diff"`
	Reason    string          `json:"reason"`
	Requester staff.ID        `json:"requester"`
	MadeAt    time.Time       `json:"made_at"`
	ExpiresAt time.Time       `json:"expires_at"`
	State     staff.State     `json:"state"`
	DecidedBy staff.ID        `json:"decided_by,omitempty"`
	App       *appJSON        `json:"app,omitempty"` // so that the second person can judge
}

func shownRequest(r staff.Request) requestJSON {
	return requestJSON{ID: r.ID, Kind: r.Kind, Target: r.Target, Diff: r.Diff, Reason: r.Reason, Requester: r.Requester,
		MadeAt: r.MadeAt, ExpiresAt: r.ExpiresAt, State: r.State, DecidedBy: r.DecidedBy}
}

func (s *Server) apiRequests(v *visit) error {
	all, err := s.Staff.Requests(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	out := []requestJSON{}
	for _, r := range all {
		out = append(out, shownRequest(r))
	}
	answer(v.w, map[string]any{"requests": out})
	return nil
}

func (s *Server) apiRequest(v *visit) error {
	r, err := s.Staff.Request(v.r.Context(), v.who, staff.RequestID(v.r.PathValue("id")))
	if err != nil {
		return err
	}
	out := shownRequest(r)
	if c, err := s.subject(v, r); err != nil {
		return err
	} else if c != nil {
		a := shownApp(*c)
		out.App = &a
	}
	answer(v.w, out)
	return nil
}

func (s *Server) apiAsk(v *visit) error {
	return s.apiDecided(v, actAsk, s.doAsk)
}

func (s *Server) apiDecide(act string) func(*visit) error {
	return func(v *visit) error { return s.apiDecided(v, act, s.doDecide) }
}

func (s *Server) apiDecided(v *visit, act string, do func(*visit, order, *staff.Touch) (staff.Request, error)) error {
	o, t, err := s.sentJSON(v, act)
	if err != nil {
		return err
	}
	r, err := do(v, o, t)
	if err != nil {
		return err
	}
	answer(v.w, shownRequest(r))
	return nil
}

// apiRoutes are reached with the session of the pages alone.
func (s *Server) apiRoutes(in func(pattern string, h func(*visit) error)) {
	in("GET /api/apps", s.apiApps)
	in("GET /api/apps/{id}", s.apiApp)
	in("GET /api/requests", s.apiRequests)
	in("GET /api/requests/{id}", s.apiRequest)
	in("POST /api/touch", s.apiTouch)
	in("POST /api/apps", s.apiRegister)
	in("POST /api/apps/{id}/off", s.apiNarrow(actTurnOff))
	in("POST /api/apps/{id}/publisher", s.apiAsk)
	in("POST /api/apps/{id}/publisher/drop", s.apiNarrow(actDrop))
	in("POST /api/requests/{id}/approve", s.apiDecide(actApprove))
	in("POST /api/requests/{id}/refuse", s.apiDecide(actRefuse))
}
