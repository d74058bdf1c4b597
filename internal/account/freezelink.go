package account

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// freezeLinkLife: how long a mailed freeze link works, if the account is not
// frozen and lifted before. Long, because it can only freeze, and only until the
// first lift: an old one in the wrong hands costs the owner one touch.
const freezeLinkLife = 7 * 24 * time.Hour

// freezeLinkLen: expiry, the account's count of ended freezes, MAC over both.
const freezeLinkLen = 8 + 8 + 32

// FreezeToken makes the secret part of a link that can freeze the account and
// nothing else. Like VerifyToken it is computed, never stored. The owner who
// lifts a freeze ends every link mailed before: otherwise whoever reads an old
// mailbox could freeze the account again after each lift, for a week.
func (s *Service) FreezeToken(a Account, sent time.Time) string {
	var b [freezeLinkLen]byte
	binary.BigEndian.PutUint64(b[:8], uint64(store.Micros(sent.Add(freezeLinkLife))))
	binary.BigEndian.PutUint64(b[8:16], uint64(a.Freezes))
	mac := s.link.Sum(nil, []byte("freeze"), []byte(a.ID), b[:16])
	copy(b[16:], mac[:])
	return string(a.ID) + "." + base64.RawURLEncoding.EncodeToString(b[:])
}

// OpenFreezeToken returns the account a link may freeze. The MAC comes before
// the row, so guessing costs one hash.
func (s *Service) OpenFreezeToken(tx *store.Tx, token string) (Account, error) {
	id, rest, ok := strings.Cut(token, ".")
	if !ok || !keyring.ValidID("acc_", id) || len(rest) > 64 {
		return Account{}, ErrLinkInvalid.Because(errors.New("not the shape of a link"))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != freezeLinkLen {
		return Account{}, ErrLinkInvalid.Because(errors.New("not the shape of a link"))
	}
	mac := s.link.Sum(nil, []byte("freeze"), []byte(id), b[:16])
	if !keyring.Equal(mac[:], b[16:]) {
		return Account{}, ErrLinkInvalid.Because(errors.New("wrong MAC"))
	}
	if store.Micros(tx.Now) >= int64(binary.BigEndian.Uint64(b[:8])) {
		return Account{}, ErrLinkExpired
	}
	a, err := s.ByID(tx, ID(id))
	if err != nil {
		return Account{}, err
	}
	if a.Freezes != int64(binary.BigEndian.Uint64(b[8:16])) {
		return Account{}, ErrLinkExpired.Because(errors.New("a freeze was lifted since"))
	}
	return a, nil
}
