package lang

import (
	"strconv"
	"strings"
)

// Match picks the language of a page: what the person chose (their cookie), else the browser's best (RFC 9110 §12.5.4), else English.
func Match(acceptLanguage, cookie string) string {
	if cookie == EN || cookie == KO {
		return cookie
	}
	best, bestWeight := EN, 0.0
	for item := range strings.SplitSeq(acceptLanguage, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if primary != EN && primary != KO {
			continue
		}
		weight := 1.0
		if q, has := strings.CutPrefix(strings.TrimSpace(params), "q="); has {
			if weight, _ = strconv.ParseFloat(q, 64); weight > 1 {
				weight = 1
			}
		}
		if weight > bestWeight { // ties go to the one named first
			best, bestWeight = primary, weight
		}
	}
	return best
}

// Other is the language the footer offers.
func Other(code string) string {
	if code == KO {
		return EN
	}
	return KO
}
