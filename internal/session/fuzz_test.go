package session

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
)

// One token has one spelling. A second one would have another hash: a current
// token in disguise would look like a spent one, and end its family.
func FuzzParseRefresh(f *testing.F) {
	s := &Service{ring: keyringtest.NewTestRing(f)}
	kid := s.ring.CurrentRefreshKID()
	mac, _ := s.ring.RefreshKey(kid)
	family := keyring.NewID("fam_", time.Now())
	for _, gen := range []int64{0, 1, 9, 10, 1 << 40, 1<<63 - 1} {
		good := encodeRefresh(mac, refreshToken{kid: kid, family: family, gen: gen, secret: [secretLen]byte(keyring.Random(secretLen))})
		if _, ok := s.parseRefresh(good); !ok {
			f.Fatalf("our own token is refused: %q", good)
		}
		f.Add(good)
		f.Add(good + "\n")
		f.Add(good[:len(good)-1] + flip(good))
		f.Add(strings.Replace(good, ".", "..", 1))
		f.Add(strings.Replace(good, "kwr_", "kwr_0", 1))
		f.Add(strings.ToUpper(good))
		f.Add(replaceGen(good, "-1"))
		f.Add(good[4:])
	}
	f.Add("")
	f.Add("kwr_....")
	f.Add("kwr_4294967296." + family + ".1.AAAA.AAAA")
	f.Fuzz(func(t *testing.T, presented string) {
		tok, ok := s.parseRefresh(presented)
		if !ok {
			return
		}
		mac, _ := s.ring.RefreshKey(tok.kid)
		if again := encodeRefresh(mac, tok); again != presented {
			t.Errorf("%q is read as %q", presented, again)
		}
	})
}

// Whatever its parts are, a token that we write is read back as the same parts,
// and nobody else's key reads it.
func FuzzRefreshRoundTrip(f *testing.F) {
	ring, foreign := keyringtest.NewTestRing(f), keyringtest.NewTestRing(f)
	ours, theirs := &Service{ring: ring}, &Service{ring: foreign}
	f.Add(int64(1), []byte("a secret"), []byte{1})
	f.Add(int64(1<<62), bytes.Repeat([]byte{0xff}, 32), []byte{})
	f.Fuzz(func(t *testing.T, gen int64, secret, when []byte) {
		if gen < 0 {
			return
		}
		at := int64(0)
		for _, b := range when {
			at = at<<8 | int64(b)
		}
		in := refreshToken{kid: ring.CurrentRefreshKID(), family: keyring.NewID("fam_", time.UnixMilli(at&(1<<47-1))), gen: gen}
		copy(in.secret[:], secret)
		mac, _ := ring.RefreshKey(in.kid)
		text := encodeRefresh(mac, in)
		out, ok := ours.parseRefresh(text)
		if !ok || out != in {
			t.Errorf("%+v came back as %+v, %v", in, out, ok)
		}
		if _, ok := theirs.parseRefresh(text); ok {
			t.Error("another deployment takes it for its own")
		}
	})
}

func FuzzParseAccess(f *testing.F) {
	ring := keyringtest.NewTestRing(f)
	mac := ring.MAC("session/access")
	for _, a := range []accessToken{
		{session: keyring.NewID("ses_", time.Now()), family: keyring.NewID("fam_", time.Now()), exp: time.Now().UnixMicro(), net: 7},
		{session: "ses_1", family: "fam_1", exp: -1, net: 1<<32 - 1},
		{},
	} {
		good := encodeAccess(mac, a)
		if got, ok := parseAccess(mac, good); !ok || got != a {
			f.Fatalf("%+v came back as %+v, %v", a, got, ok)
		}
		f.Add(good)
		f.Add(good[:len(good)-1] + flip(good))
		f.Add(good + "\n")
		f.Add(good[:len(good)-2] + "\n" + good[len(good)-2:])
		f.Add(strings.Replace(good, ".", "", 1))
		f.Add(strings.Replace(good, "kwa_", "kwr_", 1))
	}
	f.Add("kwa_...")
	f.Fuzz(func(t *testing.T, presented string) {
		a, ok := parseAccess(mac, presented)
		if !ok {
			return
		}
		if again := encodeAccess(mac, a); again != presented {
			t.Errorf("%q is read as %q", presented, again)
		}
	})
}
