package rs

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A reader for the JSON of tokens, proofs and keys. encoding/json would take the last of two members with one
// name and match names without case, so two parties could read two different tokens out of one text (RFC 7515
// §4 demands unique names). This one refuses duplicates at every depth, compares names exactly, and for the
// usual token copies nothing.

type member struct {
	name string
	kind byte   // s string, n number, o object, a array, t true, f false, z null
	text string // decoded for strings, as it stands for the rest
}

type members []member

// text is the string member called name; present even when it is of another kind, so that a caller can
// tell "absent" from "wrong".
func (m members) text(name string) (v string, present, ok bool) {
	for i := range m {
		if m[i].name == name {
			return m[i].text, true, m[i].kind == 's'
		}
	}
	return "", false, false
}

func (m members) has(name string) bool {
	for i := range m {
		if m[i].name == name {
			return true
		}
	}
	return false
}

// bounds of what one text may make us do.
type bounds struct{ members, depth int }

// readObject reads in as exactly one object and appends its members to out.
func readObject(in string, out members) (members, bool) {
	return readWithin(bounds{maxMembers, maxDepth}, in, out)
}

func readWithin(b bounds, in string, out members) (members, bool) {
	r := reader{bounds: b, in: in}
	r.space()
	out, ok := r.object(out, 1)
	if !ok {
		return nil, false
	}
	r.space()
	return out, r.at == len(in)
}

type reader struct {
	bounds
	in string
	at int
}

func (r *reader) space() {
	for r.at < len(r.in) && strings.IndexByte(" \t\r\n", r.in[r.at]) >= 0 {
		r.at++
	}
}

func (r *reader) take(c byte) bool {
	if r.at < len(r.in) && r.in[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) object(out members, depth int) (members, bool) {
	if depth > r.depth || !r.take('{') {
		return nil, false
	}
	r.space()
	if r.take('}') {
		return out, true
	}
	first := len(out)
	for {
		r.space()
		name, ok := r.str()
		if !ok || len(out)-first == r.members || out[first:].has(name) {
			return nil, false
		}
		r.space()
		if !r.take(':') {
			return nil, false
		}
		r.space()
		m, ok := r.value(depth)
		if !ok {
			return nil, false
		}
		m.name = name
		out = append(out, m)
		r.space()
		if r.take('}') {
			return out, true
		}
		if !r.take(',') {
			return nil, false
		}
	}
}

func (r *reader) array(depth int) bool {
	if depth > r.depth || !r.take('[') {
		return false
	}
	r.space()
	if r.take(']') {
		return true
	}
	for {
		r.space()
		if _, ok := r.value(depth); !ok {
			return false
		}
		r.space()
		if r.take(']') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *reader) value(depth int) (member, bool) {
	if r.at == len(r.in) {
		return member{}, false
	}
	start := r.at
	var kind byte
	var ok bool
	switch r.in[r.at] {
	case '"':
		text, ok := r.str()
		return member{kind: 's', text: text}, ok
	case '{':
		kind = 'o'
		_, ok = r.object(nil, depth+1)
	case '[':
		kind = 'a'
		ok = r.array(depth + 1)
	case 't':
		kind = 't'
		ok = r.word("true")
	case 'f':
		kind = 'f'
		ok = r.word("false")
	case 'n':
		kind = 'z'
		ok = r.word("null")
	default:
		kind = 'n'
		ok = r.number()
	}
	return member{kind: kind, text: r.in[start:r.at]}, ok
}

func (r *reader) word(w string) bool {
	if !strings.HasPrefix(r.in[r.at:], w) {
		return false
	}
	r.at += len(w)
	return true
}

// number is the grammar of RFC 8259 §6.
func (r *reader) number() bool {
	r.take('-')
	if !r.take('0') && !r.digits() {
		return false
	}
	if r.take('.') && !r.digits() {
		return false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		return r.digits()
	}
	return true
}

func (r *reader) digits() bool {
	start := r.at
	for r.at < len(r.in) && r.in[r.at] >= '0' && r.in[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}

// str reads a string. Without escapes it is a piece of the input; with them it is built anew.
func (r *reader) str() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	start := r.at
	for r.at < len(r.in) {
		switch c := r.in[r.at]; {
		case c == '"':
			s := r.in[start:r.at]
			r.at++
			return s, utf8.ValidString(s)
		case c == '\\':
			return r.escaped(start)
		case c < 0x20:
			return "", false
		}
		r.at++
	}
	return "", false
}

func (r *reader) escaped(start int) (string, bool) {
	var b strings.Builder
	b.WriteString(r.in[start:r.at])
	for r.at < len(r.in) {
		c := r.in[r.at]
		r.at++
		switch {
		case c == '"':
			return b.String(), utf8.ValidString(b.String())
		case c < 0x20:
			return "", false
		case c != '\\':
			b.WriteByte(c)
		default:
			char, ok := r.escape()
			if !ok {
				return "", false
			}
			b.WriteRune(char)
		}
	}
	return "", false
}

// escape reads what follows a backslash. Half a surrogate pair is refused: parsers differ on it.
func (r *reader) escape() (rune, bool) {
	if r.at == len(r.in) {
		return 0, false
	}
	c := r.in[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		char, ok := r.hex4()
		if !ok || !utf16.IsSurrogate(char) {
			return char, ok
		}
		if !r.word(`\u`) {
			return 0, false
		}
		low, ok := r.hex4()
		char = utf16.DecodeRune(char, low)
		return char, ok && char != utf8.RuneError
	}
	return 0, false
}

func (r *reader) hex4() (rune, bool) {
	if len(r.in)-r.at < 4 {
		return 0, false
	}
	var v rune
	for range 4 {
		d, ok := unhex(r.in[r.at])
		if !ok {
			return 0, false
		}
		v = v<<4 | rune(d)
		r.at++
	}
	return v, true
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// raw is the value as it stands, of any kind.
func (m members) raw(name string) (member, bool) {
	for i := range m {
		if m[i].name == name {
			return m[i], true
		}
	}
	return member{}, false
}

// texts reads a list of strings; with one, a single string counts as a list of one (RFC 7519 §4.1.3).
func (m member) texts(one bool) ([]string, bool) {
	if one && m.kind == 's' {
		return []string{m.text}, true
	}
	items, ok := m.items()
	if !ok {
		return nil, false
	}
	list := make([]string, 0, len(items))
	for _, it := range items {
		if it.kind != 's' {
			return nil, false
		}
		list = append(list, it.text)
	}
	return list, true
}

// items reads an array, of at most maxMembers values.
func (m member) items() (items []member, ok bool) {
	if m.kind != 'a' {
		return nil, false
	}
	r := reader{bounds: bounds{maxMembers, maxDepth}, in: m.text, at: 1}
	for r.space(); !r.take(']'); r.space() {
		if len(items) > 0 {
			r.take(',') // the array was read once; its grammar is known to be good
			r.space()
		}
		it, ok := r.value(1)
		if !ok || len(items) == maxMembers {
			return nil, false
		}
		items = append(items, it)
	}
	return items, true
}

// seconds is a NumericDate (RFC 7519 §2), its fraction dropped. Exponents and numbers that JavaScript cannot
// hold exactly are refused: nobody means them.
func (m members) seconds(name string) (at time.Time, present, ok bool) {
	v, present := m.raw(name)
	if !present {
		return time.Time{}, false, false
	}
	whole, _, _ := strings.Cut(v.text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	ok = v.kind == 'n' && err == nil && n >= 0 && n < 1<<53 && !strings.ContainsAny(v.text, "eE")
	return time.Unix(n, 0).UTC(), true, ok
}
