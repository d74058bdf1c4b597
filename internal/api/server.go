package api

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/confirm"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/oauth"
	"keyward/internal/place"
	"keyward/internal/proof"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// Parts are what the API stands on.
type Parts struct {
	DB       *store.DB
	Ring     *keyring.Ring
	Log      *audit.Log
	Accounts *account.Service
	Devices  *device.Service
	Sessions *session.Service
	SignIn   *signin.Service
	Contain  *contain.Service
	OAuth    *oauth.Service
	BotKeys  *apikey.Service
	Confirm  *confirm.Service
	Limiter  *edge.Limiter
	Places   *place.File // nil: every place is unknown. A hint in what apps show, never a reason
	Logger   *slog.Logger
}

// Settings are what the API knows about this deployment.
type Settings struct {
	PublicURL string // scheme and host, no slash at the end: what proofs are made for
	Backends  []config.Backend
	GitHub    *GitHubKeys // nil: nobody speaks for GitHub
}

// Server answers for the API.
type Server struct {
	Parts
	set     Settings
	clients map[string]client
	nonces  proof.Nonces
	device  *keyring.MAC

	reporting chan struct{} // a place for each report that is worked on

	huma huma.API // set by Routes, which runs once, before the first request
}

// New wires the API.
func New(p Parts, set Settings) *Server {
	return &Server{
		Parts: p, set: set, clients: clientsOf(set.Backends),
		nonces: proof.Nonces{MAC: p.Ring.MAC("api/dpop-nonce")}, device: p.Ring.MAC("api/device"),
		reporting: make(chan struct{}, leaksAtOnce),
	}
}

// root is where all operations live. A second version would stand beside it.
const root = "/api/v1"

// Routes puts the API on a mux.
func (s *Server) Routes(mux *http.ServeMux, _ *edge.Edge) {
	s.huma = humago.New(mux, s.description())
	s.door()
	s.self()
	s.passkeys()
	s.devices()
	s.joins()
	s.sessions()
	s.apps()
	s.keys()
	s.subs()
	s.keysRotate()
	s.codes()
	s.contacts()
	s.activity()
	s.rescue()
	s.intents()
	s.approvals()
	s.accounts()
	s.standings()
	s.leaks(mux)
	mux.Handle("GET /api/openapi.json", s.openAPI())
}

// openAPI serves the description. It never changes while the process lives, so it
// is written once and has a validator (RFC 9110 §8.8.3).
func (s *Server) openAPI() http.Handler {
	doc := s.huma.OpenAPI()
	forgetErrorModel(doc)
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic("api: the description is not JSON: " + err.Error()) // at start, from constants of this package
	}
	body = append(body, '\n')
	sum := keyring.Hash(string(body))
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})
}
