package apikey

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// SelfTurn is a rotation that a bot asks for, in a request that its key signed. Exactly
// one of the two halves is there, as the key signs.
type SelfTurn struct {
	ID     string // as the path says
	Next   int64  // the version that is to be made: one more than the newest
	Public []byte // Ed25519: public key of it
	Proof  []byte // signature by the new key over ProofText: whoever asks has its other half
	SealTo []byte // MAC: X25519 public key that the new secret is sealed to (RFC 9180)
}

// SelfTurned is the answer.
type SelfTurned struct {
	N       int64
	Name    ID
	OldEnds time.Time
	Expires time.Time // of the key: a bot does not prolong it
	Sealed  []byte    // MAC: encapsulated key and ciphertext of the new secret
}

var (
	// ErrOwnerRotates: what signs for this key is replaced by its owner only.
	ErrOwnerRotates = edge.E("apikey_owner_rotates")
	// ErrRotateElsewhere: a gate with a role of its own changes no key and writes no event.
	ErrRotateElsewhere = errors.New("apikey: this gate may not change keys")
	// ErrRotateProof: the new key did not sign what it had to.
	ErrRotateProof = edge.E("apikey_rotate_proof")
)

// ProofText is what the new key signs. It names the domain, so that it is no request; the
// API, the key and the version, so that it holds for one rotation of one key.
func ProofText(authority, id string, next int64, public []byte) []byte {
	return []byte("keyward-rotate-v1\n" + authority + "\n" + id + "\n" + strconv.FormatInt(next, 10) + "\n" + base64.RawURLEncoding.EncodeToString(public))
}

// SealInfo binds a sealed secret to where it belongs (RFC 9180 §8.1).
func SealInfo(authority, id string, next int64) []byte {
	return []byte("keyward-rotate-v1 secret\n" + authority + "\n" + id + "\n" + strconv.FormatInt(next, 10))
}

// ParseSelfTurn reads the body of a rotation that a bot asks for, strictly: what is not
// known is refused, because somebody else might read it.
func ParseSelfTurn(id string, body []byte) (t SelfTurn, ok bool) {
	t.ID = id
	list, ok := object(body)
	if !ok {
		return t, false
	}
	next, ok := whole(list, "version")
	if !ok || next < 2 || next > 1<<31 {
		return t, false
	}
	t.Next = int64(next)
	part := func(name string, size int) []byte {
		s, there := text(list, name)
		if !there {
			return nil
		}
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		if err != nil || len(b) != size {
			return nil
		}
		return b
	}
	if has(list, "seal_to") {
		t.SealTo = part("seal_to", 32)
		return t, only(list, "version", "seal_to") && t.SealTo != nil
	}
	t.Public, t.Proof = part("public_key", ed25519.PublicKeySize), part("proof", ed25519.SignatureSize)
	return t, only(list, "version", "public_key", "proof") && t.Public != nil && t.Proof != nil
}

// request names what was asked, so that the same question gets the same answer.
func (t SelfTurn) request() []byte {
	sum := keyring.Hash("keyward rotate\n" + strconv.FormatInt(t.Next, 10) + "\n" + string(t.Public) + "\n" + string(t.SealTo))
	return sum[:]
}

// RotateSelf replaces what signs for a key that asks for it with its own signature, d.
//
// Whoever copied the key can ask for the same, so it gives nothing that the copy did not
// have, and takes nothing from the owner. Rights, places and the end of the key stay: a
// thief does not outlive it. The old version signs on for a day, which is not the bot's
// choice, and two versions sign at most, so that until the day is over nobody is shut out
// and no second rotation happens. The owner is told at once, on all channels, and can
// undo it, or end both versions as leaked. A key that moves money is left to its owner:
// its right was given on two devices.
//
// A MAC's new secret is sealed to a key that the bot made for this one answer (HPKE, RFC
// 9180, X25519, HKDF-SHA256, AES-128-GCM). It is not derived from the old one: whoever
// has that and reads a log of the way would have the new one, too.
//
// The same question, signed anew, gets the same answer for as long as the old version
// lives: an answer that was lost shuts no bot out.
func (s *Service) RotateSelf(ctx context.Context, cause store.Cause, authority string, d Decision, t SelfTurn) (SelfTurned, error) {
	if s.reader {
		return SelfTurned{}, ErrRotateElsewhere
	}
	if d.Key.Profile != Native || d.Key.Scopes&Money != 0 || !d.Scopes.Has(RotateSelf) {
		// Others than the native profile do not all sign method and path, so that an order
		// could be carried here.
		return SelfTurned{}, ErrOwnerRotates
	}
	if (d.Key.Alg == Ed25519) != (len(t.SealTo) == 0) || !signable(d.Key.Alg, t.Public) {
		return SelfTurned{}, ErrPublic
	}
	var to hpke.PublicKey
	if d.Key.Alg == Ed25519 {
		if !ed25519.Verify(t.Public, ProofText(authority, t.ID, t.Next, t.Public), t.Proof) {
			return SelfTurned{}, ErrRotateProof
		}
	} else {
		public, err := ecdh.X25519().NewPublicKey(t.SealTo)
		if err == nil {
			to, err = hpke.NewDHKEMPublicKey(public)
		}
		if err == nil {
			// A point of small order shows only here: before anything is changed.
			_, _, err = hpke.NewSender(to, hpke.HKDFSHA256(), hpke.AES128GCM(), nil)
		}
		if err != nil {
			return SelfTurned{}, ErrPublic.Because(err)
		}
	}
	out, secret, err := s.rotatedAlready(ctx, d, t)
	if errors.Is(err, store.ErrNoRows) {
		out, secret, err = s.rotateSelf(ctx, cause, d, t)
	}
	if err != nil {
		return SelfTurned{}, err
	}
	if to != nil {
		if out.Sealed, err = hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES128GCM(), SealInfo(authority, t.ID, t.Next), []byte(secret)); err != nil {
			return SelfTurned{}, err
		}
	}
	// Another gate that knows only the old version would refuse the first request of the
	// new one.
	return out, s.told(ctx)
}

