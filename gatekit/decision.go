package gatekit

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Headers that a gate sets. Only the first proves something; the others repeat parts of it for logs and routing, and
// mean nothing where the token was not checked: anybody can write a header. Middleware sets the four that the token
// covers again from the token.
const (
	Header          = "X-Keyward-Decision"
	HeaderAccount   = "X-Keyward-Account"
	HeaderSub       = "X-Keyward-Sub"
	HeaderKey       = "X-Keyward-Key" // the credential
	HeaderScopes    = "X-Keyward-Scopes"
	HeaderStale     = "X-Keyward-Stale" // milliseconds for which nobody vouched for what was decided by; absent as a rule
	HeaderRequestID = "X-Keyward-Request-Id" // not in the token
)

// The policy of the token. An auditor needs to read no more than this.
const (
	// Life of a decision: enough for a queue in front of the upstream, too short to carry one elsewhere.
	Life = 5 * time.Second

	// ahead is how far the gate's clock may be before the upstream's.
	ahead = time.Second

	prefix = "kwd1." // also under the tag: no other use of the key can yield a decision

	maxName   = 128      // bytes of an account, a sub-account, a credential
	maxMethod = 32       // bytes
	maxScopes = 1024     // bytes
	maxTarget = 8 << 10  // bytes; what servers commonly take as a request line
	maxToken  = 32 << 10 // bytes; more than the bounds above can need
	maxTime   = 1 << 52  // milliseconds; exact also where numbers are doubles
)

// Decision is what a gate decided about one request.
type Decision struct {
	ID         string            // "dec_…", unique per decision
	Method     string            // of the request, as on the wire
	Target     string            // path and query, raw, exactly as the upstream receives them
	Body       [sha256.Size]byte // SHA-256 of the body; of nothing when there is none
	Account    string            // whom the request acts for
	Sub        string            // the sub-account, or ""
	Credential string            // "key:kwk_…", "token:…" or "session:…"
	Scopes     string            // what the credential may do, each once, separated by one space; may be ""
	ExitOnly   bool              // true: this account may cancel and reduce, and nothing else
	Issued     time.Time         // whole milliseconds
}

// Expires is the first moment at which the decision is no longer good.
func (d Decision) Expires() time.Time { return d.Issued.Add(Life) }

// Has reports whether scope is one of the decision's.
func (d Decision) Has(scope string) bool {
	for s := range strings.SplitSeq(d.Scopes, " ") {
		if s == scope && s != "" {
			return true
		}
	}
	return false
}

// Sign writes d as a token. Issued is cut to the millisecond. It returns "" for a decision that no verifier would
// take, such as one without an account or with a target that is not visible ASCII, and under the zero Key: a gate
// that gets "" refuses the request.
func (k Key) Sign(d Decision) string { return string(NewSigner(k).Append(nil, d)) }

// Signer signs many decisions under one key. Safe for concurrent use.
type Signer struct{ mac *mac } // nil under the zero Key

// NewSigner keys the hash once, for a gate that signs on each request.
func NewSigner(k Key) *Signer {
	if k == (Key{}) {
		return &Signer{}
	}
	return &Signer{newMAC(k)}
}

// Append appends the token of d to dst; it appends nothing where Key.Sign returns "".
func (s *Signer) Append(dst []byte, d Decision) []byte {
	if s.mac == nil || !d.valid() {
		return dst
	}
	st := s.mac.states.Get().(*state)
	from := len(dst)
	st.buf = appendPayload(st.buf[:0], d, s.mac.kid)
	dst = append(dst, prefix...)
	dst = base64.RawURLEncoding.AppendEncode(dst, st.buf)
	st.buf = append(st.buf[:0], dst[from:]...)
	tag := st.over(st.buf)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, tag)
	s.mac.states.Put(st)
	return dst
}

// appendPayload writes the one spelling of d: these members in this order, no white space, no escapes but \" and \\.
func appendPayload(b []byte, d Decision, kid string) []byte {
	issued := d.Issued.UnixMilli()
	b = appendText(append(b, `{"v":1,"d":`...), d.ID)
	b = appendText(append(b, `,"kid":`...), kid)
	b = appendText(append(b, `,"m":`...), d.Method)
	b = appendText(append(b, `,"p":`...), d.Target)
	b = append(b, `,"b":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, d.Body[:])
	b = appendText(append(b, `","a":`...), d.Account)
	b = appendText(append(b, `,"u":`...), d.Sub)
	b = appendText(append(b, `,"k":`...), d.Credential)
	b = appendText(append(b, `,"s":`...), d.Scopes)
	b = strconv.AppendBool(append(b, `,"x":`...), d.ExitOnly)
	b = strconv.AppendInt(append(b, `,"iat":`...), issued, 10)
	b = strconv.AppendInt(append(b, `,"exp":`...), issued+Life.Milliseconds(), 10)
	return append(b, '}')
}

func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// valid reports whether d can be a token: every text within its bound and of characters with one spelling in JSON.
func (d *Decision) valid() bool {
	issued := d.Issued.UnixMilli()
	return len(d.ID) > len("dec_") && len(d.ID) <= maxName && strings.HasPrefix(d.ID, "dec_") && each(d.ID, isIDChar) &&
		d.Method != "" && len(d.Method) <= maxMethod && each(d.Method, isTokenChar) &&
		strings.HasPrefix(d.Target, "/") && len(d.Target) <= maxTarget && each(d.Target, isVisible) &&
		d.Account != "" && len(d.Account) <= maxName && each(d.Account, isVisible) &&
		len(d.Sub) <= maxName && each(d.Sub, isVisible) &&
		validCredential(d.Credential) && validScopes(d.Scopes) &&
		issued > 0 && issued < maxTime
}

func validCredential(s string) bool {
	kind, name, _ := strings.Cut(s, ":")
	return (kind == "key" || kind == "token" || kind == "session") && name != "" && len(s) <= maxName && each(name, isVisible)
}

// validScopes: scope-token of RFC 6749 §3.3, between single spaces, each once.
func validScopes(s string) bool {
	if s == "" {
		return true
	}
	if len(s) > maxScopes {
		return false
	}
	for rest := s; ; {
		scope, after, more := strings.Cut(rest, " ")
		if scope == "" || !each(scope, isVisible) || strings.ContainsAny(scope, `"\`) || (Decision{Scopes: after}).Has(scope) {
			return false
		}
		if !more {
			return true
		}
		rest = after
	}
}

func each(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isVisible(c byte) bool { return c > ' ' && c < 0x7f }

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func isIDChar(c byte) bool { return isAlnum(c) || c == '_' || c == '-' }

// isTokenChar: tchar of RFC 9110 §5.6.2, of which methods are made.
func isTokenChar(c byte) bool { return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 }
