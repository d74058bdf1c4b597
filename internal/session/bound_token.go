package session

import (
	"encoding/binary"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// boundToken is the bound cookie: kwb_<session>.<exp, net>.<jkt>.<tag>. It names the key it
// was shown for, so that it ends with the binding, and the network it was given out to.
type boundToken struct {
	session string
	jkt     string
	exp     int64 // micros
	net     uint32
}

const jktLen = 43 // SHA-256 in base64url

func encodeBound(mac *keyring.MAC, t boundToken) string {
	var num [12]byte
	binary.BigEndian.PutUint64(num[:8], uint64(t.exp))
	binary.BigEndian.PutUint32(num[8:], t.net)
	tag := mac.Sum(nil, []byte("bound"), []byte(t.session), []byte(t.jkt), num[:])
	return "kwb_" + t.session + "." + b64.EncodeToString(num[:]) + "." + t.jkt + "." + b64.EncodeToString(tag[:tagLen])
}

// parseBound checks form and tag without reading a row.
func parseBound(mac *keyring.MAC, presented string) (t boundToken, ok bool) {
	rest, ok := strings.CutPrefix(presented, "kwb_")
	if !ok || len(presented) > 160 {
		return t, false
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 4 || len(parts[1]) != b64.EncodedLen(12) || len(parts[2]) != jktLen || len(parts[3]) != b64.EncodedLen(tagLen) {
		return t, false
	}
	num, err1 := b64.Strict().DecodeString(parts[1])
	tag, err2 := b64.Strict().DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(num) != 12 || len(tag) != tagLen {
		return t, false
	}
	t = boundToken{parts[0], parts[2], int64(binary.BigEndian.Uint64(num[:8])), binary.BigEndian.Uint32(num[8:])}
	return t, mac.Equal(tag, []byte("bound"), []byte(t.session), []byte(t.jkt), num)
}

// What a seal is for: one never passes for another.
const (
	useRegister  = "register"
	useAuthorize = "authorize"
	useShow      = "show"
)

const challengeRandom = 16 // bytes; nobody signs one before it was made

func (s *Service) challenge(use string, id ID, exp time.Time) string {
	return s.sealed(use, id, exp, keyring.Random(challengeRandom))
}

// sealed is an end, what is random, and a MAC over both and over whose it is.
func (s *Service) sealed(use string, id ID, exp time.Time, random []byte) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 8+challengeRandom+tagLen), uint64(store.Micros(exp)))
	raw = append(raw, random...)
	tag := s.sealMAC.Sum(nil, []byte(use), []byte(id), raw)
	return b64.EncodeToString(append(raw, tag[:tagLen]...))
}

// opens reports whether a seal is ours, for this use and session, and not over. A
// session has one device key in its life, so the key need not be in it.
func (s *Service) opens(use string, id ID, seal string, random int, now time.Time) bool {
	if len(seal) != b64.EncodedLen(8+random+tagLen) {
		return false
	}
	raw, err := b64.Strict().DecodeString(seal)
	if err != nil || len(raw) != 8+random+tagLen {
		return false
	}
	open, tag := raw[:8+random], raw[8+random:]
	return s.sealMAC.Equal(tag, []byte(use), []byte(id), open) && now.Before(store.Time(int64(binary.BigEndian.Uint64(open))))
}
