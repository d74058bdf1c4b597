package device

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// object is one JSON object, its values unread and aliasing the input.
type object map[string][]byte

// members splits an object. Refused: broken UTF-8, a name given twice (however it
// is spelled), anything after the object. encoding/json would take the last of two
// equal names, and any letter case of them.
func members(b []byte) (object, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(b) { // from here on the syntax is known to be good
		return nil, errors.New("not one JSON value")
	}
	b = bytes.TrimSpace(b)
	if b[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	m := make(object, 8)
	for b = skip(b[1:]); b[0] != '}'; b = skip(b) {
		n := value(b)
		name, err := unquote(b[:n])
		if err != nil {
			return nil, err
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("member %q given twice", name)
		}
		b = skip(skip(b[n:])[1:]) // the colon
		n = value(b)
		m[name] = b[:n:n]
		if b = skip(b[n:]); b[0] == ',' {
			b = b[1:]
		}
	}
	return m, nil
}

// skip leaves white space out (RFC 8259 §2).
func skip(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// value is the length of the valid JSON value that b begins with.
func value(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + 1 + depth // below zero the bracket is not part of the value
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// unquote reads a valid JSON string.
func unquote(b []byte) (string, error) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1]), nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	return s, err
}

func (m object) text(name string) (string, error) {
	raw := m[name]
	if len(raw) == 0 || raw[0] != '"' {
		return "", fmt.Errorf("member %q is missing or not text", name)
	}
	return unquote(raw)
}

// bytes reads base64url text.
func (m object) bytes(name string) ([]byte, error) {
	s, err := m.text(name)
	if err != nil {
		return nil, err
	}
	b, err := decode(s)
	if err != nil {
		return nil, fmt.Errorf("member %q is not base64url", name)
	}
	return b, nil
}

// object reads a nested object; absent and null are both empty.
func (m object) object(name string) (object, error) {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return nil, nil
	}
	o, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("member %q: %w", name, err)
	}
	return o, nil
}
