package executor

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The little CBOR (RFC 8949) that intents and public keys are written in: heads in their shortest form, text, bytes and
// whole numbers. Nothing nested, nothing of indefinite length.

const (
	majorUnsigned = 0
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorMap      = 5
)

func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// cborReader reads item by item; what is left is in b.
type cborReader struct{ b []byte }

func (r *cborReader) head() (major byte, n uint64, ok bool) {
	if len(r.b) == 0 {
		return 0, 0, false
	}
	major, low := r.b[0]>>5, r.b[0]&0x1f
	r.b = r.b[1:]
	if low < 24 {
		return major, uint64(low), true
	}
	size := 1 << (low - 24)
	if low > 27 || len(r.b) < size {
		return 0, 0, false
	}
	for _, c := range r.b[:size] {
		n = n<<8 | uint64(c)
	}
	r.b = r.b[size:]
	// The shortest form only (RFC 8949 §4.2.1): two spellings of one value are two signatures over one intent.
	shortest := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}
	return major, n, n >= shortest[low-24]
}

func (r *cborReader) take(major byte) ([]byte, bool) {
	got, n, ok := r.head()
	if !ok || got != major || n > uint64(len(r.b)) {
		return nil, false
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out, true
}

func (r *cborReader) text() (string, bool) {
	b, ok := r.take(majorText)
	return string(b), ok && utf8.Valid(b)
}

func (r *cborReader) bytes() ([]byte, bool) { return r.take(majorBytes) }

// number reads a whole number of either sign.
func (r *cborReader) number() (int64, bool) {
	major, n, ok := r.head()
	if !ok || n > math.MaxInt64 {
		return 0, false
	}
	switch major {
	case majorUnsigned:
		return int64(n), true
	case majorNegative:
		return -1 - int64(n), true
	}
	return 0, false
}
