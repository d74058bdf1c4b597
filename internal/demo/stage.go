package demo

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/notify"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/web"
)

// turnsShown bounds what the stage remembers.
const turnsShown = 20

// StageParts are what the stage stands on. It acts over HTTP alone; the database
// and the log are for showing what came of it.
type StageParts struct {
	DB            *store.DB
	Log           *audit.Log
	Pages         *web.Server
	SignIn        *signin.Service
	Sessions      *session.Service
	Catcher       *notify.Catcher
	Origin        string
	Gate          string            // origin of the exchange's API for bots
	GateAuthority string            // its public name, as bots sign it
	Transport     http.RoundTripper // to Origin and Exchange; nil is the usual one
	Exchange      string            // origin of the demo exchange
	PayerSecret   string            // of its back end that asks for approvals
	Phones        Phones            // makers of the owner's passkey
}

// Stage plays owner and thief against the server it runs in. Each press of a
// button is a real request to the server's own door, and what is shown is what
// came back: no answer is written down here.
type Stage struct {
	StageParts
	client *http.Client

	acting sync.Mutex // one press at a time; guards who
	who    *persona

	mu    sync.Mutex // guards the rest; never held during a request
	owner *seat
	loot  *loot
	bot   *softkey.Bot // of the owner; the thief has its key too
	tries map[web.TryID]web.TryState
	turns []turn // newest first
	n     int
}

// seat is the owner's browser with its session.
type seat struct {
	*visitor
	mail    string
	account account.ID
	session session.ID
	since   time.Time // signed in
	turned  time.Time // token turned over last
}

// loot is what the thief copied.
type loot struct{ access, refresh string }

// turn is one try with what came of it.
type turn struct {
	n       int
	id      web.TryID
	answer  *answer
	records []audit.Record
	sees    web.OwnerSees
}

// NewStage opens no door: see Routes.
func NewStage(p StageParts) *Stage {
	return &Stage{StageParts: p, client: browsing(p.Transport), tries: map[web.TryID]web.TryState{}}
}

// Routes puts the stage on a mux.
func (s *Stage) Routes(mux *http.ServeMux) {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /demo": s.show, "POST /demo/owner/{act}": s.ownerActs, "POST /demo/try/{id}": s.thiefTries,
		"POST /demo/reset": s.reset, "POST /demo/signin": s.signIn, "POST /demo/touch": s.touch,
	} {
		mux.HandleFunc(pattern, here(s.Origin, h))
	}
}

func (s *Stage) newOwner(keys *softkey.Authenticator) *visitor {
	return &visitor{origin: s.Origin, client: s.client, agent: ownerAgent, from: ownerAddr, keys: keys, bind: softkey.NewBindingKey(), now: s.DB.Now}
}

// seat notes whose session an answer began: the log knows it by the request.
func (s *Stage) seat(ctx context.Context, owner *visitor, who *persona, a *answer) error {
	recs, err := s.Log.ByRequest(ctx, s.DB, a.request())
	if err != nil {
		return err
	}
	at := s.DB.Now()
	sit := &seat{visitor: owner, mail: who.mail, since: at, turned: at}
	for _, rec := range recs {
		sit.account, sit.since = account.ID(rec.Account), rec.At
		for _, e := range rec.Effects {
			if e.Kind == "session" {
				sit.session = session.ID(e.ID) // the last one: a session it replaced stands before it
			}
		}
	}
	s.mu.Lock()
	s.owner = sit
	s.mu.Unlock()
	return nil
}

func (s *Stage) ownerActs(w http.ResponseWriter, r *http.Request) {
	s.acting.Lock()
	defer s.acting.Unlock()
	var err error
	switch web.OwnerAct(r.PathValue("act")) {
	case web.OwnerSignIn:
		err = s.ownerSignsIn(r.Context())
	case web.OwnerRenew:
		err = s.ownerRenews(r.Context())
	case web.OwnerBot:
		err = s.ownerBot(r.Context())
	case web.OwnerEnd:
		err = s.ownerEnds(r.Context())
	default:
		err = edge.E("not_found")
	}
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/demo", http.StatusSeeOther)
}

func (s *Stage) ownerSignsIn(ctx context.Context) error {
	if s.who == nil {
		_, err := s.settle(ctx) // the sign-up signs in as well
		return err
	}
	owner := s.newOwner(s.who.keys)
	if sit, _ := s.state(); sit != nil {
		owner = sit.visitor // the same browser: device cookie and key stay
	}
	a, err := owner.signIn(ctx)
	if err := well(a, err); err != nil {
		return err
	}
	return s.seat(ctx, owner, s.who, a)
}

func (s *Stage) ownerRenews(ctx context.Context) error {
	sit, _ := s.state()
	if sit == nil {
		return nil
	}
	a, err := sit.renew(ctx)
	if err != nil {
		return err
	}
	if a.status < 400 {
		s.mu.Lock()
		sit.turned = s.DB.Now()
		s.mu.Unlock()
	}
	return nil // a refusal shows on the page: the owner is not signed in any more
}

// ownerEnds is "sign out everywhere": the touch for it, every other session, and
// then this one.
func (s *Stage) ownerEnds(ctx context.Context) error {
	sit, _ := s.state()
	if sit == nil {
		return nil
	}
	if err := s.fresh(ctx, sit); err != nil {
		return err
	}
	if err := well(sit.touch(ctx, "sessions.end_all", "")); err != nil {
		return err
	}
	if err := well(sit.post(ctx, "/sessions/end-others", nil)); err != nil {
		return err
	}
	return well(sit.post(ctx, "/signout", nil))
}

// fresh renews when the access cookie is about to run out, as our pages do before
// they send anything.
func (s *Stage) fresh(ctx context.Context, sit *seat) error {
	a, err := sit.get(ctx, "/session/state")
	if err != nil {
		return err
	}
	var state struct {
		Fresh bool `json:"fresh"`
	}
	if err := a.into(&state); err != nil || state.Fresh {
		return err
	}
	return s.ownerRenews(ctx)
}

// reset forgets the play. The account stays, as accounts do.
func (s *Stage) reset(w http.ResponseWriter, r *http.Request) {
	s.acting.Lock()
	defer s.acting.Unlock()
	sit, _ := s.state()
	if sit != nil && s.lives(r.Context(), sit) {
		if err := s.fresh(r.Context(), sit); err == nil {
			_, err = sit.post(r.Context(), "/signout", nil)
			if err != nil {
				edge.Fail(w, r, err)
				return
			}
		}
	}
	s.mu.Lock()
	s.bot = nil
	s.loot, s.turns, s.n, s.tries = nil, nil, 0, map[web.TryID]web.TryState{}
	s.mu.Unlock()
	http.Redirect(w, r, "/demo", http.StatusSeeOther)
}

func (s *Stage) state() (*seat, *loot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner, s.loot
}

// lives reads whether the owner's session may still be used.
func (s *Stage) lives(ctx context.Context, sit *seat) bool {
	found := false
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		live, _, err := s.Sessions.List(tx, sit.account)
		found = slices.ContainsFunc(live, func(x session.Session) bool { return x.ID == sit.session })
		return err
	})
	return err == nil && found
}

// generation is the number that a refresh token carries in the open.
func generation(refresh string) int {
	parts := strings.Split(refresh, ".")
	if len(parts) != 5 {
		return 0
	}
	n, _ := strconv.Atoi(parts[2])
	return n
}
