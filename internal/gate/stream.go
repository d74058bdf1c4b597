package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/keyring"
)

// stream is an open socket: two connections and what was decided when it began.
//
// The invariant is in pass: each piece of a message is written under the lock of its way,
// after a look at whether the stream is held, over, or out of touch with the log. hold
// sets the mark and then takes both locks once: when it returns, nothing more is on its
// way and nothing will be until the stream was judged again. The watch calls hold before
// its lease moves on, so whoever waits for the lease has waited for that (DESIGN §7).
type stream struct {
	g        *Gate
	decision *apikey.Decision // nil: a public one, which nothing ends but its ends
	peer     netip.Addr
	client   way // to the client
	upstream way // to the upstream

	held   atomic.Bool
	ending atomic.Pointer[ending] // set once
	done   chan struct{}          // closed with it
	said   chan struct{}          // closed when both ends were told
	silent atomic.Int32           // ticks without a byte from the client

	mu      sync.Mutex // guards the rest
	changes uint64     // of the key or the account, as far as they were heard of
	judging bool
	ready   bool // its ends are there
	expiry  *time.Timer
}

// ending is why a stream was closed.
type ending struct {
	status uint16
	reason string
}

// way is one of the two directions, by the connection that is written to.
type way struct {
	conn net.Conn
	mask bool // frames of our own are masked: this end is a server's

	nudged atomic.Bool   // its write was broken off so that hold need not wait
	turn   time.Duration // how long one try of a write may take before all is asked again

	mu   sync.Mutex // guards the rest, and is held while written
	mid  bool       // the last byte written was not the last of a frame
	shut bool       // a close was written: nothing comes after it (RFC 6455 §5.5.1)
	slow *time.Timer
}

const (
	readRoom  = 4 << 10          // of each direction
	slowest   = 10 * time.Second // an end that takes no byte for so long is gone
	writeTurn = 100 * time.Millisecond

	// writeAhead bounds what lies in the system's buffers for one that reads slowly: it
	// has left the gate, and nobody can call it back.
	writeAhead = 128 << 10

	graceless = 2 * time.Second // how long a stream outlives the gate's hearing
	holdLook  = 10 * time.Millisecond
	farewell  = time.Second // for the other end to answer a close
)

var (
	errOver = errors.New("gate: the stream is over")
	past    = time.Unix(1, 0) // a deadline that has passed on any clock
)

func (w *way) init(conn net.Conn, mask bool) {
	w.conn, w.mask, w.turn = conn, mask, writeTurn
	if _, ok := conn.(*tls.Conn); ok {
		w.turn = slowest // a write that was broken off could not go on there
	}
	if t := tcpOf(conn); t != nil {
		_ = t.SetWriteBuffer(writeAhead)
	}
	w.slow = time.AfterFunc(time.Hour, func() { _ = conn.SetWriteDeadline(past) })
	w.slow.Stop()
}

// write writes b; ends: its last byte ends a frame. It reports what is left. The caller
// holds the lock.
func (w *way) write(b []byte, ends bool) ([]byte, error) {
	_ = w.conn.SetWriteDeadline(time.Time{})
	w.slow.Reset(w.turn)
	n, err := w.conn.Write(b)
	w.slow.Stop()
	if n > 0 {
		w.mid = n < len(b) || !ends
	}
	return b[n:], err
}

// quiet returns when nobody writes any more. A write that hangs, because the other end
// does not read, is broken off; it takes microseconds.
func (w *way) quiet() {
	for !w.mu.TryLock() {
		w.nudge() // again: the writer may just have set its own deadline
		runtime.Gosched()
	}
	w.mu.Unlock()
}

// nudge breaks a write off that hangs, so that it asks again whether it may.
func (w *way) nudge() {
	w.nudged.Store(true)
	_ = w.conn.SetWriteDeadline(past)
}

// stopped reports whether nothing may pass now. Like every question about the lease it is
// asked after what it is asked for has arrived.
func (s *stream) stopped() bool {
	return s.held.Load() || s.ending.Load() != nil || s.decision != nil && !s.g.hears()
}

