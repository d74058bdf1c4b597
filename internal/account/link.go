package account

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

var (
	// ErrLinkInvalid: not a link of ours, or its contact is gone. People need the
	// same thing as with an old link, a new one, so the public text is the same.
	ErrLinkInvalid = edge.E("link_expired")
	// ErrLinkExpired: ours, but older than a day.
	ErrLinkExpired = edge.E("link_expired")
	// ErrLinkUsed: the address is verified already.
	ErrLinkUsed = edge.E("link_used")
)

// VerifyToken makes the secret part of a link that verifies a contact, good for
// 24 h from sent. Nothing is stored: the token is
//
//	<contact id>.<base64url(expiry, 8 bytes ‖ MAC, 32 bytes)>
//
// with the contact and the expiry under the MAC, so it can be neither moved to
// another address nor made to last. Every mail about the same contact carries a
// different token and any of them works until one did.
func (s *Service) VerifyToken(contactID string, sent time.Time) string {
	var b [8 + 32]byte
	binary.BigEndian.PutUint64(b[:8], uint64(store.Micros(sent.Add(linkLife))))
	mac := s.link.Sum(nil, []byte(contactID), b[:8])
	copy(b[8:], mac[:])
	return contactID + "." + base64.RawURLEncoding.EncodeToString(b[:])
}

// readLink checks a token before any row is read, so guessing costs one hash.
func (s *Service) readLink(token string, now time.Time) (contactID string, err error) {
	contactID, rest, ok := strings.Cut(token, ".")
	if !ok || !keyring.ValidID("cnt_", contactID) || len(rest) > 64 {
		return "", ErrLinkInvalid.Because(errors.New("not the shape of a link"))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != 8+32 {
		return "", ErrLinkInvalid.Because(errors.New("not the shape of a link"))
	}
	mac := s.link.Sum(nil, []byte(contactID), b[:8])
	if !keyring.Equal(mac[:], b[8:]) {
		return "", ErrLinkInvalid.Because(errors.New("wrong MAC"))
	}
	if store.Micros(now) >= int64(binary.BigEndian.Uint64(b[:8])) {
		return "", ErrLinkExpired
	}
	return contactID, nil
}
