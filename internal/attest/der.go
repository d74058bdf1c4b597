package attest

import (
	"errors"
	"fmt"
	"math/bits"
)

// The strict part of DER that a KeyDescription needs. encoding/asn1 leaves the
// rest of a structure out when it meets a tag it was not told of, which is how a
// list with something added reads as a list without; and it takes tags in any
// order. Here every byte is accounted for.

// Universal tags (X.680 §8.4) and the context class.
const (
	tagBoolean     = 1
	tagInteger     = 2
	tagOctets      = 4
	tagNull        = 5
	tagEnumerated  = 10
	tagSequence    = 16
	tagSet         = 17
	classUniversal = 0
	classContext   = 2
)

var errDER = errors.New("not DER")

// element is one value with its tag; body aliases the input.
type element struct {
	class       byte
	constructed bool
	tag         int
	body        []byte
}

// next splits the first element off b.
func next(b []byte) (e element, rest []byte, err error) {
	if len(b) < 2 {
		return element{}, nil, fmt.Errorf("%w: ends inside a tag", errDER)
	}
	e.class, e.constructed, e.tag = b[0]>>6, b[0]&0x20 != 0, int(b[0]&0x1f)
	b = b[1:]
	if e.tag == 0x1f {
		if e.tag, b, err = highTag(b); err != nil {
			return element{}, nil, err
		}
	}
	n, b, err := length(b)
	if err != nil {
		return element{}, nil, err
	}
	if n > len(b) {
		return element{}, nil, fmt.Errorf("%w: %d bytes announced, %d there", errDER, n, len(b))
	}
	e.body = b[:n:n]
	return e, b[n:], nil
}

// highTag reads a tag number above 30 (X.690 §8.1.2.4), in its shortest form.
func highTag(b []byte) (int, []byte, error) {
	tag := 0
	for i, c := range b {
		if i == 0 && c == 0x80 {
			return 0, nil, fmt.Errorf("%w: a tag number with leading zeros", errDER)
		}
		if tag = tag<<7 | int(c&0x7f); tag > maxTagNumber {
			return 0, nil, fmt.Errorf("%w: a tag number above %d", errDER, maxTagNumber)
		}
		if c&0x80 == 0 {
			if tag < 0x1f {
				return 0, nil, fmt.Errorf("%w: tag %d in long form", errDER, tag)
			}
			return tag, b[i+1:], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: ends inside a tag", errDER)
}

// length reads a definite length in its shortest form (X.690 §10.1).
func length(b []byte) (int, []byte, error) {
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("%w: no length", errDER)
	}
	n, b := int(b[0]), b[1:]
	if n < 0x80 {
		return n, b, nil
	}
	size := n & 0x7f
	if size == 0 || size > 3 || size > len(b) {
		return 0, nil, fmt.Errorf("%w: a length of %d bytes", errDER, size)
	}
	n = 0
	for _, c := range b[:size] {
		n = n<<8 | int(c)
	}
	if n < 0x80 || bits.Len(uint(n)) <= 8*(size-1) {
		return 0, nil, fmt.Errorf("%w: length %d is not in its shortest form", errDER, n)
	}
	return n, b[size:], nil
}

// reader takes elements off a constructed value; its first error stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(class byte, tag int, constructed bool) []byte {
	if r.err != nil {
		return nil
	}
	e, rest, err := next(r.b)
	switch {
	case err != nil:
		r.err = err
	case e.class != class || e.tag != tag || e.constructed != constructed:
		r.err = fmt.Errorf("%w: tag %d of class %d instead of %d of class %d", errDER, e.tag, e.class, tag, class)
	}
	r.b = rest
	return e.body
}

func (r *reader) empty() bool { return r.err != nil || len(r.b) == 0 }

// end wants everything to be read.
func (r *reader) end() error {
	if r.err == nil && len(r.b) != 0 {
		r.err = fmt.Errorf("%w: %d bytes too many", errDER, len(r.b))
	}
	return r.err
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) sequence() *reader {
	body := r.take(classUniversal, tagSequence, true)
	return &reader{body, r.err}
}

func (r *reader) set() *reader {
	body := r.take(classUniversal, tagSet, true)
	return &reader{body, r.err}
}

func (r *reader) octets() []byte {
	b := r.take(classUniversal, tagOctets, false)
	if len(b) > maxOctets {
		r.fail("%w: %d bytes in one string", errDER, len(b))
	}
	return b
}

func (r *reader) null() bool {
	if len(r.take(classUniversal, tagNull, false)) != 0 {
		r.fail("%w: a NULL with a value", errDER)
	}
	return r.err == nil
}

// boolean: DER has two values and no others (X.690 §11.1).
func (r *reader) boolean() bool {
	b := r.take(classUniversal, tagBoolean, false)
	if r.err == nil && (len(b) != 1 || b[0] != 0 && b[0] != 0xff) {
		r.fail("%w: boolean %x", errDER, b)
	}
	return r.err == nil && b[0] == 0xff
}

func (r *reader) integer() uint64    { return r.number(tagInteger) }
func (r *reader) enumerated() uint64 { return r.number(tagEnumerated) }

// number reads a value of 0 to 2⁶⁴−1 in its shortest form. Nothing in a
// KeyDescription is negative.
func (r *reader) number(tag int) uint64 {
	b := r.take(classUniversal, tag, false)
	if r.err != nil {
		return 0
	}
	switch {
	case len(b) == 0 || b[0]&0x80 != 0:
		r.fail("%w: integer %x is empty or negative", errDER, b)
	case len(b) > 1 && b[0] == 0 && b[1]&0x80 == 0:
		r.fail("%w: integer %x is not in its shortest form", errDER, b)
	case len(b) > 9 || len(b) == 9 && b[0] != 0:
		r.fail("%w: an integer of %d bytes", errDER, len(b))
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func (r *reader) integers() []uint64 {
	var out []uint64
	for s := r.set(); ; {
		if s.empty() {
			r.err = s.err
			return out
		}
		if out = append(out, s.integer()); len(out) > maxSet {
			s.fail("%w: more than %d members in a set", errDER, maxSet)
		}
	}
}
