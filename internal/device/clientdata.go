package device

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// clientData is what the browser says it did (WebAuthn L3 §5.8.1). Signed by
// the authenticator, written by the browser: a page cannot change it.
type clientData struct {
	typ         string
	challenge   []byte
	origin      string
	crossOrigin bool
	topOrigin   bool // present, whatever it says
}

// parseClientData reads it more strictly than encoding/json would: names match
// by their exact letters and once, so that no two readers of the same signed
// bytes can see two different challenges. Unknown members are allowed, because
// §5.8.1 says browsers may add some.
func parseClientData(b []byte) (clientData, error) {
	var c clientData
	if len(b) > maxClientData {
		return c, fmt.Errorf("client data of %d bytes", len(b))
	}
	m, err := members(b)
	if err != nil {
		return c, fmt.Errorf("client data: %w", err)
	}
	if c.typ, err = m.text("type"); err != nil {
		return c, err
	}
	if c.challenge, err = m.bytes("challenge"); err != nil {
		return c, err
	}
	if c.origin, err = m.text("origin"); err != nil {
		return c, err
	}
	if raw, ok := m["crossOrigin"]; ok {
		switch string(raw) {
		case "true":
			c.crossOrigin = true
		case "false":
		default:
			return c, errors.New("crossOrigin is not a boolean")
		}
	}
	_, c.topOrigin = m["topOrigin"]
	return c, nil
}

// object is one JSON object, its values unread.
type object map[string]json.RawMessage

// members splits an object. Refused: broken UTF-8, a name given twice, anything
// after the object.
func members(b []byte) (object, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	m := make(object, 8)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("member %q given twice", name)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		m[name] = v
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something after the object")
	}
	return m, nil
}

func (m object) text(name string) (string, error) {
	raw, ok := m[name]
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return "", fmt.Errorf("member %q is missing or not text", name)
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
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
