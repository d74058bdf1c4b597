package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/edge"
	"keyward/internal/lang"
	"keyward/internal/oauth"
	"keyward/internal/staff"
)

//go:embed templates
var files embed.FS

// Look is what these pages borrow from those of accounts.
type Look interface {
	Asset(name string) string                // address of a static file
	Icon(name string) (template.HTML, error) // a drawing of ours
	Static() http.Handler
}

// pages by "language/name".
type pages map[string]*template.Template

func compile(look Look) (pages, error) {
	all := pages{}
	names, err := fs.Glob(files, "templates/pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, code := range []string{lang.EN, lang.KO} {
		for _, name := range names {
			t, err := template.New("layout").Funcs(funcs(code, look)).ParseFS(files, "templates/layout.html", name)
			if err != nil {
				return nil, err
			}
			all[code+"/"+strings.TrimSuffix(path.Base(name), ".html")] = t
		}
	}
	return all, nil
}

func funcs(code string, look Look) template.FuncMap {
	t := func(key string, args ...any) string { return lang.T(code, key, args...) }
	return template.FuncMap{
		"t":         t,
		"th":        func(key string, args ...any) template.HTML { return lang.HTML(code, key, args...) },
		"asset":     look.Asset,
		"icon":      look.Icon,
		"lang":      func() string { return code },
		"otherLang": func() string { return lang.Other(code) },
		"when": func(at time.Time) template.HTML {
			if at.IsZero() {
				return ""
			}
			at = at.UTC()
			return template.HTML(`<time datetime="` + at.Format(time.RFC3339) + `">` + template.HTMLEscapeString(lang.When(code, at, lang.Full)) + `</time>`)
		},
		"role": func(r staff.Role) string { return t(roleWords[r][0]) },
		"does": func(r staff.Role) string { return t(roleWords[r][1]) },
		"kind": func(k staff.Kind) string {
			if key, ok := kindWords[k]; ok {
				return t(key)
			}
			return string(k)
		},
		"power":   func(scope string) string { return t(powerWords[scope]) },
		"proves":  func(auth string) string { return t(authWords[auth]) },
		"scopes":  oauth.Scopes,
		"details": oauth.DetailTypes,
		"hosts":   hosts,
		"span": func(d time.Duration) string {
			if d < 48*time.Hour {
				return t("ops.hours", "n", int(d/time.Hour))
			}
			return t("ops.days", "n", int(d/(24*time.Hour)))
		},
		"field": func(name string) string {
			if key, ok := fieldWords[name]; ok {
				return t(key)
			}
			return name
		},
		"state": func(s staff.State) string { return t(stateWords[s]) },
		"bdi":   func(s string) template.HTML { return template.HTML("<bdi>" + template.HTMLEscapeString(s) + "</bdi>") },
	}
}

// Words that are not written out in a template.
var (
	roleWords = map[staff.Role][2]string{
		staff.Support:  {"ops.role.support", "ops.role.support.why"},
		staff.Analyst:  {"ops.role.analyst", "ops.role.analyst.why"},
		staff.Security: {"ops.role.security", "ops.role.security.why"},
		staff.Admin:    {"ops.role.admin", "ops.role.admin.why"},
		staff.Auditor:  {"ops.role.auditor", "ops.role.auditor.why"},
	}
	// What people will read when the app asks.
	powerWords = map[string]string{
		"openid": "power.openid", "email": "power.email", "offline_access": "power.offline_access", "read": "power.read",
		"trade": "power.trade", "keys": "power.keys", "devices": "power.devices", "contacts": "power.contacts", "tail": "ops.app.tail",
	}
	authWords  = map[string]string{oauth.AuthNone: "ops.app.auth.none", oauth.AuthSecret: "ops.app.auth.secret", oauth.AuthKey: "ops.app.auth.key"}
	fieldWords = map[string]string{"publisher": "ops.app.publisher"}
	kindWords  = map[staff.Kind]string{staff.VerifyPublisher: "ops.kind.publisher"}
	stateWords = map[staff.State]string{
		staff.Open: "ops.state.open", staff.Approved: "ops.state.approved", staff.Refused: "ops.state.refused", staff.Expired: "ops.state.expired",
	}
)

