package web

import (
	"net/http"

	"keyward/internal/edge"
)

// docs are the answers that are the same for everybody.
func (s *Server) docs(mux *http.ServeMux, e *edge.Edge) {
	open := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, e.Limit(edge.ClassPage, h)) }
	open("GET /docs/errors", s.errorCodes)
	open("GET /robots.txt", robots)
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

// robots: no page here is for a search engine, and a crawler that follows a link
// out of somebody's mail would only use it up.
func robots(w http.ResponseWriter, _ *http.Request) {
	plainFile(w, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n")
}
