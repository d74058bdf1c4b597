package keyring

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// maxAnswer is far more than any answer that is of use here.
const maxAnswer = 64 << 10

// ciphertextShape: vault:v3: and base64. The mark is the same in OpenBao.
var ciphertextShape = regexp.MustCompile(`^vault:v[1-9][0-9]{0,8}:[A-Za-z0-9+/]{38}[A-Za-z0-9+/]*={0,2}$`)

// garbled: an answer that is none. It comes from a proxy, or from somebody who is not the vault.
func garbled(what string) error {
	return fmt.Errorf("%w: the vault's answer is not one (%s): is this its address?", ErrKEKUnavailable, what)
}

// readCiphertext reads what encrypt answers.
func readCiphertext(body []byte) ([]byte, error) {
	var a struct {
		Data struct {
			Ciphertext string `json:"ciphertext"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &a) != nil || len(a.Data.Ciphertext) > maxWrapped/8 || !ciphertextShape.MatchString(a.Data.Ciphertext) {
		return nil, garbled("no ciphertext")
	}
	return []byte(a.Data.Ciphertext), nil
}

// readPlaintext reads what decrypt answers.
func readPlaintext(body []byte) ([]byte, error) {
	var a struct {
		Data struct {
			Plaintext *string `json:"plaintext"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &a) != nil || a.Data.Plaintext == nil || len(*a.Data.Plaintext) > 4096 {
		return nil, garbled("no plaintext")
	}
	plain, err := vaultBase64.DecodeString(*a.Data.Plaintext)
	if err != nil {
		return nil, garbled("no base64")
	}
	return plain, nil
}

// granted is what a login or a renewal answers.
type granted struct {
	token     string
	life      time.Duration // 0: without end
	renewable bool
}

// readLogin reads the auth part of an answer.
func readLogin(body []byte) (granted, error) {
	var a struct {
		Auth *struct {
			ClientToken   string `json:"client_token"`
			LeaseDuration int64  `json:"lease_duration"` // seconds
			Renewable     bool   `json:"renewable"`
		} `json:"auth"`
	}
	if json.Unmarshal(body, &a) != nil || a.Auth == nil || !isToken(a.Auth.ClientToken) || !isLife(a.Auth.LeaseDuration) {
		return granted{}, garbled("no login")
	}
	return granted{a.Auth.ClientToken, time.Duration(a.Auth.LeaseDuration) * time.Second, a.Auth.Renewable}, nil
}

// readLookup reads what lookup-self tells of a token.
func readLookup(body []byte) (granted, error) {
	var a struct {
		Data *struct {
			TTL       int64 `json:"ttl"` // seconds
			Renewable bool  `json:"renewable"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &a) != nil || a.Data == nil || !isLife(a.Data.TTL) {
		return granted{}, garbled("no token")
	}
	return granted{life: time.Duration(a.Data.TTL) * time.Second, renewable: a.Data.Renewable}, nil
}

func isLife(seconds int64) bool { return seconds >= 0 && seconds <= 100*365*24*3600 }

// isToken: it goes into a header.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 4096
}
