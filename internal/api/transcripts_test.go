package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/softkey"
)

// transcripts are the exchanges of docs/mobile.md as they went over the wire. Who writes an app holds it to them, so
// they change only when the wire does: go test ./internal/api -run Transcripts -update, and read the difference.
const transcripts = "../../examples/mobile/transcripts"

// exchange is one request and its answer.
type exchange struct {
	Name     string   `json:"name"`
	Request  sent     `json:"request"`
	Response received `json:"response"`
}

type sent struct {
	Method  string         `json:"method"`
	Path    string         `json:"path"`
	Headers map[string]any `json:"headers,omitempty"`
	Body    any            `json:"body,omitempty"`
	Signed  map[string]any `json:"signed,omitempty"` // what each JWS of the request says
}

type received struct {
	Status  int            `json:"status"`
	Headers map[string]any `json:"headers,omitempty"`
	Body    any            `json:"body,omitempty"`
}

// tape writes down what is said, with names for what differs from run to run. The same value has the same name
// wherever it comes back, so that a reader sees what has to be carried from one message to the next.
type tape struct {
	t      *testing.T
	names  map[string]string // by value
	used   map[string]bool
	played []exchange
}

func newTape(t *testing.T) *tape {
	return &tape{t: t, names: map[string]string{}, used: map[string]bool{}}
}

// call gives a value a name.
func (tp *tape) call(value, name string) string {
	if value == "" {
		return value
	}
	if n, known := tp.names[value]; known {
		return "${" + n + "}"
	}
	n := name
	for i := 2; tp.used[n]; i++ {
		n = fmt.Sprintf("%s_%d", name, i)
	}
	tp.names[value], tp.used[n] = n, true
	return "${" + n + "}"
}

// keys names the four halves and two thumbprints of a phone's keys.
func (tp *tape) keys(who string, app *softkey.App) {
	for _, k := range []struct {
		name string
		key  *softkey.BindingKey
	}{{who + "session_key", app.Session}, {who + "touch_key", app.Touch}} {
		tp.call(k.key.Thumbprint(), k.name+".thumbprint")
		proof := strings.Split(k.key.Proof(softkey.DPoP{Method: "GET", URL: public}, time.Now()), ".")
		var h struct {
			JWK struct{ X, Y string }
		}
		ok(tp.t, json.Unmarshal(tp.part(proof[0]), &h))
		tp.call(h.JWK.X, k.name+".x")
		tp.call(h.JWK.Y, k.name+".y")
	}
}

// Of these another value comes each time, or at any time, and nothing is carried on.
var passing = map[string]string{
	"jti": "jti", "iat": "now", "ath": "SHA-256 of access_token", "nonce": "nonce", "request_id": "request_id", "expires_in": "seconds", "took_ms": "ms",
	"clientDataJSON": "client_data", "attestationObject": "attestation_object", "authenticatorData": "authenticator_data", "signature": "signature",
	"publicKey": "public_key", "app_attestation": "app_attestation", "app_assertion": "app_assertion",
}

// These are carried on; an id is told apart by its prefix.
var carried = map[string]string{
	"challenge": "challenge", "ticket": "ticket", "access_token": "access_token", "refresh_token": "refresh_token", "app_key_id": "app_key_id",
	"x": "x", "y": "y", "rawId": "credential_id", "userHandle": "user_handle", "user_handle": "user_handle",
}

var (
	ownID     = regexp.MustCompile(`^(acc|dev|key|ses)_[0-9a-z]{26}$`)
	longToken = regexp.MustCompile(`^[A-Za-z0-9_-]{22,}$`)
	instant   = regexp.MustCompile(`^20\d\d-\d\d-\d\dT[\d:.]+Z$`)
)

// plain replaces what differs, by the name of the member that holds it.
func (tp *tape) plain(member string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(v)) { // in one order, because names are given by it
			as := k
			if member == "user" && k == "id" {
				as = "user_handle" // what passkeys call it when they come back
			}
			out[k] = tp.plain(as, v[k])
		}
		return out
	case []any:
		out := []any{}
		for _, inner := range v {
			out = append(out, tp.plain(member, inner))
		}
		return out
	case string:
		return tp.text(member, v)
	case float64, bool, nil:
		if name, differs := passing[member]; differs {
			return "${" + name + "}"
		}
	}
	return v
}

func (tp *tape) text(member, v string) string {
	if name, known := tp.names[v]; known {
		return "${" + name + "}"
	}
	if name, differs := passing[member]; differs && v != "" {
		return "${" + name + "}"
	}
	if name, differs := carried[member]; differs {
		return tp.call(v, name)
	}
	switch prefix, _, _ := strings.Cut(v, "_"); {
	case ownID.MatchString(v):
		return tp.call(v, map[string]string{"acc": "account", "dev": "device", "key": "key", "ses": "session"}[prefix]+"_id")
	case instant.MatchString(v):
		return "${time}"
	case strings.HasSuffix(member, "_chain"):
		return "${DER}"
	case member == "statement" || member == "session_statement":
		return "${JWS}"
	case (member == "id" || member == "credentials") && longToken.MatchString(v):
		return tp.call(v, "credential_id")
	}
	for value, name := range tp.names { // inside of an address
		if len(value) >= 22 {
			v = strings.ReplaceAll(v, value, "${"+name+"}")
		}
	}
	return v
}

