package proof

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// value is one member of a JSON object of a device's JWT.
type value struct {
	text   string // of a string
	isText bool
	object map[string]value // of an object
}

func (v value) is(text string) bool { return v.isText && v.text == text && text != "" }

// readPart reads one part of a JWT: base64url without padding, one object.
func readPart(part string) (map[string]value, bool) {
	if strings.ContainsAny(part, "\r\n") { // encoding/base64 skips them
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, false
	}
	return readFlat(string(raw), 2)
}

// readFlat reads exactly one object, in it objects as deep as depth says, and no arrays:
// no JWT of a browser has any. A name that is there twice is refused, and names are
// compared to the letter: encoding/json alone would do neither, and two readers of one
// text must never see two different tokens (RFC 7515 §4).
func readFlat(text string, depth int) (map[string]value, bool) {
	if !utf8.ValidString(text) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	members, ok := readMembers(d, depth)
	if !ok || strings.Trim(text[d.InputOffset():], " \t\r\n") != "" {
		return nil, false
	}
	return members, true
}

// readMembers reads up to the end of an object that has begun.
func readMembers(d *json.Decoder, depth int) (map[string]value, bool) {
	members := map[string]value{}
	for {
		t, err := d.Token()
		if err != nil {
			return nil, false
		}
		if t == json.Delim('}') {
			return members, true
		}
		name, ok := t.(string)
		if _, twice := members[name]; !ok || twice || len(members) == maxDeviceMembers {
			return nil, false
		}
		if t, err = d.Token(); err != nil {
			return nil, false
		}
		switch t := t.(type) {
		case string:
			members[name] = value{text: t, isText: true}
		case json.Delim:
			if t != '{' || depth < 2 {
				return nil, false
			}
			object, ok := readMembers(d, depth-1)
			if !ok {
				return nil, false
			}
			members[name] = value{object: object}
		default: // a number, true, false, null
			members[name] = value{}
		}
	}
}

// decode64 fills dst from its one spelling in base64url.
func decode64(dst []byte, text string) bool {
	if len(text) != base64.RawURLEncoding.EncodedLen(len(dst)) || strings.ContainsAny(text, "\r\n") {
		return false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(dst, []byte(text))
	return err == nil && n == len(dst)
}
