package device

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// response is a PublicKeyCredential as the browser's toJSON writes it, for
// either ceremony (WebAuthn L3 §5.1, RegistrationResponseJSON and
// AuthenticationResponseJSON). Members we do not use are allowed and unread.
type response struct {
	id         []byte
	clientData []byte

	// create
	attestation []byte
	transports  string // JSON
	residentNo  bool   // credProps.rk is false: the authenticator did not keep it
	elsewhere   bool   // it is in a phone that stood beside this browser

	// get
	authData, signature, userHandle []byte
}

// parseResponse reads the outer JSON. ceremony is "create" or "get".
func parseResponse(b []byte, ceremony string) (*response, error) {
	if len(b) > maxResponse {
		return nil, fmt.Errorf("credential of %d bytes", len(b))
	}
	m, err := members(b)
	if err != nil {
		return nil, fmt.Errorf("credential: %w", err)
	}
	if typ, err := m.text("type"); err != nil || typ != "public-key" {
		return nil, errors.New("credential is not of type public-key")
	}
	r := new(response)
	if r.id, err = m.bytes("id"); err != nil {
		return nil, err
	}
	raw, err := m.bytes("rawId")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(r.id, raw) {
		return nil, errors.New("id and rawId differ")
	}
	if len(r.id) < minCredentialID || len(r.id) > maxCredentialID {
		return nil, fmt.Errorf("credential id of %d bytes", len(r.id))
	}
	inner, err := m.object("response")
	if err != nil {
		return nil, err
	}
	if r.clientData, err = inner.bytes("clientDataJSON"); err != nil {
		return nil, err
	}
	if ceremony == "create" {
		return r, r.readCreate(m, inner)
	}
	return r, r.readGet(inner)
}

func (r *response) readCreate(outer, inner object) (err error) {
	if r.attestation, err = inner.bytes("attestationObject"); err != nil {
		return err
	}
	if r.transports, err = readTransports(inner["transports"]); err != nil {
		return err
	}
	r.elsewhere = string(outer["authenticatorAttachment"]) == `"cross-platform"` && strings.Contains(r.transports, `"hybrid"`)
	ext, err := outer.object("clientExtensionResults")
	if err != nil {
		return err
	}
	props, err := ext.object("credProps")
	if err != nil {
		return err
	}
	r.residentNo = string(props["rk"]) == "false"
	return nil
}

func (r *response) readGet(inner object) (err error) {
	if r.authData, err = inner.bytes("authenticatorData"); err != nil {
		return err
	}
	if r.signature, err = inner.bytes("signature"); err != nil {
		return err
	}
	if len(r.signature) > maxSignature {
		return fmt.Errorf("signature of %d bytes", len(r.signature))
	}
	if raw := inner["userHandle"]; len(raw) > 0 && string(raw) != "null" {
		if r.userHandle, err = inner.bytes("userHandle"); err != nil {
			return err
		}
		if len(r.userHandle) > maxHandle {
			return fmt.Errorf("user handle of %d bytes", len(r.userHandle))
		}
	}
	return nil
}

// readTransports keeps the browser's hints how to reach the authenticator. They
// are unsigned and only ever handed back to browsers (§5.8.4 lets values grow,
// so unknown ones are kept).
func readTransports(raw []byte) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "[]", nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", errors.New("transports is not a list of text")
	}
	if len(list) > 8 {
		return "", errors.New("too many transports")
	}
	for _, t := range list {
		if t == "" || len(t) > 32 {
			return "", errors.New("a transport that is none")
		}
		for i := range len(t) {
			if c := t[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return "", errors.New("a transport that is none")
			}
		}
	}
	if list == nil {
		list = []string{}
	}
	out, err := json.Marshal(list)
	return string(out), err
}
