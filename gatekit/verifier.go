package gatekit

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Why a decision is refused. Their texts repeat nothing of what was sent. They are for the log of the upstream: what
// the caller of Middleware hears is the same for all.
var (
	ErrMalformed    = errors.New("gatekit: not a decision token in its one spelling")
	ErrUnknownKey   = errors.New("gatekit: signed with a key that is not known here")
	ErrTag          = errors.New("gatekit: the tag does not hold")
	ErrExpired      = errors.New("gatekit: the decision has expired")
	ErrNotYet       = errors.New("gatekit: the decision was made more than a second in the future; compare the clocks")
	ErrOtherRequest = errors.New("gatekit: the decision is about another request")

	// With RememberFor alone.
	ErrUsed = errors.New("gatekit: the decision was used before")
	ErrFull = errors.New("gatekit: too many decisions to remember")
)

// Verifier checks decisions. Make one per upstream with NewVerifier; it is safe for concurrent use. Set what it
// offers to set before the first request.
type Verifier struct {
	Now     func() time.Time           // the clock of Middleware; nil: time.Now
	Refused func(*http.Request, error) // hears of each refusal of Middleware, for the log; nil: nobody does

	keys []*mac
	once *memory // nil: nothing is remembered
}

// NewVerifier takes the keys under which decisions are good: usually one, two while a new one takes over from the
// old. The zero Key is left out; without any key every decision is refused.
func NewVerifier(keys ...Key) *Verifier {
	v := &Verifier{}
	for _, k := range keys {
		if k != (Key{}) {
			v.keys = append(v.keys, newMAC(k))
		}
	}
	return v
}

// RememberFor makes the verifier remember up to n decisions until they expire and refuse each the second time with
// ErrUsed. When n are remembered it refuses new ones with ErrFull: forgetting one early would let it in again. A
// decision takes up to six seconds to be forgotten, so n is six times the most requests per second. The memory is of
// this process alone and empty at its start.
func (v *Verifier) RememberFor(n int) { v.once = newMemory(n) }

// Check decides whether token is a decision about this request: method and target as they arrived on the wire, the
// whole body, at now. The error is one of this package's; the Decision is empty then.
func (v *Verifier) Check(token, method, target string, body []byte, now time.Time) (Decision, error) {
	d, err := v.open(token, method, target, now)
	if err == nil {
		err = v.finish(&d, body, now)
	}
	if err != nil {
		return Decision{}, err
	}
	return d, nil
}

// open is all of Check that does not need the body, which nobody without a decision can make us read.
func (v *Verifier) open(token, method, target string, now time.Time) (d Decision, err error) {
	d, kid, signed, tag, ok := parse(token)
	if !ok {
		return d, ErrMalformed
	}
	// Two keys may share a kid, once in four billion; then both are tried.
	err = ErrUnknownKey
	for _, m := range v.keys {
		if m.kid != kid {
			continue
		}
		s := m.states.Get().(*state)
		s.buf = append(s.buf[:0], signed...)
		same := subtle.ConstantTimeCompare(s.over(s.buf), tag[:])
		m.states.Put(s)
		if same == 1 {
			err = nil
			break
		}
		err = ErrTag
	}
	switch {
	case err != nil:
		return d, err
	case d.Issued.After(now.Add(ahead)):
		return d, ErrNotYet
	case !now.Before(d.Expires()):
		return d, ErrExpired
	case d.Method != method || d.Target != target:
		return d, ErrOtherRequest
	}
	return d, nil
}

// finish is the rest: the body is the one that was decided about, the time has not run out while it arrived, and the
// decision is spent. Remembered last: what is refused for another reason must not fill the memory.
func (v *Verifier) finish(d *Decision, body []byte, now time.Time) error {
	switch {
	case sha256.Sum256(body) != d.Body: // no secret: the sender made the body
		return ErrOtherRequest
	case !now.Before(d.Expires()):
		return ErrExpired
	case v.once != nil:
		return v.once.spend(d.ID, d.Expires().UnixMilli(), now.UnixMilli())
	}
	return nil
}