// pass writes a piece of a frame, or waits until it may. A write that hangs is tried in
// turns shorter than a lease: one that was begun under a lease must not go on, when the
// other end reads again, after that has run out.
func (s *stream) pass(w *way, b []byte, ends bool) error {
	for stuck := 0; ; {
		w.mu.Lock()
		if w.shut {
			w.mu.Unlock()
			return errOver
		}
		if !s.stopped() {
			left, err := w.write(b, ends)
			w.mu.Unlock()
			if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
			switch nudged := w.nudged.Swap(false); {
			case len(left) < len(b):
				stuck = 0
			case !nudged:
				stuck++
			}
			if b = left; stuck >= int(slowest/w.turn) {
				return err
			}
			continue
		}
		w.mu.Unlock()
		select {
		case <-s.done:
			return errOver
		case <-time.After(holdLook):
		}
	}
}

// hold stops the stream until it was judged again. It never blocks for long.
func (s *stream) hold() {
	if s.decision == nil {
		return
	}
	s.mu.Lock()
	s.changes++
	s.held.Store(true)
	ready, begin := s.ready, s.ready && !s.judging
	s.judging = s.judging || begin
	s.mu.Unlock()
	if !ready {
		return // nothing passes yet, and it is judged when it begins
	}
	s.client.quiet()
	s.upstream.quiet()
	if begin {
		go s.again()
	}
}

// again judges a held stream until nothing has changed meanwhile.
func (s *stream) again() {
	began := false
	for tries := 0; ; tries++ {
		s.mu.Lock()
		seen := s.changes
		s.mu.Unlock()
		until, code := s.g.stands(s.decision, s.peer, true)
		switch {
		case code == apikey.Unavailable && tries < int(graceless/(50*time.Millisecond)):
			select {
			case <-s.done:
				return
			case <-time.After(50 * time.Millisecond):
			}
			continue
		case code == apikey.Unavailable:
			s.end(closeLater, "nobody can know right now whether this stream may go on; open it again")
			return
		case code != "":
			s.end(closePolicy, reasons[code])
			return
		}
		s.mu.Lock()
		if s.changes == seen {
			s.judging = false
			s.held.Store(false)
			if s.expiry != nil {
				s.expiry.Stop()
			}
			// Its end may lie months ahead; the timer is on the clock that does not jump, and
			// judged is what the clock of the wall says then.
			s.expiry = time.AfterFunc(max(until.Sub(s.g.Now()), 0)+time.Millisecond, s.hold)
			began = true
		}
		s.mu.Unlock()
		if began {
			return
		}
	}
}

// end closes both ends. Nothing passes once it has returned; the closes themselves follow
// in the background.
func (s *stream) end(status uint16, reason string) {
	s.mu.Lock()
	first, ready := s.ending.CompareAndSwap(nil, &ending{status, reason}), s.ready
	s.mu.Unlock()
	if !first {
		return
	}
	close(s.done)
	if !ready {
		return // open looks
	}
	s.part(status, reason)
}

// part says good-bye at both ends.
func (s *stream) part(status uint16, reason string) {
	s.client.quiet()
	s.upstream.quiet()
	var byes sync.WaitGroup
	byes.Go(func() { s.client.bye(status, reason) })
	byes.Go(func() { s.upstream.bye(closeGone, "the client's stream has ended") })
	go func() { byes.Wait(); close(s.said) }()
}

// bye writes a close where a frame may begin, and cuts the connection where it may not,
// or where the other end does not read: then what waits in the system's buffers is
// dropped as well and not delivered hours later.
func (w *way) bye(status uint16, reason string) {
	w.mu.Lock()
	cut := time.AfterFunc(farewell, func() { _ = w.conn.SetWriteDeadline(past) })
	var err error
	if !w.shut {
		err = errOver
		if !w.mid {
			var mask *[4]byte
			if w.mask {
				mask = (*[4]byte)(keyring.Random(4))
			}
			_ = w.conn.SetWriteDeadline(time.Time{})
			_, err = w.conn.Write(control(opClose, closing(status, reason), mask))
		}
	}
	w.shut = true
	w.mu.Unlock()
	cut.Stop()
	if err != nil {
		reset(w.conn)
		return
	}
	time.AfterFunc(farewell, func() { w.conn.Close() }) // the reader ends it earlier when the other end does
}

// reset closes a connection without sending what it still holds.
func reset(conn net.Conn) {
	if t := tcpOf(conn); t != nil {
		_ = t.SetLinger(0)
		t.Close() // not the TLS above it, which would write an alert first
	}
	conn.Close()
}

func tcpOf(conn net.Conn) *net.TCPConn {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	t, _ := conn.(*net.TCPConn)
	return t
}

