package edge

import (
	"net/http"
	"strings"
)

// Lang is the language of an answer: the person's own choice (cookie kw_lang),
// else the first of the browser's languages that we speak, else the default of
// the deployment.
func Lang(r *http.Request) string {
	if lang, ok := LangCookie.Read(r); ok && spoken(lang) {
		return lang
	}
	for _, line := range r.Header["Accept-Language"] {
		for part := range strings.SplitSeq(shortened(line, 256), ",") {
			tag, _, _ := strings.Cut(strings.TrimSpace(part), ";") // browsers sort by q already
			primary, _, _ := strings.Cut(tag, "-")
			if primary = strings.ToLower(primary); spoken(primary) {
				return primary
			}
		}
	}
	if v := visitFrom(r); v != nil {
		return v.edge.opts.Language
	}
	return "en"
}

func spoken(lang string) bool { return lang == "en" || lang == "ko" }