// parse takes a token apart without judging its tag. signed is the part under the tag.
func parse(token string) (d Decision, kid, signed string, tag [sha256.Size]byte, ok bool) {
	dot := strings.LastIndexByte(token, '.')
	if len(token) > maxToken || !strings.HasPrefix(token, prefix) || dot < len(prefix) || !decode(tag[:], token[dot+1:]) {
		return d, "", "", tag, false
	}
	signed = token[:dot]
	payload, err := base64.RawURLEncoding.Strict().DecodeString(signed[len(prefix):])
	if err != nil {
		return d, "", "", tag, false
	}
	if d, kid, ok = parsePayload(string(payload)); !ok || !d.valid() {
		return d, "", "", tag, false
	}
	// One spelling: what we would write is what we read, to the byte. Without this a second token could be made
	// from a first (line breaks that base64 skips, "\u0061", a member twice), and a memory or a log that knows
	// the one would not know the other. It is also what keeps two parsers from reading two decisions.
	again := make([]byte, 0, len(payload)+len(prefix))
	again = appendPayload(again, d, kid)
	same := bytes.Equal(again, payload) && base64.RawURLEncoding.EncodedLen(len(payload)) == len(signed)-len(prefix)
	return d, kid, signed, tag, same
}

// decode reads base64url into exactly out. The length is compared because the decoder skips line breaks.
func decode(out []byte, text string) bool {
	if len(text) != base64.RawURLEncoding.EncodedLen(len(out)) {
		return false
	}
	var room [64]byte
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(room[:0], []byte(text))
	return err == nil && copy(out, raw) == len(out) && len(raw) == len(out)
}

// parsePayload reads the members in their order. It does not look at bounds; valid does.
func parsePayload(in string) (d Decision, kid string, ok bool) {
	r := reader{in: in}
	r.take(`{"v":1,"d":`)
	d.ID = r.text()
	r.take(`,"kid":`)
	kid = r.text()
	r.take(`,"m":`)
	d.Method = r.text()
	r.take(`,"p":`)
	d.Target = r.text()
	r.take(`,"b":`)
	body := r.text()
	r.take(`,"a":`)
	d.Account = r.text()
	r.take(`,"u":`)
	d.Sub = r.text()
	r.take(`,"k":`)
	d.Credential = r.text()
	r.take(`,"s":`)
	d.Scopes = r.text()
	r.take(`,"x":`)
	d.ExitOnly = r.bool()
	r.take(`,"iat":`)
	issued := r.number()
	r.take(`,"exp":`)
	expires := r.number()
	r.take(`}`)
	d.Issued = time.UnixMilli(issued).UTC()
	return d, kid, !r.bad && r.in == "" && isKID(kid) && decode(d.Body[:], body) && expires == issued+Life.Milliseconds()
}

func isKID(s string) bool {
	return len(s) == 8 && each(s, func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' })
}

// reader reads the one spelling from the front of in. After the first wrong byte it stays bad.
type reader struct {
	in  string
	bad bool
}

func (r *reader) take(s string) {
	rest, ok := strings.CutPrefix(r.in, s)
	r.in, r.bad = rest, r.bad || !ok
}

func (r *reader) text() string {
	r.take(`"`)
	end := strings.IndexAny(r.in, `"\`)
	if end >= 0 && r.in[end] == '"' { // as nearly always: nothing to copy
		s := r.in[:end]
		r.in = r.in[end+1:]
		return s
	}
	var b strings.Builder
	for i := 0; i < len(r.in); i++ {
		switch c := r.in[i]; {
		case c == '"':
			r.in = r.in[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(r.in):
			i++
			b.WriteByte(r.in[i]) // \n as an n: written again it is another text, and refused
		default:
			b.WriteByte(c)
		}
	}
	r.bad = true
	return ""
}

func (r *reader) bool() bool {
	if rest, ok := strings.CutPrefix(r.in, "true"); ok {
		r.in = rest
		return true
	}
	r.take("false")
	return false
}

func (r *reader) number() int64 {
	end := 0
	for end < len(r.in) && r.in[end] >= '0' && r.in[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(r.in[:end], 10, 64)
	r.in, r.bad = r.in[end:], r.bad || err != nil || n >= maxTime
	return n
}
