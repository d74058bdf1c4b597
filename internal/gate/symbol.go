package gate

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/url"
	"strings"
)

// symbolOf reads the market a request names. ok is false when it stands there twice, or
// not where the route says: a list of markets is worth nothing if the upstream could
// read another one than we did.
func symbolOf(at place, query string, body []byte) (symbol string, ok bool) {
	if at.name == "" {
		return "", true
	}
	switch at.in {
	case inBody:
		return member(body, at.name)
	case inEach:
		return membersAlike(body, at.name)
	case inForm:
		return field(string(body), at.name)
	default:
		return field(query, at.name)
	}
}

// field is a value of a form, or of a query, in which its name stands once.
func field(text, name string) (value string, ok bool) {
	q, err := url.ParseQuery(text)
	if err != nil || len(q[name]) != 1 {
		return "", false
	}
	for other := range q {
		if variant(other, name) {
			return "", false
		}
	}
	return q.Get(name), q.Get(name) != ""
}

// variant reports whether a name could be taken for another: readers that do not look
// at the case (Go's encoding/json is one) find "Symbol" where we looked at "symbol".
func variant(other, name string) bool { return other != name && spells(other, name) }

// spells reports whether some server takes one name for the other: in another case, with
// the letters that fold to one of ASCII, or as a list.
func spells(name, want string) bool {
	name, _, _ = strings.Cut(name, "[")
	return strings.EqualFold(strings.TrimSpace(name), want)
}

// alone reports whether the market stands in one place of the request only, by whatever an
// upstream goes. Some go by the type of the body, and a text can be an object and a form at
// once; some merge query and body with either of them first (net/http, PHP, Rails).
func alone(at place, query string, a *asked) bool {
	kind, kinds := "", a.header["Content-Type"]
	if len(kinds) == 1 {
		var err error
		if kind, _, err = mime.ParseMediaType(kinds[0]); err != nil {
			return false
		}
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(kinds) > 1 {
		return false
	}
	const object, form = "application/json", "application/x-www-form-urlencoded"
	switch at.in {
	case inBody, inEach:
		return kind == object && !mentions(q, at.name)
	case inForm:
		return (kind == form || kind == "") && !mentions(q, at.name)
	}
	switch {
	case a.unseen: // an object is read by nobody who reads queries; of a form that is not sure
		return kind == object || kind == ""
	case len(a.body) == 0:
		return true
	case kind == form:
		f, err := url.ParseQuery(string(a.body))
		return err == nil && !mentions(f, at.name)
	}
	return kind == object && !objectMentions(a.body, at.name)
}

func mentions(q url.Values, name string) bool {
	for other := range q {
		if spells(other, name) {
			return true
		}
	}
	return false
}

// objectMentions reports whether a JSON text could be read as an object with such a member.
func objectMentions(body []byte, name string) bool {
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && b[0] == '[' && json.Valid(body) {
		return false
	}
	var o map[string]json.RawMessage
	if json.Unmarshal(body, &o) != nil {
		return true // whatever it is, it is not for us to say
	}
	for other := range o {
		if spells(other, name) {
			return true
		}
	}
	return false
}

// membersAlike is what every object of a JSON array has as its member, the same in all:
// a batch over several markets would take several rights, and a route asks for one.
func membersAlike(body []byte, name string) (value string, ok bool) {
	var list []json.RawMessage
	if len(body) == 0 || body[0] != '[' || json.Unmarshal(body, &list) != nil {
		return "", false
	}
	for i, one := range list {
		v, ok := member(one, name)
		if !ok || i > 0 && v != value {
			return "", false
		}
		value = v
	}
	return value, value != ""
}

// member is a text member of a JSON object in which no name stands twice.
func member(body []byte, name string) (value string, ok bool) {
	raw := rawMember(body, name)
	if raw == nil || json.Unmarshal(raw, &value) != nil {
		return "", false
	}
	return value, value != ""
}

// rawMember is a member of a JSON object as it was written. nil: it is none, or two readers
// could find two: a name stands twice or in another spelling, or something follows.
func rawMember(body []byte, name string) (found json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, isText := t.(string)
		if err != nil || !isText || seen[key] || variant(key, name) {
			return nil
		}
		seen[key] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil
		}
		if key == name {
			found = raw
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil
	}
	return found
}
