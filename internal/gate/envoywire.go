package gate

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"google.golang.org/grpc/mem"
)

// What Envoy asks and is told (envoy.service.auth.v3), read and written by hand: of the
// hundreds of messages that its protocol defines a gate needs a dozen fields, and the
// generated ones would make the program 3 MB larger and cost more than the decision.
// Tests hold both directions to Envoy's own definitions.

// errEnvoy: what came is not a question that Envoy asks.
var errEnvoy = errors.New("gate: not a CheckRequest")

// pair is a header as Envoy passes it on, its name in small letters.
type pair struct{ name, value string }

// checkRequest is CheckRequest, as far as a gate reads it. All of it is part of one text.
type checkRequest struct {
	source        string // attributes.source.address.socket_address.address
	method, path  string
	query, hash   string // always empty with Envoy: path has all
	headers       []pair // of the map, repeated ones merged by commas
	raw           []pair // of the list, as they came (encode_raw_headers)
	body, rawBody string
}

// fields reads the fields of one message, one by one. A field that stands there twice
// is an error where there can be one only: protobuf would take the last, another reader
// the first.
func fields(text string, f func(number int, value string) error, single uint64) error {
	var seen uint64
	for len(text) > 0 {
		tag, n := varint(text)
		if n == 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32>>2 {
			return errEnvoy
		}
		text = text[n:]
		number, value := int(tag>>3), ""
		switch tag & 7 {
		case 0:
			if _, n = varint(text); n == 0 {
				return errEnvoy
			}
			text = text[n:]
			continue // no number is read here
		case 1, 5:
			n = 8
			if tag&7 == 5 {
				n = 4
			}
			if len(text) < n {
				return errEnvoy
			}
			text = text[n:]
			continue
		case 2:
			size, n := varint(text)
			if n == 0 || size > uint64(len(text)-n) {
				return errEnvoy
			}
			value, text = text[n:n+int(size)], text[n+int(size):]
		default:
			return errEnvoy
		}
		if number < 64 && single&(1<<number) != 0 {
			if seen&(1<<number) != 0 {
				return errEnvoy
			}
			seen |= 1 << number
		}
		if err := f(number, value); err != nil {
			return err
		}
	}
	return nil
}

