package main

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// rotate replaces the key that signs. What the new version will be is written down before anything is sent: when the answer is
// lost, the same command asks the same question again and gets the same answer. When it is there, NEW holds what to sign with:
// a PEM file, or the new secret.
func (b *bot) rotate(version, file string) error {
	next, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return errUsage
	}
	asked, err := b.asked(file+".asked", next)
	if err != nil {
		return err
	}
	body, err := b.question(asked, next)
	if err != nil {
		return err
	}
	answer, err := b.receive("POST", "/v1/keys/"+b.keyID+"/rotate", body, true)
	if err != nil {
		return fmt.Errorf("%w: %s", err, answer)
	}
	var said struct {
		Key     string `json:"key"`
		Version int64  `json:"version"`
		Sealed  string `json:"sealed_secret"`
		Old     string `json:"old_version_ends_at"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return err
	}
	made := asked // the private key itself
	if b.alg == "hmac-sha256" {
		if made, err = b.opened(asked, said.Sealed, next); err != nil {
			return err
		}
	}
	if err := os.WriteFile(file, made, 0o600); err != nil {
		return err
	}
	fmt.Printf("version %d of %s signs now; what to sign with is in %s. The one before works until %s.\n", said.Version, said.Key, file, said.Old)
	return os.Remove(file + ".asked")
}

// asked reads what was written down for this rotation, or makes it and writes it down.
func (b *bot) asked(file string, next int64) ([]byte, error) {
	text, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	kind, der := "PRIVATE KEY", []byte(nil)
	if b.alg == "hmac-sha256" {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err = x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
	} else {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err = x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
	}
	text = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return text, os.WriteFile(file, text, 0o600)
}

// question is the body: the public half, and that the new key is really there.
func (b *bot) question(asked []byte, next int64) ([]byte, error) {
	private, err := parsed(asked)
	if err != nil {
		return nil, err
	}
	said := map[string]any{"version": next}
	switch key := private.(type) {
	case ed25519.PrivateKey:
		public := base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
		text := "keyward-rotate-v1\n" + b.authority + "\n" + b.keyID + "\n" + strconv.FormatInt(next, 10) + "\n" + public
		said["public_key"] = public
		said["proof"] = base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
	case *ecdh.PrivateKey:
		said["seal_to"] = base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())
	default:
		return nil, errors.New("that file was not written by this command")
	}
	return json.Marshal(said)
}

// opened is the new secret: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, AES-128-GCM. The encapsulated key comes first.
func (b *bot) opened(asked []byte, sealed string, next int64) ([]byte, error) {
	private, err := parsed(asked)
	if err != nil {
		return nil, err
	}
	x, ok := private.(*ecdh.PrivateKey)
	if !ok {
		return nil, errors.New("that file was not written by this command")
	}
	key, err := hpke.NewDHKEMPrivateKey(x)
	if err != nil {
		return nil, err
	}
	box, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, err
	}
	info := "keyward-rotate-v1 secret\n" + b.authority + "\n" + b.keyID + "\n" + strconv.FormatInt(next, 10)
	return hpke.Open(key, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(info), box)
}

func parsed(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("that file was not written by this command")
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}