func (tp *tape) part(s string) []byte {
	tp.t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	ok(tp.t, err)
	return b
}

// jws says what a JWS says.
func (tp *tape) jws(text string) any {
	tp.t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		tp.t.Fatalf("not a compact JWS: %s", text)
	}
	return map[string]any{"header": tp.json(tp.part(parts[0])), "claims": tp.json(tp.part(parts[1]))}
}

func (tp *tape) json(raw []byte) any {
	tp.t.Helper()
	if len(raw) == 0 {
		return nil
	}
	var v any
	ok(tp.t, json.Unmarshal(raw, &v))
	return tp.plain("", v)
}

func (tp *tape) headers(h http.Header, names ...string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		switch v := h.Get(n); {
		case v == "":
		case n == "DPoP":
			out[n] = "${JWS}"
		case n == "DPoP-Nonce":
			out[n] = "${nonce}"
		default:
			scheme, token, two := strings.Cut(v, " ")
			if name, known := tp.names[token]; two && known {
				v = scheme + " ${" + name + "}"
			}
			out[n] = v
		}
	}
	return out
}

// note keeps one exchange.
func (tp *tape) note(name string, q request, r *response) {
	tp.t.Helper()
	var body []byte
	if q.body != nil {
		var err error
		body, err = json.Marshal(q.body)
		ok(tp.t, err)
		q.header.Set("Content-Type", "application/json")
	}
	e := exchange{Name: name}
	e.Request = sent{Method: q.method, Headers: tp.headers(q.header, "Authorization", "DPoP", "Content-Type"), Body: tp.json(body)}
	e.Request.Path = tp.text("", q.path)
	signed := map[string]any{}
	if p := q.header.Get("DPoP"); p != "" {
		signed["DPoP"] = tp.jws(p)
	}
	var in struct {
		Credential struct {
			Statement string
			Beside    string `json:"session_statement"`
		}
	}
	if len(body) > 0 && json.Unmarshal(body, &in) == nil && in.Credential.Statement != "" {
		signed["statement"] = tp.jws(in.Credential.Statement)
		if in.Credential.Beside != "" {
			signed["session_statement"] = tp.jws(in.Credential.Beside)
		}
	}
	e.Request.Signed = signed
	e.Response = received{r.status, tp.headers(r.header, "Content-Type", "DPoP-Nonce", "WWW-Authenticate", "Retry-After"), tp.json(r.body)}
	tp.played = append(tp.played, e)
}

// compare holds what was played against the file.
func (tp *tape) compare(file string) {
	t := tp.t
	t.Helper()
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	ok(t, enc.Encode(tp.played))
	path := filepath.Join(transcripts, file+".json")
	if *update {
		ok(t, os.WriteFile(path, got.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	ok(t, err)
	if bytes.Equal(want, got.Bytes()) {
		return
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			t.Fatalf("%s is not what went over the wire, from line %d on: %q. If apps may rely on it, -update and read the difference", path, i+1, g[i])
		}
	}
	t.Fatalf("%s says more than what went over the wire", path)
}

// speaker is a phone whose words are written down.
type speaker struct {
	*phone
	tape *tape
}

// say sends one request, with a proof by the session key and, once signed in, the access token. Nothing is sent twice.
func (s *speaker) say(name, method, path string, body any) *response {
	return s.sayAs(name, method, path, body, s.key, s.tokens.AccessToken)
}

// ask sends a request that needs no proof.
func (s *speaker) ask(name, method, path string, body any) *response {
	return s.sayAs(name, method, path, body, nil, "")
}

func (s *speaker) sayAs(name, method, path string, body any, key *softkey.BindingKey, access string) *response {
	s.w.t.Helper()
	h := s.header()
	if access != "" {
		h.Set("Authorization", "DPoP "+access)
	}
	if key != nil {
		h.Set("DPoP", key.Proof(softkey.DPoP{Method: method, URL: public + path, Token: access, Nonce: s.nonce}, s.w.clock.now()))
	}
	q := request{method, path, body, h}
	r := s.w.do(q)
	s.tape.note(name, q, r)
	if r.header.Get("DPoP-Nonce") == "" {
		s.w.t.Fatalf("%s: an answer without a nonce for the next proof", name)
	}
	s.nonce = r.header.Get("DPoP-Nonce")
	return r
}

func (s *speaker) refreshed(name, token string) *response {
	s.w.t.Helper()
	return s.sayAs(name, "POST", "/api/v1/session/refresh", map[string]string{"refresh_token": token}, s.key, "")
}
