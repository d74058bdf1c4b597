package gate

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
)

// symbolOf reads the market a request names. ok is false when it stands there twice, or
// not where the route says: a list of markets is worth nothing if the upstream could
// read another one than we did.
func symbolOf(at place, query string, body []byte) (symbol string, ok bool) {
	if at.name == "" {
		return "", true
	}
	if at.body {
		return member(body, at.name)
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(q[at.name]) != 1 {
		return "", false
	}
	return q.Get(at.name), true
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
		if err != nil || !isText || seen[key] {
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
