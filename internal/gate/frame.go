package gate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// WebSocket frames, as far as somebody between two ends needs them (RFC 6455 §5.2):
// where one ends, so that nothing is cut or put into the middle of one.

const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xa

	maxControl = 125 // bytes (§5.5)
	maxHead    = 14  // bytes of a header
)

// Status codes of a close (§7.4.1 and the registry of IANA).
const (
	closeGone     = 1001
	closeProtocol = 1002
	closePolicy   = 1008
	closeBroken   = 1011
	closeRestart  = 1012
	closeLater    = 1013
)

// frame is the header of one frame.
type frame struct {
	fin  bool
	op   byte
	size uint64
	mask [4]byte // of a frame from a client
}

func (f *frame) control() bool { return f.op >= opClose }

// errFrame: bytes that are no frame that this end may send. Two readers that read them
// differently would disagree from then on about what is a message and what is not.
var errFrame = errors.New("gate: not a frame of RFC 6455")

// frames reads the headers of one direction and holds them to the rules.
type frames struct {
	masked bool // a client's: each frame is masked (§5.1), and a server's never is
	open   bool // a message has begun and not ended
}

// head reads one header and appends its bytes to raw. No extension was negotiated, so no
// reserved bit has a meaning (§5.2); a length has one spelling, the shortest.
func (s *frames) head(r *bufio.Reader, raw []byte) (f frame, out []byte, err error) {
	var b [maxHead]byte
	if _, err = io.ReadFull(r, b[:2]); err != nil {
		return f, raw, err
	}
	f.fin, f.op, f.size = b[0]&0x80 != 0, b[0]&0x0f, uint64(b[1]&0x7f)
	if b[0]&0x70 != 0 || (b[1]&0x80 != 0) != s.masked {
		return f, raw, errFrame
	}
	switch {
	case f.op == opPing || f.op == opPong || f.op == opClose:
		if !f.fin || f.size > maxControl || f.op == opClose && f.size == 1 {
			return f, raw, errFrame
		}
	case f.op == opContinue && !s.open, f.op != opContinue && s.open, f.op > opBinary:
		return f, raw, errFrame
	}
	n := 2
	switch f.size {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	at := n
	if s.masked {
		n += 4
	}
	if _, err = io.ReadFull(r, b[2:n]); err != nil {
		return f, raw, noMore(err)
	}
	switch f.size {
	case 126:
		if f.size = uint64(binary.BigEndian.Uint16(b[2:])); f.size < 126 {
			return f, raw, errFrame
		}
	case 127:
		if f.size = binary.BigEndian.Uint64(b[2:]); f.size < 1<<16 || f.size >= 1<<63 {
			return f, raw, errFrame
		}
	}
	if s.masked {
		copy(f.mask[:], b[at:n])
	}
	if !f.control() {
		s.open = !f.fin
	}
	return f, append(raw, b[:n]...), nil
}

// noMore: an end inside of a frame is no end.
func noMore(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// control makes a control frame. A mask is for the way to a server.
func control(op byte, payload []byte, mask *[4]byte) []byte {
	out := []byte{0x80 | op, byte(len(payload))}
	if mask == nil {
		return append(out, payload...)
	}
	out[1] |= 0x80
	out = append(out, mask[:]...)
	n := len(out)
	out = append(out, payload...)
	unmask(out[n:], *mask, 0)
	return out
}

// message makes one unmasked text message of fewer than 64 KiB.
func message(text []byte) []byte {
	out := []byte{0x80 | opText}
	if len(text) <= maxControl {
		out = append(out, byte(len(text)))
	} else {
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(len(text)))
	}
	return append(out, text...)
}

// closing is the payload of a close: a status and a reason that fits.
func closing(status uint16, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, status), reason[:min(len(reason), maxControl-2)]...)
}

// unmask takes a mask off, or puts it on (§5.3); at is how far into the frame b begins.
func unmask(b []byte, mask [4]byte, at int) {
	for i := range b {
		b[i] ^= mask[(at+i)%4]
	}
}
