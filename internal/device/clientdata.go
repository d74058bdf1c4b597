package device

import (
	"errors"
	"fmt"
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
