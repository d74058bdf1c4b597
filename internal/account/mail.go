package account

import (
	"strings"

	"keyward/internal/edge"
)

// ErrMail: not an address mail can be sent to.
var ErrMail = edge.E("bad_request").At("mail", "is not a mail address")

// NormalizeMail brings an address to the one form in which it is stored and
// compared: outer space trimmed, the domain in lower-case ASCII (RFC 5890), the
// local part untouched. Providers read dots and plus signs in many ways; a rule
// of one provider applied to all would hand one person's mail to another.
//
// Only plain local parts are taken (RFC 5322 dot-atom). Quoted ones may hold
// spaces, quotes and line breaks, which is how a header is smuggled into a mail.
func NormalizeMail(raw string) (string, error) {
	raw = strings.Trim(raw, " \t\r\n")
	at := strings.LastIndexByte(raw, '@')
	if len(raw) > 4*maxMail || at < 1 || at > maxLocal {
		return "", ErrMail
	}
	local, domain := raw[:at], raw[at+1:]
	if !dotAtom(local) {
		return "", ErrMail
	}
	domain, err := asciiDomain(domain)
	if err != nil {
		return "", ErrMail.Because(err)
	}
	if len(local)+1+len(domain) > maxMail {
		return "", ErrMail
	}
	return local + "@" + domain, nil
}

// dotAtom is RFC 5322 §3.2.3: words of atext joined by single dots.
func dotAtom(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			c := word[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0) {
				return false
			}
		}
	}
	return true
}
