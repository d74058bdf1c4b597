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

// freezeLinkLife: how long a mailed freeze link works. Long, because it can only
// freeze: an old one in the wrong hands costs the owner one touch.
const freezeLinkLife = 7 * 24 * time.Hour

// FreezeToken makes the secret part of a link that can freeze the account and
// nothing else. Like VerifyToken it is computed, never stored.
func (s *Service) FreezeToken(id ID, sent time.Time) string {
	var b [8 + 32]byte
	binary.BigEndian.PutUint64(b[:8], uint64(store.Micros(sent.Add(freezeLinkLife))))
	mac := s.link.Sum(nil, []byte("freeze"), []byte(id), b[:8])
	copy(b[8:], mac[:])
	return string(id) + "." + base64.RawURLEncoding.EncodeToString(b[:])
}

// OpenFreezeToken returns the account a link may freeze.
func (s *Service) OpenFreezeToken(token string, now time.Time) (ID, error) {
	id, rest, ok := strings.Cut(token, ".")
	if !ok || !keyring.ValidID("acc_", id) || len(rest) > 64 {
		return "", ErrLinkInvalid.Because(errors.New("not the shape of a link"))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != 8+32 {
		return "", ErrLinkInvalid.Because(errors.New("not the shape of a link"))
	}
	mac := s.link.Sum(nil, []byte("freeze"), []byte(id), b[:8])
	if !keyring.Equal(mac[:], b[8:]) {
		return "", ErrLinkInvalid.Because(errors.New("wrong MAC"))
	}
	if store.Micros(now) >= int64(binary.BigEndian.Uint64(b[:8])) {
		return "", ErrLinkExpired
	}
	return ID(id), nil
}
