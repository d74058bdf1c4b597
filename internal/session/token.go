package session

import (
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"keyward/internal/keyring"
)

const (
	tagLen    = 16 // bytes of HMAC-SHA-256 kept; 128 bit, RFC 2104 §5
	secretLen = 32
)

var b64 = base64.RawURLEncoding

// refreshToken is a parsed refresh token whose tag was checked.
type refreshToken struct {
	kid    uint32
	family string
	gen    int64
	secret [secretLen]byte
}

func genBytes(gen int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(gen)) }

// encodeRefresh builds the token string, tag included.
func encodeRefresh(mac *keyring.MAC, t refreshToken) string {
	tag := mac.Sum(nil, []byte("refresh"), []byte(t.family), genBytes(t.gen), t.secret[:])
	var b strings.Builder
	b.Grow(128)
	b.WriteString("kwr_")
	b.WriteString(strconv.FormatUint(uint64(t.kid), 10))
	b.WriteByte('.')
	b.WriteString(t.family)
	b.WriteByte('.')
	b.WriteString(strconv.FormatInt(t.gen, 10))
	b.WriteByte('.')
	b.WriteString(b64.EncodeToString(t.secret[:]))
	b.WriteByte('.')
	b.WriteString(b64.EncodeToString(tag[:tagLen]))
	return b.String()
}

// childSecret is the secret of the generation after parent. Deterministic, so
// that a retry finds the same child and nothing sealed has to be stored.
func childSecret(mac *keyring.MAC, family string, gen int64, parent []byte) [secretLen]byte {
	return mac.Sum(nil, []byte("child"), []byte(family), genBytes(gen), parent)
}

// parseRefresh checks form and tag. It reads no row: a forged token costs one
// hash and changes nothing (DESIGN §6).
func (s *Service) parseRefresh(presented string) (refreshToken, bool) {
	var t refreshToken
	rest, ok := strings.CutPrefix(presented, "kwr_")
	if !ok || len(presented) > 256 {
		return t, false
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 5 {
		return t, false
	}
	kid, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil || strconv.FormatUint(kid, 10) != parts[0] {
		return t, false
	}
	gen, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || gen < 0 || strconv.FormatInt(gen, 10) != parts[2] {
		return t, false
	}
	if !keyring.ValidID("fam_", parts[1]) {
		return t, false
	}
	// One token, one spelling: others would have other hashes, and what we call
	// the current token could come as an older one. Strict decoding refuses the
	// spare bits of the last character; the length refuses the line breaks that
	// the decoder skips.
	if len(parts[3]) != b64.EncodedLen(secretLen) || len(parts[4]) != b64.EncodedLen(tagLen) {
		return t, false
	}
	secret, err := b64.Strict().DecodeString(parts[3])
	if err != nil || len(secret) != secretLen {
		return t, false
	}
	tag, err := b64.Strict().DecodeString(parts[4])
	if err != nil || len(tag) != tagLen {
		return t, false
	}
	t = refreshToken{kid: uint32(kid), family: parts[1], gen: gen, secret: [secretLen]byte(secret)}
	mac, ok := s.ring.RefreshKey(t.kid)
	if !ok {
		return t, false
	}
	return t, mac.Equal(tag, []byte("refresh"), []byte(t.family), genBytes(t.gen), t.secret[:])
}

// accessToken is a parsed access token whose tag was checked.
type accessToken struct {
	session string
	family  string
	exp     int64 // micros
	net     uint32
}

func encodeAccess(mac *keyring.MAC, t accessToken) string {
	var num [12]byte
	binary.BigEndian.PutUint64(num[:8], uint64(t.exp))
	binary.BigEndian.PutUint32(num[8:], t.net)
	tag := mac.Sum(nil, []byte("access"), []byte(t.session), []byte(t.family), num[:])
	out := make([]byte, 0, 112)
	out = append(out, "kwa_"...)
	out = append(out, t.session...)
	out = append(out, '.')
	out = append(out, t.family...)
	out = append(out, '.')
	out = b64.AppendEncode(out, num[:])
	out = append(out, '.')
	out = b64.AppendEncode(out, tag[:tagLen])
	return string(out)
}

// parseAccess checks form and tag without reading a row. The returned strings
// share memory with the presented token.
func parseAccess(mac *keyring.MAC, presented string) (accessToken, bool) {
	var t accessToken
	if len(presented) > 160 {
		return t, false
	}
	rest, ok := strings.CutPrefix(presented, "kwa_")
	if !ok {
		return t, false
	}
	var rawNum, rawTag string
	if t.session, rest, ok = strings.Cut(rest, "."); !ok {
		return t, false
	}
	if t.family, rest, ok = strings.Cut(rest, "."); !ok {
		return t, false
	}
	if rawNum, rawTag, ok = strings.Cut(rest, "."); !ok || len(rawNum) != 16 || len(rawTag) != 22 {
		return t, false
	}
	var buf [48]byte
	copy(buf[:], rawNum)
	copy(buf[16:], rawTag)
	var num [12]byte
	var tag [tagLen]byte
	if n, err := b64.Strict().Decode(num[:], buf[:16]); err != nil || n != 12 {
		return t, false
	}
	if n, err := b64.Strict().Decode(tag[:], buf[16:38]); err != nil || n != tagLen {
		return t, false
	}
	t.exp = int64(binary.BigEndian.Uint64(num[:8]))
	t.net = binary.BigEndian.Uint32(num[8:])
	return t, mac.Equal(tag[:], []byte("access"), []byte(t.session), []byte(t.family), num[:])
}

// network is a short keyed summary of where a client is: the /24 or /48 it
// calls from. It is a hint for asking again, never a reason to refuse alone
// (MISSION belief 4), so 32 bits are plenty; keyed, so a copied token tells
// nothing about places.
func (s *Service) network(addr netip.Addr) uint32 {
	if !addr.IsValid() {
		return 0
	}
	addr = addr.Unmap()
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	p, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return 0
	}
	a := p.Addr().As16() // no allocation; IPv4 in its mapped form, with no IPv6 network of its own
	sum := s.netMAC.Sum(nil, a[:])
	n := binary.BigEndian.Uint32(sum[:4])
	if n == 0 {
		n = 1 // 0 means "not known"
	}
	return n
}