// page is everything a template may say; each uses its part.
type page struct {
	name      string
	Lang      string
	Product   string
	Host      string
	RequestID string
	Theme     string
	Path      string
	Who       *staff.Live

	Problem    edge.Problem
	NoScript   bool
	To         string
	Operators  []staff.Operator
	One        staff.Operator
	AllRoles   []staff.Role
	Invitation staff.Invitation
	Link       string
	Requests   []staff.Request
	Request    staff.Request
	Names      map[staff.ID]string
	Doable     bool
	Apps       []oauth.Client
	App        oauth.Client
	Live       int
	Secret     string
	Keys       []staff.Key
	Key        staff.Key
	Sessions   []staff.Session
}

// hosts are where an app leads people, each once.
func hosts(c oauth.Client) (out []string) {
	for _, r := range c.Redirects {
		u, err := url.Parse(r)
		if err != nil {
			continue // none was registered that does not parse
		}
		host := u.Host
		if host == "" {
			host = u.Scheme + ":" // a private scheme of a native app
		}
		if !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out
}

// May is for leaving out what would be refused.
func (p *page) May(power string) bool {
	return p.Who != nil && p.Who.Operator.Roles.May(map[string]staff.Power{
		"see-operators": staff.SeeOperators, "manage": staff.ManageOperators, "see-requests": staff.SeeRequests, "ask": staff.AskRequests, "decide": staff.DecideRequests,
		"see-apps": staff.SeeClients, "manage-apps": staff.ManageClients,
	}[power])
}

// In says whether the page is one of those below a door of the navigation.
func (p *page) In(door string) bool { return p.Path == door || strings.HasPrefix(p.Path, door+"/") }

// Own says whether an operator is the one who looks.
func (p *page) Own(id staff.ID) bool { return p.Who != nil && p.Who.Operator.ID == id }

// Name of an operator, the id when it is not known.
func (p *page) Name(id staff.ID) string {
	if n := p.Names[id]; n != "" {
		return n
	}
	return string(id)
}

func (s *Server) page(r *http.Request, name string) *page {
	p := &page{
		name: name, Lang: edge.Lang(r), Product: s.set.Product, Host: s.set.Origin[strings.Index(s.set.Origin, "://")+3:],
		RequestID: edge.RequestID(r.Context()), AllRoles: staff.AllRoles, Path: "/",
	}
	if r.Method == http.MethodGet {
		p.Path = r.URL.Path // our pages have no query worth keeping
	}
	if t, ok := edge.ThemeCookie.Read(r); ok && (t == "light" || t == "dark") {
		p.Theme = t
	}
	return p
}

func (s *Server) pageOf(v *visit, name string) *page {
	p := s.page(v.r, name)
	p.Who = &v.who
	return p
}

// show writes a page whole or not at all.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, p *page) {
	code := p.Lang
	if code != lang.KO {
		code = lang.EN
	}
	var b bytes.Buffer
	if err := s.pages[code+"/"+p.name].ExecuteTemplate(&b, "layout", p); err != nil {
		s.Logger.ErrorContext(r.Context(), "page failed", "cause", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", code)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func answer(w http.ResponseWriter, v any) {
	b, _ := json.Marshal(v)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b)
}

// local keeps a path of these pages: letters, digits, "/", "_" and "-" are all that
// our addresses have, so nothing a browser could read as another host passes.
func local(to string) string {
	if len(to) == 0 || len(to) > 128 || to[0] != '/' || strings.Contains(to, "//") ||
		strings.Trim(to, "/abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return "/"
	}
	return to
}

func query(name, value string) string {
	if value == "" || value == "/" {
		return ""
	}
	return "?" + url.Values{name: {value}}.Encode()
}