// varint reads a number of up to ten bytes; 0 bytes: there is none.
func varint(text string) (v uint64, n int) {
	for i := 0; i < len(text) && i < binary.MaxVarintLen64; i++ {
		b := text[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			return 0, 0
		}
		if v |= uint64(b&0x7f) << (7 * i); b < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

func only(numbers ...int) (bits uint64) {
	for _, n := range numbers {
		bits |= 1 << n
	}
	return bits
}

var (
	oneOfFirst = only(1)
	oneOfPair  = only(1, 2, 3)
	oneOfAttr  = only(1, 4)
	oneOfAsk   = only(2)
	oneOfHTTP  = only(2, 4, 7, 8, 11, 12, 13)
	oneOfPlace = only(2)
)

// parse reads a CheckRequest.
func (q *checkRequest) parse(text string) error {
	return fields(text, func(number int, v string) error {
		if number != 1 { // attributes
			return nil
		}
		return fields(v, q.attribute, oneOfAttr)
	}, oneOfFirst)
}

func (q *checkRequest) attribute(number int, v string) error {
	switch number {
	case 1: // source: Peer.address, then socket_address, then address
		return fields(v, func(n int, v string) error {
			if n != 1 {
				return nil
			}
			return fields(v, func(n int, v string) error {
				if n != 1 {
					return nil
				}
				return fields(v, func(n int, v string) error {
					if n == 2 {
						q.source = v
					}
					return nil
				}, oneOfPlace)
			}, oneOfFirst)
		}, oneOfFirst)
	case 4: // request: http
		return fields(v, func(n int, v string) error {
			if n != 2 {
				return nil
			}
			return fields(v, q.http, oneOfHTTP)
		}, oneOfAsk)
	}
	return nil
}

func (q *checkRequest) http(number int, v string) error {
	switch number {
	case 2:
		q.method = v
	case 3:
		return header(&q.headers, v, false)
	case 4:
		q.path = v
	case 7:
		q.query = v
	case 8:
		q.hash = v
	case 11:
		q.body = v
	case 12:
		q.rawBody = v
	case 13: // HeaderMap
		return fields(v, func(n int, v string) error {
			if n != 1 {
				return nil
			}
			return header(&q.raw, v, true)
		}, 0)
	}
	return nil
}

// header reads a line of the map, or a HeaderValue, whose value may stand in the third
// field as bytes.
func header(into *[]pair, v string, bytes bool) error {
	var p pair
	if err := fields(v, func(n int, v string) error {
		switch {
		case n == 1:
			p.name = v
		case n == 2, n == 3 && bytes:
			if p.value != "" && v != "" {
				return errEnvoy // a text and bytes: two values of one header
			}
			p.value += v
		}
		return nil
	}, oneOfPair); err != nil {
		return err
	}
	if *into == nil {
		*into = make([]pair, 0, 24)
	}
	*into = append(*into, p)
	return nil
}

// checkResponse is an encoded CheckResponse.
type checkResponse []byte

// appendHeader appends a HeaderValueOption: a header on its way to the upstream or to the
// client, in place of all that have its name.
func appendHeader(dst []byte, number int, name, value string) []byte {
	header := 1 + size(len(name)) + len(name) + 1 + size(len(value)) + len(value)
	dst = appendTag(dst, number, 1+size(header)+header+2)
	dst = appendTag(dst, 1, header)
	dst = appendText(dst, 1, name)
	dst = appendText(dst, 2, value)
	return append(dst, 3<<3, 2) // append_action: OVERWRITE_IF_EXISTS_OR_ADD
}

func appendText(dst []byte, number int, text string) []byte {
	return append(appendTag(dst, number, len(text)), text...)
}

// appendTag begins a field of so many bytes. Numbers are below 16.
func appendTag(dst []byte, number, length int) []byte {
	return binary.AppendUvarint(append(dst, byte(number<<3|2)), uint64(length))
}

func size(n int) (bytes int) {
	for bytes = 1; n >= 0x80; n >>= 7 {
		bytes++
	}
	return bytes
}

// Codes of google.rpc.Status that Envoy goes by: OK lets in, any other does not.
const permissionDenied = 7

// denied is the answer that refuses: status, headers and body for the client.
func denied(status int, headers []pair, body string) checkResponse {
	in := make([]byte, 0, 256+len(body))
	in = appendTag(in, 1, 1+size(status))
	in = binary.AppendUvarint(append(in, 1<<3), uint64(status)) // HttpStatus.code
	for _, h := range headers {
		in = appendHeader(in, 2, h.name, h.value)
	}
	in = appendText(in, 3, body)
	out := make([]byte, 0, len(in)+16)
	out = append(appendTag(out, 1, 2), 1<<3, permissionDenied)
	return append(appendTag(out, 2, len(in)), in...)
}

// allowed is the answer that lets in. remove is what the upstream must not hear.
func allowed(upstream, client []pair, remove []string) checkResponse {
	in := make([]byte, 0, 1536)
	for _, h := range upstream {
		in = appendHeader(in, 2, h.name, h.value)
	}
	for _, name := range remove {
		in = appendText(in, 5, name)
	}
	for _, h := range client {
		in = appendHeader(in, 6, h.name, h.value)
	}
	out := make([]byte, 0, len(in)+16)
	out = appendTag(out, 1, 0) // OK, said and not left out
	return append(appendTag(out, 3, len(in)), in...)
}

// envoyCodec reads and writes the two messages for grpc.
type envoyCodec struct{}

// Name is what the content type says.
func (envoyCodec) Name() string { return "proto" }

// Marshal gives grpc an answer that is encoded already.
func (envoyCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(checkResponse)
	if !ok {
		return nil, errEnvoy
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal reads a question. The buffer is grpc's and goes back, so it is copied, once:
// everything that is read points into the copy.
func (envoyCodec) Unmarshal(data mem.BufferSlice, v any) error {
	q, ok := v.(*checkRequest)
	if !ok {
		return errEnvoy
	}
	if len(data) == 1 {
		return q.parse(string(data[0].ReadOnlyData()))
	}
	return q.parse(string(data.Materialize()))
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
