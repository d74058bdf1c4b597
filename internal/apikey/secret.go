package apikey

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// How keys of each profile sign. The first algorithm is what a new key gets.
var signsWith = map[Profile][]Alg{
	Native:           {Ed25519, HMACSHA256},
	Binance:          {Ed25519, HMACSHA256},
	OKX:              {HMACSHA256},
	Bitget:           {HMACSHA256},
	CoinbaseExchange: {HMACSHA256},
	Bybit:            {HMACSHA256},
	Kraken:           {HMACSHA512},
	Upbit:            {HMACSHA256, HMACSHA512},
	Bithumb:          {HMACSHA256, HMACSHA512},
	Deribit:          {HMACSHA256},
	Gemini:           {HMACSHA384},
	CDP:              {Ed25519},
}

func (p Profile) signs(a Alg) bool { return slices.Contains(signsWith[p], a) }

// Passphrase reports whether clients of a profile send a second secret along.
func (p Profile) Passphrase() bool { return p == OKX || p == Bitget || p == CoinbaseExchange }

// Client libraries look at the shape of what they are given and sign otherwise if it is
// not what they expect, so each profile has a form of its own.
func idFor(p Profile, test bool) ID {
	if p == Gemini {
		return "account-" + newID(test) // what is not called account is taken for a master key
	}
	return newID(test)
}

func secretFor(p Profile, test bool) string {
	switch p {
	case Kraken:
		return base64.StdEncoding.EncodeToString(keyring.Random(64))
	case CoinbaseExchange:
		// 33 bytes: no padding, because a secret that ends in "=" is taken for another
		// kind of key.
		return base64.StdEncoding.EncodeToString(keyring.Random(33))
	}
	return newSecret(test)
}

// What is sealed is the secret and, where there is one, the passphrase behind a line
// break, which neither can contain.
func boxed(secret, passphrase string) []byte {
	if passphrase == "" {
		return []byte(secret)
	}
	return []byte(secret + "\n" + passphrase)
}

func unboxed(box []byte) (secret, passphrase string) {
	secret, passphrase, _ = strings.Cut(string(box), "\n")
	return secret, passphrase
}

// Opens tries the newest secret there is: a gate that was given the file of another
// deployment, or an old one, says so when it starts and not to every bot. The error is
// keyring.ErrSealed then.
func (s *Service) Opens(ctx context.Context) error {
	var id string
	var n int64
	var sealed []byte
	err := s.db.Get(ctx, sqlNewestSealed).Scan(&id, &n, &sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	plain, err := s.safe.Open(sealed, "apikey_version", versionRow(ID(id), n), "sealed")
	clear(plain)
	return err
}

func (s *Service) unseal(id ID, n int64, p Profile, alg Alg, sealed []byte) (v verifier, err error) {
	box, err := s.safe.Open(sealed, "apikey_version", versionRow(id, n), "sealed")
	if err != nil {
		return v, err
	}
	secret, passphrase := unboxed(box)
	key, err := secretKey(p, secret)
	if err != nil {
		return v, err
	}
	v = verifier{n: n, mac: macOf(alg), secret: macOf(alg).Key(string(key))}
	if p.Passphrase() {
		v.passphrase = keyring.Hash(passphrase)
	}
	return v, nil
}