// rotatedAlready finds the answer to a question that came before. store.ErrNoRows when
// it did not.
func (s *Service) rotatedAlready(ctx context.Context, d Decision, t SelfTurn) (out SelfTurned, secret string, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		var request, sealed []byte
		var name string
		if err := tx.Row(sqlAsked, string(d.Key.ID), store.Micros(tx.Now), t.Next).Scan(&request, &name, &sealed); err != nil {
			return err
		}
		k, versions, err := s.standingOf(tx, d, t)
		if err != nil {
			return err
		}
		if !bytes.Equal(request, t.request()) || versions[0].N != t.Next {
			return ErrReplacing // somebody asked for another one: perhaps not the same program
		}
		out = SelfTurned{N: t.Next, Name: versions[0].Name, Expires: k.Expires}
		if len(versions) > 1 {
			out.OldEnds = versions[1].Ends
		}
		if k.Alg != Ed25519 {
			box, err := s.safe.Open(sealed, "apikey_version", versionRow(k.ID, t.Next), "sealed")
			if err != nil {
				return err
			}
			secret, _ = unboxed(box)
		}
		return nil
	})
	return out, secret, err
}

// standingOf reads the key anew, with the versions that sign now: what the gate knew when
// it let the request in may be a moment old.
func (s *Service) standingOf(tx *store.Tx, d Decision, t SelfTurn) (Key, []Version, error) {
	k, err := s.ByID(tx, d.Key.Account, d.Key.ID)
	if err != nil {
		return Key{}, nil, err
	}
	// One that signed in a web page anybody can have: nobody but its owner goes on with it.
	if k.State(tx.Now) != Live || k.Scopes&RotateSelf == 0 || k.Scopes&Money != 0 || !k.browserAt.IsZero() {
		return Key{}, nil, ErrOwnerRotates
	}
	versions, err := s.Versions(tx, k)
	if err != nil {
		return Key{}, nil, err
	}
	mine := false
	for _, v := range versions {
		mine = mine || v.N == d.Version && (t.ID == string(v.Name) || t.ID == string(k.ID))
	}
	if !mine {
		return Key{}, nil, ErrUnknown // another key's path, or a version that has ended meanwhile
	}
	return k, versions, nil
}

func (s *Service) rotateSelf(ctx context.Context, cause store.Cause, d Decision, t SelfTurn) (out SelfTurned, secret string, err error) {
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		k, versions, err := s.standingOf(tx, d, t)
		if err != nil {
			return err
		}
		if len(versions) > 1 {
			return ErrReplacing
		}
		// Versions that were undone keep their numbers.
		var newest int64
		if err := tx.Row(sqlNewest, string(k.ID)).Scan(&newest); err != nil {
			return err
		}
		if t.Next != newest+1 {
			return ErrChanged.With("next", newest+1)
		}
		if err := s.MayWiden(tx, k.Account); err != nil {
			return err
		}
		made, err := s.turn(tx, k, turning{how: byKey, why: Cadence, overlap: selfOverlap, public: t.Public, request: t.request()})
		if err != nil {
			return err
		}
		out, secret = SelfTurned{N: made.N, Name: made.Name, OldEnds: made.OldEnds, Expires: made.Expires}, made.Secret
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.rotated_self", Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, made.Version),
			Payload: made.told(Cadence, ""),
		})
		return err
	})
	return out, secret, err
}
