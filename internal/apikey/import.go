package apikey

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Brought is a key that another system made: bots move without a new one. It keeps its
// id and secret until it is first replaced.
type Brought struct {
	NewKey
	ID         ID
	Secret     string // as its bot has it; "" for Ed25519
	Passphrase string
}

// String keeps the secret out of logs; the others do the same for %#v, slog and JSON.
func (b Brought) String() string               { return "key " + string(b.ID) }
func (b Brought) GoString() string             { return b.String() }
func (b Brought) LogValue() slog.Value         { return slog.StringValue(b.String()) }
func (b Brought) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Check says why a key cannot come in, as far as that can be told without the database.
func (b Brought) Check() error {
	_, err := b.checked()
	return err
}

func (b Brought) checked() (NewKey, error) {
	n, err := b.NewKey.Checked()
	if err != nil {
		return n, err
	}
	switch {
	case n.Scopes&Withdraw != 0:
		return n, ErrWithdrawKey
	case !mayBeID(n.Profile, string(b.ID)) || !mayBeNamed(string(b.ID)) || strings.ContainsAny(b.Secret+b.Passphrase, "\n"), n.Profile.Passphrase() == (b.Passphrase == ""):
		return n, ErrPublic
	}
	if n.Alg != Ed25519 {
		if _, err := secretKey(n.Profile, b.Secret); err != nil {
			return n, ErrPublic.Because(errSecretForm)
		}
	}
	return n, nil
}

// errSecretForm: what cannot be read is not repeated.
var errSecretForm = errors.New("not a secret as clients of this profile have them")

// Import takes a key over, on an operator's word. What it may do is held to the rules of
// new keys, but no key comes in with the right to withdraw: that is given by its owner,
// on a second device.
func (s *Service) Import(ctx context.Context, cause store.Cause, acc account.ID, b Brought) (Key, error) {
	n, err := b.checked()
	if err != nil {
		return Key{}, err
	}
	var k Key
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if _, err := s.accounts.ByID(tx, acc); err != nil {
			return err
		}
		// An id that another account has, a trap among them, is a refusal and no fault.
		switch _, err := scanKey(tx.Row(sqlOpenKey, string(b.ID))); {
		case err == nil:
			return ErrTaken
		case err != store.ErrNoRows:
			return err
		}
		if err := s.subTakes(tx, acc, n.Sub); err != nil {
			return err
		}
		k = n.key(tx.Now, By{Account: acc}, b.ID)
		if err := s.insert(tx, k, n.Public, boxed(b.Secret, b.Passphrase)); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.imported", Account: string(acc), Target: string(k.ID), Effects: effect(k.ID, 1),
			Payload: map[string]string{"purpose": k.Purpose, "scopes": k.Scopes.String(), "from": joinPlaces(k.Allow), "profile": string(k.Profile)},
		})
		return err
	})
	return k, err
}

// passphrase is a second secret for the profiles that want one.
func passphrase() string { return hex.EncodeToString(keyring.Random(16)) }
