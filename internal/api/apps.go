package api

import (
	"context"
	"time"

	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/session"
)

// apps registers what an owner does to what other programs may do.
func (s *Server) apps() {
	add(s, operation{id: "apps-list", call: "GET /apps", tag: "apps", access: holder, limit: edge.ClassAPI, summary: "What apps may do for the account"}, s.appList)
	add(s, operation{
		id: "apps-narrow", call: "PATCH /apps/{id}", tag: "apps", access: holder, limit: edge.ClassAPI,
		codes: "grant_ended grant_wider grant_empty", summary: "Take rights away from an app",
		about: "Names what stays; nothing can be given here. openid always stays: ending the grant takes it. Where services ask us it holds at once, elsewhere a token that is out lasts until tokens_until.",
	}, s.appNarrow)
	add(s, operation{
		id: "apps-disconnect", call: "DELETE /apps/{id}", tag: "apps", access: holder, limit: edge.ClassAPI,
		codes: "grant_ended", summary: "Disconnect an app", about: "Ends this grant with all its tokens. Answers when it is refused everywhere.",
	}, s.appDisconnect)
}

// App is what an app was given at one time.
type App struct {
	ID         string         `json:"id" example:"grt_01jd8f00000000000000000000"`
	Client     string         `json:"client"`
	Name       string         `json:"name"`
	Domain     string         `json:"domain,omitempty" doc:"Of its publisher, verified; absent while nobody vouched for the app."`
	FirstParty bool           `json:"first_party" doc:"The exchange's own."`
	Purpose    string         `json:"purpose,omitempty" doc:"In the app's words, unchecked."`
	Scopes     []string       `json:"scopes" nullable:"false"`
	Payments   []oauth.Detail `json:"authorization_details,omitempty" nullable:"false" doc:"RFC 9396: payments it may ask for."`
	Session    string         `json:"session" doc:"In which it was given."`
	Device     string         `json:"device"`
	Browser    string         `json:"browser,omitempty"`
	System     string         `json:"system,omitempty"`
	Offline    bool           `json:"offline" doc:"It goes on after the owner signed out."`
	Bound      bool           `json:"bound" doc:"Its tokens need a key of the app."`
	CreatedAt  time.Time      `json:"created_at"`
	LastUsed   time.Time      `json:"last_used" doc:"When the app last fetched a token. What it does with one in between is not recorded here."`
	Expires    time.Time      `json:"expires_at"`
	SuspectAt  time.Time      `json:"suspect_at,omitzero" doc:"A copy of its token was tried without its key."`
}

func appOf(c oauth.Connected) App {
	return App{
		ID: string(c.ID), Client: c.Client, Name: c.Name, Domain: c.Domain, FirstParty: c.FirstParty, Purpose: c.Purpose, Scopes: orEmpty(c.Scopes),
		Payments: c.Payments, Session: string(c.Session), Device: string(c.Device), Browser: c.Agent.Browser, System: c.Agent.System,
		Offline: c.Offline, Bound: c.JKT != "", CreatedAt: c.CreatedAt, LastUsed: c.UsedAt, Expires: c.AbsExp, SuspectAt: c.SuspectAt,
	}
}

type appsOut struct{ Body List[App] }

func (s *Server) appList(ctx context.Context, _ *none) (*appsOut, error) {
	all, err := s.OAuth.Connected(ctx, caller(ctx).Account)
	if err != nil {
		return nil, err
	}
	return &appsOut{List[App]{Items: each(all, appOf)}}, nil
}

type appNarrowIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Scopes []string `json:"scopes" nullable:"false" maxItems:"32" doc:"What the app may still do."`
	} `nameHint:"ScopesBody"`
}

// Narrowed is an app with what was left to it.
type Narrowed struct {
	App         App       `json:"app"`
	TokensUntil time.Time `json:"tokens_until,omitzero" doc:"A service that does not ask us may take an older token until then. Absent when nothing was taken away."`
}

type narrowedOut struct{ Body Narrowed }

func (s *Server) appNarrow(ctx context.Context, in *appNarrowIn) (*narrowedOut, error) {
	acc, id := caller(ctx).Account, session.GrantID(in.ID)
	c, err := s.OAuth.Held(ctx, acc, id)
	if err != nil {
		return nil, err
	}
	until, err := s.OAuth.Narrow(ctx, cause(ctx), c, in.Body.Scopes)
	if err != nil {
		return nil, err
	}
	if c, err = s.OAuth.Held(ctx, acc, id); err != nil {
		return nil, err // without offline access, and its session is over: so is the grant
	}
	return &narrowedOut{Narrowed{App: appOf(c), TokensUntil: until.UTC()}}, nil
}

func (s *Server) appDisconnect(ctx context.Context, in *idIn) (*effectOut, error) {
	c, err := s.OAuth.Held(ctx, caller(ctx).Account, session.GrantID(in.ID))
	if err != nil {
		return nil, err
	}
	e, err := s.Contain.EndGrant(ctx, cause(ctx), c.Account, c.ID, c.Name, false)
	if err != nil {
		return nil, err
	}
	out := &effectOut{effectOf(e)}
	out.Body.OfflineUntil = e.EffectiveAt.Add(s.OAuth.AccessLife()).UTC()
	return out, nil
}
