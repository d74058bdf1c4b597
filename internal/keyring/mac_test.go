package keyring

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

var raceDetector = false // see race_test.go

// RFC 4231 §4, all seven cases, on the plain HMAC under the framing.
func TestMACFollowsRFC4231(t *testing.T) {
	for _, c := range []struct {
		name, key, data, want string
	}{
		{"4.2", strings.Repeat("0b", 20), "4869205468657265",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"4.3 key shorter than the hash", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"4.4 key and data together longer than a block", strings.Repeat("aa", 20), strings.Repeat("dd", 50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"4.5", "0102030405060708090a0b0c0d0e0f10111213141516171819", strings.Repeat("cd", 50),
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
		{"4.6 truncated to 128 bits", strings.Repeat("0c", 20), "546573742057697468205472756e636174696f6e",
			"a3b6167473100ee06e0c796c2955552b"},
		{"4.7 key longer than a block", strings.Repeat("aa", 131), "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"4.8 key and data longer than a block", strings.Repeat("aa", 131), "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
			"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMAC(unhex(t, c.key)).states.Get().(*macState)
			want := unhex(t, c.want)
			for again := range 3 { // the saved state must not wear out
				sum := s.over(unhex(t, c.data))
				if !bytes.Equal(sum[:len(want)], want) {
					t.Fatalf("sum %d is %x, want %x", again, sum, want)
				}
			}
		})
	}
}

func TestMACKeepsPartsApart(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	b := func(s string) []byte { return []byte(s) }
	sums := map[[32]byte]string{}
	for name, parts := range map[string][][]byte{
		"nothing at all":                 {},
		"one empty part":                 {nil},
		"two empty parts":                {nil, nil},
		"abc in one":                     {b("abc")},
		"ab, c":                          {b("ab"), b("c")},
		"a, bc":                          {b("a"), b("bc")},
		"abc and an empty one":           {b("abc"), nil},
		"an empty one and abc":           {nil, b("abc")},
		"a part that looks like a frame": {b("\x00\x00\x00\x01a")},
	} {
		sum := m.Sum(nil, parts...)
		if other, ok := sums[sum]; ok {
			t.Errorf("%q and %q have one MAC", name, other)
		}
		sums[sum] = name
	}
}

func TestMACEqualTakesTheSumAndItsLongPrefixesOnly(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	part := []byte("message")
	sum := m.Sum(nil, part)
	for _, c := range []struct {
		name string
		tag  []byte
		want bool
	}{
		{"the whole sum", sum[:], true},
		{"its first 128 bits, as in a refresh token", sum[:16], true},
		{"one byte less than 128 bits", sum[:15], false},
		{"nothing, which is a prefix of everything", nil, false},
		{"one byte more than the sum", append(sum[:32:32], 0), false},
		{"last bit flipped", flipped(sum[:], 255), false},
		{"first bit flipped", flipped(sum[:], 0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := m.Equal(c.tag, part); got != c.want {
				t.Errorf("Equal is %v", got)
			}
		})
	}
	if m.Equal(sum[:], []byte("massage")) {
		t.Error("the MAC of one message is taken for another")
	}
	if newMAC([]byte("another key, as long as that")).Equal(sum[:], part) {
		t.Error("the MAC under one key is taken under another")
	}
}

func TestMACRefusesAPartInThePlaceOfTheBuffer(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	defer func() {
		if recover() == nil {
			t.Error("a part given as dst would be left out of the MAC without a word")
		}
	}()
	m.Sum([]byte("account"), []byte("generation"))
}

func TestMACFillsAnEmptyBuffer(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	buf := make([]byte, 0, 32)
	sum := m.Sum(buf, []byte("x"))
	if !bytes.Equal(buf[:32], sum[:]) {
		t.Errorf("buffer has %x, sum is %x", buf[:32], sum)
	}
}

func TestMACForgetsWhatWasSummedBefore(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "before")
		parts := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "parts")
		fresh := newMAC([]byte("a key that is long enough")).Sum(nil, parts...)
		m.Sum(nil, before...)
		if m.Sum(nil, parts...) != fresh {
			t.Fatal("a used state sums differently from a fresh one")
		}
	})
}

func TestMACServesManyAtOnce(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	want := [][32]byte{m.Sum(nil, []byte{0}), m.Sum(nil, []byte{1}), m.Sum(nil, []byte{2}), m.Sum(nil, []byte{3})}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			for range 500 {
				if m.Sum(nil, []byte{byte(i)}) != want[i] {
					t.Error("concurrent sums mixed up")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestMACLargeMessageIsNotKept(t *testing.T) {
	m := newMAC([]byte("a key that is long enough"))
	m.Sum(nil, make([]byte, 1<<20))
	if s := m.states.Get().(*macState); cap(s.scratch) > maxScratch {
		t.Errorf("%d bytes of scratch stay in the pool", cap(s.scratch))
	}
}

// DESIGN §11: an HMAC check allocates nothing. Buffers of the caller stay on its stack.
func TestMACAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: the race detector changes what is allocated")
	}
	m := newMAC([]byte("a key that is long enough"))
	family := []byte("fam_01j9zzzzzzzzzzzzzzzzzzzzzz")
	if n := testing.AllocsPerRun(200, func() {
		var gen [8]byte
		sum := m.Sum(nil, family, gen[:])
		if !m.Equal(sum[:16], family, gen[:]) {
			t.Error("not equal")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a sum and a check", n)
	}
}

func flipped(b []byte, bit int) []byte {
	out := bytes.Clone(b)
	out[bit/8] ^= 0x80 >> (bit % 8)
	return out
}

func BenchmarkMAC(b *testing.B) {
	m := newMAC(bytes.Repeat([]byte{1}, 32))
	family := []byte("fam_01j9zzzzzzzzzzzzzzzzzzzzzz")
	var secret [32]byte
	tag := m.Sum(nil, family, secret[:])
	b.ReportAllocs()
	for b.Loop() {
		if !m.Equal(tag[:16], family, secret[:]) {
			b.Fatal("not equal")
		}
	}
}
