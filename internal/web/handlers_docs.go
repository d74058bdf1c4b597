package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"keyward/internal/edge"
)

// docs are the answers that are the same for everybody: the page of error codes
// and the files that browsers, password managers and finders of holes look for.
func (s *Server) docs(mux *http.ServeMux, e *edge.Edge) {
	open := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, e.Limit(edge.ClassPage, h)) }
	open("GET /docs/errors", s.errorCodes)
	open("GET /.well-known/change-password", s.changePassword)
	open("GET /.well-known/passkey-endpoints", s.passkeyEndpoints)
	open("GET /robots.txt", robots)
	if s.set.SecurityContact != "" {
		open("GET /.well-known/security.txt", s.securityTxt)
	}
}

func (s *Server) errorCodes(w http.ResponseWriter, r *http.Request) {
	v := &Errors{Base: s.baseMaybe(w, r)}
	v.Chapters = chaptersOf(edge.Codes(v.Lang))
	s.show(w, r, http.StatusOK, v)
}

func chaptersOf(codes []edge.Code) []ErrorChapter {
	by := map[string][]ErrorCode{}
	for _, c := range codes {
		by[c.Anchor] = append(by[c.Anchor], ErrorCode{c.Code, c.Status, c.Title, c.Detail})
	}
	var chapters []ErrorChapter
	for _, ch := range errorChapters {
		if ch.Codes = by[ch.ID]; ch.Codes != nil {
			chapters = append(chapters, ch)
		}
	}
	return chapters
}

// changePassword: password managers send people here to replace a credential
// (W3C "A Well-Known URL for Changing Passwords" §2). There are no passwords;
// passkeys are what can be replaced.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/passkeys", http.StatusFound)
}

// passkeyEndpoints: where password managers send people who want a passkey (W3C
// "Passkey Endpoints" §2). They look on the domain of the RP ID; where that is a
// parent of this host, the parent's web server answers the same.
func (s *Server) passkeyEndpoints(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(map[string]string{"enroll": s.set.PublicURL + "/passkeys/add", "manage": s.set.PublicURL + "/passkeys"})
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	plainFile(w, "application/json", string(body)+"\n")
}

// securityLasts: RFC 9116 §2.5.5 advises less than a year. The file is made
// anew with each answer, so it ends soon after a server that nobody runs.
const securityLasts = 30 * 24 * time.Hour

func (s *Server) securityTxt(w http.ResponseWriter, _ *http.Request) {
	until := s.DB.Now().UTC().Add(securityLasts).Truncate(24 * time.Hour)
	plainFile(w, "text/plain; charset=utf-8", strings.Join([]string{
		"Contact: " + s.set.SecurityContact,
		"Expires: " + until.Format(time.RFC3339),
		"Preferred-Languages: en, ko",
		"Canonical: " + s.set.PublicURL + "/.well-known/security.txt",
	}, "\n")+"\n")
}

// robots: no page here is for a search engine, and a crawler that follows a link
// out of somebody's mail would only use it up.
func robots(w http.ResponseWriter, _ *http.Request) {
	plainFile(w, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n")
}

func plainFile(w http.ResponseWriter, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write([]byte(body))
}
