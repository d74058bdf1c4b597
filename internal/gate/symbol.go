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
// read another one than we did. Upstreams differ: some read names in any case
// (encoding/json of Go, ASP.NET), some merge query and body with either of them first
// (net/http, PHP, Rails), some go by the type of the body.
func symbolOf(at place, query string, kinds []string, body []byte) (symbol string, ok bool) {
	if at.name == "" {
		return "", true
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(kinds) > 1 {
		return "", false
	}
	said := 0
	for name, values := range q {
		if spells(name, at.name) {
			if symbol = values[0]; name != at.name {
				return "", false
			}
			said += len(values)
		}
	}
	kind := ""
	if len(kinds) == 1 {
		if kind, _, err = mime.ParseMediaType(kinds[0]); err != nil {
			return "", false
		}
	}
	if at.body {
		if said > 0 || kind != "application/json" {
			return "", false // a text can be an object and a form at once
		}
		return member(body, at.name)
	}
	if kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data" || len(body) > 0 && (kind != "application/json" || names(body, at.name)) {
		return "", false
	}
	return symbol, said == 1 && symbol != ""
}

// spells reports whether some server takes one name for the other: in another case, with
// the letters that fold to one of ASCII, or as a list.
func spells(name, want string) bool {
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i]
	}
	return strings.EqualFold(strings.TrimSpace(name), want)
}

// names reports whether a JSON text could be read as an object with such a member.
func names(body []byte, name string) bool {
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && b[0] == '[' && json.Valid(body) {
		return false
	}
	var o map[string]json.RawMessage
	if json.Unmarshal(body, &o) != nil {
		return true // whatever it is, it is not for us to say
	}
	for key := range o {
		if spells(key, name) {
			return true
		}
	}
	return false
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
		if err != nil || !isText || seen[key] || key != name && spells(key, name) {
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
