package executor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

var errJSON = errors.New("executor: not one JSON object whose members have exact names, each once")

// object is one JSON object, its values unread.
type object map[string]json.RawMessage

// readObject takes names exactly and each once: encoding/json would take the last of two, in any case of letters, and
// two readers of one signed text must not see two challenges in it.
func readObject(b []byte) (object, error) {
	if len(b) > maxPart*4 || !utf8.Valid(b) {
		return nil, errJSON
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errJSON
	}
	m := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errJSON
		}
		key, ok := name.(string)
		if _, twice := m[key]; !ok || twice {
			return nil, errJSON
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, errJSON
		}
		m[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errJSON
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errJSON
	}
	return m, nil
}

// text is a member that is text.
func (m object) text(name string) (string, bool) {
	raw := m[name]
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// bytes is a member that is base64url text.
func (m object) bytes(name string) ([]byte, bool) {
	s, ok := m.text(name)
	if !ok || len(s) > maxPart*2 {
		return nil, false
	}
	return decode(s)
}

// seconds is a member that is a whole number.
func (m object) seconds(name string) (int64, bool) {
	var n int64
	raw := m[name]
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' || json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	return n, true
}
