package gate

import (
	"bytes"
	"encoding/json"
	"io"
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
func variant(other, name string) bool { return other != name && strings.EqualFold(other, name) }

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
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", false
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, isText := t.(string)
		if err != nil || !isText || seen[key] || variant(key, name) {
			return "", false
		}
		seen[key] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return "", false
		}
		if key == name {
			if json.Unmarshal(raw, &value) != nil {
				return "", false
			}
			ok = true
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return "", false
	}
	if _, err := d.Token(); err != io.EOF {
		return "", false
	}
	return value, ok && value != ""
}