// run passes frames both ways until the stream is over, and returns when nothing of it is
// left.
func (s *stream) run(client, upstream *bufio.Reader) {
	var both sync.WaitGroup
	both.Go(func() { s.pump(client, frames{masked: true}, &s.upstream, true) })
	both.Go(func() { s.pump(upstream, frames{}, &s.client, false) })
	both.Wait()
	s.end(closeGone, "both ends have closed")
	<-s.said
	s.client.conn.Close()
	s.upstream.conn.Close()
	s.mu.Lock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.mu.Unlock()
}

// pump passes the frames of one direction.
func (s *stream) pump(in *bufio.Reader, rules frames, out *way, fromClient bool) {
	room := make([]byte, 0, readRoom+maxHead)
	var err error
	for {
		var f frame
		var b []byte
		f, b, err = rules.head(in, room[:0])
		if fromClient {
			s.silent.Store(0)
		}
		if err == nil {
			err = s.frame(in, &f, b, out)
		}
		if err != nil {
			switch {
			case s.ending.Load() != nil:
			case errors.Is(err, errFrame) && fromClient:
				s.end(closeProtocol, "not a frame of RFC 6455")
			case errors.Is(err, errFrame):
				s.end(closeBroken, "the upstream does not speak RFC 6455")
			case fromClient:
				s.end(closeGone, "the client is gone")
			default:
				s.end(closeBroken, "the upstream is gone")
			}
			break
		}
		if f.op == opClose {
			// Its other end answers by the other way; it may not answer at all.
			time.AfterFunc(farewell, func() { s.end(closeGone, "closed") })
			return
		}
	}
	// Whoever still sends may do so until they have read the close that was written and
	// answer it: a reset now could overtake it.
	for errors.Is(err, errOver) {
		var f frame
		if f, _, err = rules.head(in, room[:0]); err != nil || f.op == opClose {
			return
		}
		if _, err = io.CopyN(io.Discard, in, int64(f.size)); err == nil {
			err = errOver
		}
	}
	_, _ = io.Copy(io.Discard, in)
}

// frame passes one frame whose header is in b.
func (s *stream) frame(in *bufio.Reader, f *frame, b []byte, out *way) error {
	for left := f.size; ; {
		n := int(min(left, uint64(cap(b)-len(b))))
		if n > 0 {
			got, err := io.ReadAtLeast(in, b[len(b):len(b)+n], 1)
			if err != nil {
				return noMore(err)
			}
			b, left = b[:len(b)+got], left-uint64(got)
		}
		// A small frame goes on in one piece.
		if left > 0 && len(b) < cap(b) && in.Buffered() > 0 {
			continue
		}
		if err := s.pass(out, b, left == 0); err != nil {
			return err
		}
		if left == 0 {
			if f.op == opClose {
				out.mu.Lock()
				out.shut = true
				out.mu.Unlock()
			}
			return nil
		}
		b = b[:0]
	}
}

// ping asks a silent client whether it is there.
func (s *stream) ping() {
	w := &s.client
	if !w.mu.TryLock() {
		return // it is written to
	}
	var cut bool
	if !w.mid && !w.shut && !s.stopped() {
		_, _ = w.write(control(opPing, nil, nil), true) // one that fails shows as silence
		cut = w.mid
	}
	w.mu.Unlock()
	if cut { // half a ping: nothing can come after it
		s.end(closeGone, "the client does not read")
	}
}

// reasons are what a client reads in the close of a stream that ended for it.
var reasons = map[apikey.Code]string{
	apikey.KeyExpired:     "this key, or the secret that opened this stream, has ended",
	apikey.KeyNotYet:      "this key is not valid yet",
	apikey.KeyQuarantined: "this key was put into quarantine; its owner has to look at it",
	apikey.IPNotAllowed:   "this key no longer works from this address",
	apikey.ScopeMissing:   "this key may no longer read what this stream tells",
	apikey.AccountFrozen:  "the account was frozen",
	apikey.ExitOnly:       "what this key may do has changed; open the stream again",
}

func (g *Gate) hears() bool { return g.Fresh == nil || g.Fresh() }

func (g *Gate) stands(d *apikey.Decision, peer netip.Addr, remembered bool) (time.Time, apikey.Code) {
	ctx, cancel := context.WithTimeout(context.Background(), graceless)
	defer cancel()
	g.streams.judges <- struct{}{}
	defer func() { <-g.streams.judges }()
	return g.BotKeys.Stands(ctx, d, peer, remembered)
}
