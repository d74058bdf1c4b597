package apikey

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// member is one member of a JSON object, in the order that was sent.
type member struct {
	name string
	raw  []byte // the value as it stands, aliasing the input
}

// object splits one JSON object. Refused: broken UTF-8, a name given twice however it
// is spelled, anything after the object. encoding/json would take the last of two equal
// names, and an upstream that takes the first would act on what nobody checked (RFC
// 8259 §4).
func object(b []byte) ([]member, bool) {
	if !utf8.Valid(b) || !json.Valid(b) { // from here on the syntax is known to be good
		return nil, false
	}
	b = bytes.TrimSpace(b)
	if b[0] != '{' {
		return nil, false
	}
	var list []member
	for b = unspaced(b[1:]); b[0] != '}'; b = unspaced(b) {
		n := valueLen(b)
		name, ok := unquoted(b[:n])
		if !ok || has(list, name) {
			return nil, false
		}
		b = unspaced(unspaced(b[n:])[1:]) // the colon
		n = valueLen(b)
		list = append(list, member{name, b[:n:n]})
		if b = unspaced(b[n:]); b[0] == ',' {
			b = b[1:]
		}
		if len(list) > maxMembers {
			return nil, false
		}
	}
	return list, true
}

// maxMembers of an object: looking for names given twice costs their square.
const maxMembers = 64

// array splits a valid JSON array.
func array(b []byte) (items [][]byte) {
	for b = unspaced(b[1:]); b[0] != ']'; b = unspaced(b) {
		n := valueLen(b)
		items = append(items, b[:n:n])
		if b = unspaced(b[n:]); b[0] == ',' {
			b = unspaced(b[1:])
		}
	}
	return items
}

// unspaced leaves white space out (RFC 8259 §2).
func unspaced(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// valueLen is the length of the valid JSON value that b begins with.
func valueLen(b []byte) int {
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
			if depth--; depth == 0 {
				return i + 1
			} else if depth < 0 { // the bracket closes what the value stands in
				return i
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// unquoted reads a valid JSON string. Half a surrogate pair is refused: parsers differ
// on it.
func unquoted(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1]), true
	}
	var s string
	if json.Unmarshal(b, &s) != nil || strings.ContainsRune(s, utf8.RuneError) {
		return "", false
	}
	return s, true
}

func has(list []member, name string) bool {
	_, ok := raw(list, name)
	return ok
}

func raw(list []member, name string) ([]byte, bool) {
	for i := range list {
		if list[i].name == name {
			return list[i].raw, true
		}
	}
	return nil, false
}

// text is the string member called name; not ok when it is missing, empty, too long for
// anything we keep, or of another kind.
func text(list []member, name string) (string, bool) {
	b, ok := raw(list, name)
	if !ok {
		return "", false
	}
	s, ok := unquoted(b)
	return s, ok && s != "" && len(s) <= maxText
}

// maxText is the longest key id, nonce or passphrase anybody sends, with room.
const maxText = 256

// whole is the member called name as a whole number in its one spelling.
func whole(list []member, name string) (uint64, bool) {
	b, ok := raw(list, name)
	if !ok {
		return 0, false
	}
	return digits(b)
}

// only reports whether no member but these is there. A claim that nobody reads is one
// that somebody else may read (RFC 8725 §3.11 has the same reason).
func only(list []member, names ...string) bool {
next:
	for i := range list {
		for _, n := range names {
			if list[i].name == n {
				continue next
			}
		}
		return false
	}
	return true
}
