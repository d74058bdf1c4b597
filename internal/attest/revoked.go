package attest

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Revoked is Google's list of attestation certificates that are no longer good
// (https://android.googleapis.com/attestation/status).
type Revoked struct{ entries map[string]Revocation }

// Revocation is one entry of the list.
type Revocation struct {
	Status string `json:"status"` // REVOKED or SUSPENDED; any other is taken as REVOKED
	Reason string `json:"reason"` // "KEY_COMPROMISE", "SOFTWARE_FLAW", …; may be empty
}

// ParseRevoked reads the list as Google serves it. A list that is not wholly
// readable is refused: half of one would let through what the other half names.
func ParseRevoked(b []byte) (*Revoked, error) {
	if len(b) > maxStatusList {
		return nil, fmt.Errorf("a status list of %d bytes", len(b))
	}
	var list struct {
		Entries map[string]Revocation `json:"entries"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("status list: %w", err)
	}
	if list.Entries == nil {
		return nil, errors.New("status list: no entries member") // an empty file must not read as "nothing is revoked"
	}
	r := &Revoked{entries: make(map[string]Revocation, len(list.Entries))}
	for serial, e := range list.Entries {
		plain := normal(serial)
		if plain == "" || len(serial) > 4*maxSerial || strings.Trim(plain, "0123456789abcdef") != "" {
			return nil, fmt.Errorf("status list: serial number %q", serial)
		}
		r.entries[plain] = e
	}
	return r, nil
}

// Len is how many certificates the list names.
func (r *Revoked) Len() int { return len(r.entries) }

// Of says whether one of the certificates is on the list. The documented form of a
// serial number is hex in lower case without leading zeros; the list has had some in
// decimal. Both are looked up: a number that is one certificate's hex and another's
// decimal would refuse one phone too many, the other way round lets a stolen key in.
func (r *Revoked) Of(chain []*x509.Certificate) (Revocation, bool) {
	if r == nil {
		return Revocation{}, false
	}
	for _, c := range chain {
		for _, form := range serials(c.SerialNumber) {
			if e, ok := r.entries[form]; ok {
				return e, true
			}
		}
	}
	return Revocation{}, false
}

func serials(n *big.Int) []string { return []string{n.Text(16), n.Text(10)} }

func normal(serial string) string {
	b := bytes.ToLower([]byte(strings.TrimSpace(serial)))
	if t := bytes.TrimLeft(b, "0"); len(t) > 0 || len(b) == 0 {
		return string(t)
	}
	return "0"
}
