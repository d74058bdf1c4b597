package device

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// A challenge is 16 random bytes ‖ expiry ‖ MAC over both and over what the
// ceremony is for. WebAuthn L3 §13.4.3 asks for at least 16 bytes that nobody
// can guess and that come back once: the random bytes give the first, the
// table of spent challenges the second. Nothing is stored at begin, so a flood
// of begins cannot fill a table or push out anybody's ceremony.
const (
	nonceSize     = 16
	challengeSize = nonceSize + 8 + 32
)

// purpose is everything a challenge is bound to. A field that differs at the
// end from what it was at the beginning makes another MAC.
type purpose struct {
	ceremony string // "create" or "get": a registration never passes for a sign-in
	subject  string // whose ceremony it is: an account, or an operator
	act      Act
	bind     string // the browser that began: a pre-session cookie or the session
}

// issue makes a challenge for p.
func (s *ceremonies) issue(p purpose) []byte {
	c := make([]byte, challengeSize)
	copy(c, keyring.Random(nonceSize))
	binary.BigEndian.PutUint64(c[nonceSize:], uint64(store.Micros(s.cfg.Now().Add(challengeLife))))
	mac := s.sign(p, c[:nonceSize+8])
	copy(c[nonceSize+8:], mac[:])
	return c
}

func (s *ceremonies) sign(p purpose, head []byte) [32]byte {
	return s.challenge.Sum(nil, []byte(p.ceremony), []byte(p.subject), []byte(p.act.Kind), []byte(p.act.Object), []byte(p.bind), head)
}

// ticket is a challenge that was ours and is still open.
type ticket struct {
	hash    [32]byte // what device_spent remembers: the row alone reveals no challenge
	expires time.Time
}

// check reports whether c was issued for p and is still open. That it was not
// used before is for the acting transaction to say.
func (s *ceremonies) check(p purpose, c []byte) (ticket, error) {
	if len(c) != challengeSize {
		return ticket{}, ErrNotAccepted.Because(errors.New("not a challenge of ours"))
	}
	mac := s.sign(p, c[:nonceSize+8])
	if !keyring.Equal(mac[:], c[nonceSize+8:]) {
		return ticket{}, ErrNotAccepted.Because(errors.New("the challenge was made by somebody else, for another act, account or browser"))
	}
	t := ticket{hash: sha256.Sum256(c), expires: store.Time(int64(binary.BigEndian.Uint64(c[nonceSize:])))}
	if !s.cfg.Now().Before(t.expires) {
		return ticket{}, ErrChallengeExpired
	}
	return t, nil
}

// spend uses the challenge up, in the transaction that acts on it: of any number
// of transactions with the same challenge one commits. If the act fails the
// challenge is open again, and nothing has happened.
func (s *Service) spend(tx *store.Tx, t ticket) error {
	if !tx.Now.Before(t.expires) {
		return ErrChallengeExpired
	}
	n, err := tx.Exec(sqlSpend, t.hash[:], store.Micros(t.expires))
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrChallengeSpent
	}
	return nil
}

// decode reads base64url without padding, in its one canonical spelling: two
// spellings of one challenge or credential id are how a "seen before" check is
// walked around.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // which Strict skips
		return nil, errors.New("a line break in base64url")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
