package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Redact wraps a slog.Handler so that no line shows a secret: not under a key
// that names one, and not inside any text that looks like one of our tokens.
// It is a net under careful callers, not a licence: a secret without a known
// shape under an innocent key would pass.
func Redact(h slog.Handler) slog.Handler {
	if _, done := h.(redactor); done {
		return h
	}
	return redactor{next: h}
}

type redactor struct {
	next   slog.Handler
	hidden bool // inside a group whose name is secret
}

const redacted = "[redacted]"

func (r redactor) Enabled(ctx context.Context, l slog.Level) bool { return r.next.Enabled(ctx, l) }

func (r redactor) Handle(ctx context.Context, rec slog.Record) error {
	rec.Time = rec.Time.UTC() // logs of several machines are read side by side (ASVS 16.2)
	// Most lines carry nothing to hide and pass as they are.
	dirty := suspicious(rec.Message)
	if !dirty {
		rec.Attrs(func(a slog.Attr) bool {
			dirty = r.hidden || secretKey(a.Key) || !harmless(a.Value)
			return !dirty
		})
	}
	if !dirty {
		return r.next.Handle(ctx, rec)
	}
	clean := slog.NewRecord(rec.Time, rec.Level, Scrub(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(r.scrub(a))
		return true
	})
	return r.next.Handle(ctx, clean)
}

// harmless: kinds that cannot hold a token, and text without the shape of one.
func harmless(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString:
		return !suspicious(v.String())
	case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
		return false
	}
	return true
}

func (r redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.scrub(a)
	}
	return redactor{r.next.WithAttrs(clean), r.hidden}
}

func (r redactor) WithGroup(name string) slog.Handler {
	return redactor{r.next.WithGroup(name), r.hidden || secretKey(name)}
}

func (r redactor) scrub(a slog.Attr) slog.Attr {
	if r.hidden || secretKey(a.Key) {
		return slog.String(a.Key, redacted)
	}
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		group := a.Value.Group()
		clean := make([]slog.Attr, len(group))
		for i, g := range group {
			clean[i] = r.scrub(g)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Scrub(a.Value.String()))
	case slog.KindAny:
		a.Value = scrubAny(a.Value.Any())
	}
	return a
}

// scrubAny makes text of everything: a JSON handler would otherwise walk into
// fields this function never saw.
func scrubAny(v any) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(Scrub(v.Error()))
	case *url.URL:
		return slog.StringValue(Scrub(v.Scheme + "://" + v.Host + v.Path)) // queries carry tokens
	case http.Header, *http.Request, []*http.Cookie, *http.Cookie:
		return slog.StringValue(redacted)
	case []byte:
		return slog.StringValue(fmt.Sprintf("%d bytes", len(v)))
	}
	return slog.StringValue(Scrub(fmt.Sprintf("%+v", v)))
}

// secretWords are matched against the parts of a key: access_token, tokenHash
// and set-cookie are secret, "keycode_count" is not worth a special case.
var secretWords = map[string]bool{
	"token": true, "tokens": true, "secret": true, "secrets": true, "cookie": true, "cookies": true,
	"code": true, "codes": true, "password": true, "passphrase": true, "authorization": true,
	"challenge": true, "assertion": true, "dpop": true, "verifier": true, "credentials": true,
}

// innocentKeys name counts and places, never values.
var innocentKeys = map[string]bool{"status_code": true, "exit_code": true}

func secretKey(key string) bool {
	if innocentKeys[key] {
		return false
	}
	start := 0
	for i := 0; i <= len(key); i++ {
		boundary := i == len(key) || key[i] == '_' || key[i] == '-' || key[i] == '.' || key[i] == ' '
		camel := !boundary && i > start && key[i] >= 'A' && key[i] <= 'Z' && key[i-1] >= 'a' && key[i-1] <= 'z'
		if !boundary && !camel {
			continue
		}
		if secretWords[strings.ToLower(key[start:i])] {
			return true
		}
		start = i
		if boundary {
			start++
		}
	}
	return false
}

// secretPrefixes: the shapes that are secret wherever they stand. Ids (acc_,
// dev_, ses_ …) are not among them.
var secretPrefixes = []string{"kwr_", "kwa_", "kwh_", "kws_", "kwv_", "eyJ", "Bearer ", "DPoP ", "Basic "}

// Scrub replaces every token-shaped part of a text.
func Scrub(s string) string {
	if !suspicious(s) {
		return s
	}
	for _, p := range secretPrefixes {
		for from := 0; ; {
			i := strings.Index(s[from:], p)
			if i < 0 {
				break
			}
			start := from + i + len(p)
			end := start
			for end < len(s) && tokenByte(s[end]) {
				end++
			}
			if end-start < shortestSecret { // the prefix in prose, or already redacted
				from = start
				continue
			}
			s = s[:start] + redacted + s[end:]
			from = start + len(redacted)
		}
	}
	return scrubCodes(s)
}

// shortestSecret: what follows a prefix in prose is shorter than any token.
const shortestSecret = 8

// suspicious is one cheap pass: could there be anything for Scrub to do?
func suspicious(s string) bool {
	for i := 0; i+3+shortestSecret <= len(s); i++ {
		switch s[i] {
		case 'k', 'e', 'B', 'D':
			for _, p := range secretPrefixes {
				if strings.HasPrefix(s[i:], p) {
					return true
				}
			}
		case '-': // the first of a recovery code's four
			if i >= 5 && i+24 <= len(s) && s[i+6] == '-' {
				return true
			}
		}
	}
	return false
}

func tokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' ||
		c == '.' || c == '_' || c == '-' || c == '~' || c == '+' || c == '/' || c == '='
}

// scrubCodes removes recovery codes, XXXXX-XXXXX-XXXXX-XXXXX-XXXXX.
func scrubCodes(s string) string {
	const n = 29
	for i := 0; i+n <= len(s); i++ {
		if s[i+5] == '-' && codeShape(s[i:i+n]) {
			s = s[:i] + redacted + s[i+n:]
			i += len(redacted) - 1
		}
	}
	return s
}

func codeShape(s string) bool {
	for i := range len(s) {
		c := s[i]
		if i%6 == 5 {
			if c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return false
		}
	}
	return true
}
