package web

import (
	"log/slog"
	"net/http"
	"strings"
	"time"
	_ "time/tzdata" // a server without zone files still writes the reader's time

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/confirm"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/notify"
	"keyward/internal/oauth"
	"keyward/internal/place"
	"keyward/internal/proof"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// Parts are what the pages stand on.
type Parts struct {
	DB       *store.DB
	Ring     *keyring.Ring
	Log      *audit.Log
	Accounts *account.Service
	Devices  *device.Service
	Sessions *session.Service
	SignIn   *signin.Service
	OAuth    *oauth.Service
	Contain  *contain.Service
	BotKeys  *apikey.Service
	Confirm  *confirm.Service
	Notify   *notify.Service
	Limiter  *edge.Limiter
	Renderer *Renderer
	Places   *place.File // nil: every place is unknown
	Logger   *slog.Logger
}

// Settings are what the pages say about this deployment.
type Settings struct {
	PublicURL string // scheme and host, no slash at the end
	Product   string // the name beside the mark
	Official  []OfficialHost
	MailFrom  []string
	Lifetimes session.Lifetimes
	Demo      bool

	DeviceKeys bool // offer browsers to bind a session to a key of the device (DBSC)

	SecurityContact string // for finders of holes; "": no security.txt
	SecurityPolicy  string // what they may do and expect; "": no line of it

	Origins []string     // where our passkeys may be used, as the relying party takes them
	Android []AndroidApp // our own apps
	IOS     []string     // "TEAM123456.com.example.app"
}

// Server answers for all pages.
type Server struct {
	Parts
	set    Settings
	host   string
	domain string
	nonces proof.Nonces
	flash  *keyring.MAC
}

// NewServer wires the pages.
func NewServer(p Parts, set Settings) *Server {
	host := set.PublicURL[strings.Index(set.PublicURL, "://")+3:]
	return &Server{
		Parts: p, set: set, host: host, domain: p.Devices.RPID(),
		nonces: proof.Nonces{MAC: p.Ring.MAC("web/dpop-nonce")}, flash: p.Ring.MAC("web/receipt"),
	}
}

// base is what every page needs.
func (s *Server) base(r *http.Request) Base {
	b := Base{
		Lang: edge.Lang(r), Product: s.set.Product, Host: s.host, RequestID: edge.RequestID(r.Context()),
		Now: s.DB.Now(), Demo: s.set.Demo, Path: "/",
	}
	if s.host != s.domain && strings.HasSuffix(s.host, "."+s.domain) {
		b.Domain = s.domain
	}
	if r.Method == http.MethodGet {
		b.Path = localPath(r.URL.RequestURI())
	}
	if t, ok := edge.ThemeCookie.Read(r); ok && (t == string(Light) || t == string(Dark)) {
		b.Theme = Theme(t)
	}
	if c, err := r.Cookie(zoneCookie); err == nil {
		name := strings.NewReplacer(".", "/", "~", "+").Replace(c.Value) // our cookies hold neither "/" nor "+"
		if zone, err := time.LoadLocation(name); err == nil && len(name) < 64 && name != "Local" {
			b.Zone = zone
		}
	}
	return b
}

// zoneCookie is where page.js notes the browser's time zone, so that the server
// writes the times of the next page in it. It is the reader's own word and
// decides nothing.
const zoneCookie = "kw_zone"

// localPath keeps a path on this site. Anything a browser could read as another
// host, now or after it resolved the dots ("//evil", "/\evil", "/.//evil",
// "/%2e//evil", control characters), becomes "/": the value comes from links, and
// an open redirect is how a phishing page borrows our address. None of our paths
// has an empty or a dot segment.
func localPath(to string) string {
	if len(to) == 0 || len(to) > 512 || to[0] != '/' {
		return "/"
	}
	for _, c := range []byte(to) {
		if c <= ' ' || c == 0x7f || c == '\\' {
			return "/"
		}
	}
	path, _, _ := strings.Cut(to, "?")
	path, _, _ = strings.Cut(path, "#")
	plain := strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "\\", "%5C", "\\").Replace(path)
	if strings.Contains(plain, "//") || strings.ContainsRune(plain, '\\') {
		return "/"
	}
	for segment := range strings.SplitSeq(plain, "/") {
		if segment == "." || segment == ".." {
			return "/"
		}
	}
	return to
}

// show renders a page or, should that fail, the problem.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, v View) {
	if err := s.Renderer.Render(w, status, v); err != nil {
		s.Logger.ErrorContext(r.Context(), "page failed", "cause", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// Problem renders a refusal as a page; wire it to edge.Options.Pages.
func (s *Server) Problem(w http.ResponseWriter, r *http.Request, p edge.Problem) {
	v := &ErrorPage{Base: s.base(r), Status: p.Status, Code: p.Code, Title: p.Title, Detail: p.Detail, RetryIn: p.RetryAfter}
	switch p.Code {
	case "not_signed_in", "session_ended", "access_expired", "proof_missing", "bound_missing":
		v.Next = []NextStep{NextSignIn, NextHelp}
	case "busy", "unavailable", "rate_limited", "internal", "no_new_keys", "keys_shut":
		v.Next = []NextStep{NextReload, NextHome}
	case "held":
		until, _ := p.Extension["until"].(string)
		v.Until, _ = time.Parse(time.RFC3339, until)
		v.Because, _ = p.Extension["because"].(string)
		v.Next = []NextStep{NextHome, NextHelp}
	case "key_too_new", "key_grade_low":
		until, _ := p.Extension["until"].(string)
		v.Until, _ = time.Parse(time.RFC3339, until)
		v.Next = []NextStep{NextHome, NextHelp}
	case "account_frozen":
		v.Next = []NextStep{NextSignIn, NextHelp}
	default:
		v.Next = []NextStep{NextHome, NextHelp}
	}
	s.show(w, r, p.Status, v)
}

// Frame is what a page outside this package (the demo's) needs to look like one
// of ours: the frame of the person who is signed in, or of nobody.
func (s *Server) Frame(w http.ResponseWriter, r *http.Request) Base { return s.baseMaybe(w, r) }

// Show renders a page for a package outside this one.
func (s *Server) Show(w http.ResponseWriter, r *http.Request, status int, v View) {
	s.show(w, r, status, v)
}

// Hand puts the tokens of a finished sign-in into the browser; the demo's
// software passkey signs in through it.
func (s *Server) Hand(w http.ResponseWriter, in signin.Entered, remember bool) {
	s.handEntered(w, in, remember)
}

// Local keeps a path on this site, for a package that redirects where a form says.
func (s *Server) Local(to string) string { return localPath(to) }

// Session is the session of a request, for a package outside this one.
func (s *Server) Session(r *http.Request) (session.Session, error) {
	live, err := s.current(r)
	return live.Session, err
}

// Renewed puts the new tokens of a session into the browser.
func (s *Server) Renewed(w http.ResponseWriter, iss session.Issued) { s.hand(w, iss, iss.Remember) }

// seconds rounds a life to what a cookie understands; never "until the browser
// closes" by accident.
func seconds(now, until time.Time) time.Duration { return max(until.Sub(now), time.Second) }
