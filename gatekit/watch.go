package gatekit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The clock of a watch. Who ends a key waits 600 ms for a lease that stands still; 400 leaves 200 for clocks that run
// at different speeds and for what was already past the check.
const (
	leaseLife  = 400 * time.Millisecond
	leaseEvery = 100 * time.Millisecond
	leaseDrift = 200 * time.Millisecond // between wall and monotonic time: a machine that slept cannot say how long

	// outliveLease is how long a stream may stand still without a lease before it is closed.
	outliveLease = 2 * time.Second

	pollPatience = 5 * time.Second
	maxAnswer    = 32 << 20 // bytes of one answer
)

// Why a stream passes nothing any more.
var (
	ErrEnded  = errors.New("gatekit: the stream was ended")
	ErrGate   = errors.New("gatekit: the gate gave no answer that holds")
	errPlace  = errors.New("gatekit: the gate does not know our place in its log")
	errDenied = errors.New("gatekit: the gate does not know this key, or this address")
)

// WatchConfig: URL and Key are needed.
type WatchConfig struct {
	URL        string       // of the gate, such as http://10.0.0.5:7481; nothing secret goes there, and what comes is under the key
	Key        Key          // shared with it
	HTTPClient *http.Client // by default one with a timeout
	Log        *slog.Logger // hears of lost and regained leases; nothing by default
}

// Watch is for an engine with a socket server of its own. It asks the gate about logins, follows what the gate's log
// tells, and stops each stream whose key or account has changed until the gate has judged it again.
//
//	w, err := gatekit.NewWatch(gatekit.WatchConfig{URL: "http://10.0.0.5:7481", Key: key})
//	go w.Run(ctx)
//	a, err := w.Ask(ctx, gatekit.Opening{Target: "/v1/stream", Peer: "203.0.113.7", Message: first})
//	// send a.Answer to the client; close with a.Close unless a.Allowed
//	s := w.Follow(a, func(status int, reason string) { … close the socket … })
//	defer s.Leave()
//	err = s.Pass(func() error { return socket.Write(message) })   // for each message
//
// It holds a lease, as each gate does: whoever ends a key is answered once this watch has heard of it or holds no lease
// any more, and without a lease Pass passes nothing. So after an acknowledged end no message passes.
type Watch struct {
	conf  WatchConfig
	clock func() (wall time.Time, mono time.Duration)
	lease atomic.Pointer[held] // nil: none

	mu    sync.Mutex // guards what follows
	open  map[*Stream]struct{}
	after uint64 // touched by Run only
	name  string // of the lease; touched by Run only
}

type held struct {
	wall time.Time
	mono time.Duration
}

// Opening is what a client sent to open a stream. Header is that of its handshake, where the handshake is signed or a
// web page may have made it; Message is its first message, "" where the handshake is signed.
type Opening struct {
	Target  string      `json:"target"` // path and query of the handshake, as on the wire
	Peer    string      `json:"peer"`   // address of the client
	Header  http.Header `json:"header,omitempty"`
	Message string      `json:"message,omitempty"`
}

// Asked is the gate's answer.
type Asked struct {
	Allowed  bool      `json:"allowed"`
	Decision string    `json:"decision,omitempty"` // a token; whose the stream is stands in there
	Answer   string    `json:"answer"`             // to send to the client as one text message, where there was one; or the body of a refused handshake
	Status   int       `json:"status,omitempty"`   // of a refused handshake
	Close    int       `json:"close,omitempty"`    // to close the socket with, when it is not allowed
	Reason   string    `json:"reason,omitempty"`
	Code     string    `json:"code,omitempty"`
	Stream   *Standing `json:"stream,omitempty"`
}

// Standing is what a stream was opened on.
type Standing struct {
	Key      string `json:"key"`
	Account  string `json:"account"`
	Version  int64  `json:"version"` // of the key's secret
	Scopes   string `json:"scopes"`
	ExitOnly bool   `json:"exit_only"`
	Peer     string `json:"peer"`
	Until    int64  `json:"until"` // milliseconds; the key's own end
}

// NewWatch makes a watch that holds no lease until Run has polled once.
func NewWatch(c WatchConfig) (*Watch, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || c.Key == (Key{}) {
		return nil, fmt.Errorf("gatekit: the gate's URL %q is http:// or https:// with a host and nothing else, and a key is needed", c.URL)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Timeout: pollPatience}
	}
	start := time.Now()
	return &Watch{conf: c, open: map[*Stream]struct{}{}, clock: func() (time.Time, time.Duration) {
		t := time.Now()
		return t.Round(0), t.Sub(start)
	}}, nil
}

// Ask has the gate decide about a client that opens a stream. The error is for the log; the client is told nothing then.
func (w *Watch) Ask(ctx context.Context, o Opening) (a Asked, err error) {
	err = w.post(ctx, o, &a)
	if err == nil && a.Allowed && a.Stream == nil {
		err = ErrGate
	}
	return a, err
}

func (w *Watch) post(ctx context.Context, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	got, err := w.call(ctx, http.MethodPost, "/gate/stream", body)
	if err != nil {
		return err
	}
	return json.Unmarshal(got, answer)
}

// call asks the gate, and takes only an answer to this very ask.
func (w *Watch) call(ctx context.Context, method, target string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.conf.URL+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	w.conf.Key.SignAsk(req, body, time.Now())
	res, err := w.conf.HTTPClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusForbidden:
		return nil, errDenied
	case len(got) > maxAnswer || !w.conf.Key.checkAnswer(req.Header.Get(HeaderAsk), res.StatusCode, got, res.Header.Get(HeaderAnswer)):
		return nil, ErrGate
	case res.StatusCode == http.StatusGone:
		return nil, errPlace
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: %s", ErrGate, res.Status)
	}
	return got, nil
}

// Run follows the gate's log until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	wait, lost := leaseEvery, time.Time{}
	for {
		err := w.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if lost.IsZero() {
				lost = time.Now()
				w.conf.Log.Warn("the gate's log is not heard; streams stand still", "err", err)
			}
			// Not slower: a lease that is short takes polls that are quick.
			if time.Since(lost) > outliveLease {
				w.endAll(1013, "the engine has lost touch with what ends keys; open the stream again")
			}
		default:
			if !lost.IsZero() {
				w.conf.Log.Info("the gate's log is heard again")
			}
			lost = time.Time{}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// poll asks once. What it hears is applied, and every stream that it is about stands still, before the lease is taken
// and before the next poll moves it on: that is what whoever waits relies on.
func (w *Watch) poll(ctx context.Context) error {
	wall, mono := w.clock()
	target := "/gate/tail"
	if w.name != "" {
		target += "?" + url.Values{"after": {strconv.FormatUint(w.after, 10)}, "lease": {w.name}}.Encode()
	}
	got, err := w.call(ctx, http.MethodGet, target, nil)
	if errors.Is(err, errPlace) {
		w.after, w.name = 0, ""
	}
	if err != nil {
		return err
	}
	keys, accounts, all, n, name, err := readTail(got)
	if err != nil {
		return err
	}
	all = all || w.name == "" // a new lease: what happened before it was not heard
	w.mu.Lock()
	var list []*Stream
	for s := range w.open {
		if all || keys[s.on.Key] || accounts[s.on.Account] {
			list = append(list, s)
		}
	}
	w.mu.Unlock()
	for _, s := range list {
		s.hold()
	}
	w.after, w.name = n, name
	w.lease.Store(&held{wall, mono})
	return nil
}

// readTail reads the lines of an answer: what changed, and last how far this goes.
func readTail(body []byte) (keys, accounts map[string]bool, all bool, n uint64, lease string, err error) {
	keys, accounts = map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(body)) {
		var l struct {
			N        uint64 `json:"n"`
			Kind, ID string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || lease != "" {
			return nil, nil, false, 0, "", ErrGate
		}
		switch l.Kind {
		case "apikey":
			keys[l.ID] = true
		case "account":
			accounts[l.ID] = true
		case "now":
			n, lease = l.N, l.ID
		default:
			all = true // one that is not known yet may be about anybody
		}
	}
	if lease == "" {
		err = ErrGate // it was cut
	}
	return keys, accounts, all, n, lease, err
}

// valid says whether the lease holds.
func (w *Watch) valid() bool {
	l := w.lease.Load()
	if l == nil {
		return false
	}
	wall, mono := w.clock()
	age := mono - l.mono
	return age <= leaseLife && (wall.Sub(l.wall)-age).Abs() <= leaseDrift
}

func (w *Watch) endAll(status int, reason string) {
	w.mu.Lock()
	list := make([]*Stream, 0, len(w.open))
	for s := range w.open {
		list = append(list, s)
	}
	w.mu.Unlock()
	for _, s := range list {
		s.finish(status, reason)
	}
}

// Stream is one that a Watch follows.
type Stream struct {
	w   *Watch
	on  Standing
	end func(status int, reason string)

	passing sync.Mutex // held while a message passes
	still   atomic.Bool
	done    chan struct{}

	mu      sync.Mutex // guards the rest
	changes int
	judging bool
	over    bool
	expiry  *time.Timer
}

// Follow begins to watch a stream that was allowed. end is called once, when the stream has to be closed for another
// reason than Leave: the status of the close and a reason for the client. Nothing passes until the gate has judged it
// in its place here: what changed since the answer is not missed.
func (w *Watch) Follow(a Asked, end func(status int, reason string)) *Stream {
	s := &Stream{w: w, end: end, done: make(chan struct{})}
	if a.Stream != nil {
		s.on = *a.Stream
	}
	s.still.Store(true)
	if !a.Allowed || a.Stream == nil {
		s.over = true
		close(s.done)
		return s
	}
	w.mu.Lock()
	w.open[s] = struct{}{}
	w.mu.Unlock()
	s.hold()
	return s
}

// Pass runs send when the stream may pass a message, and waits until it may: while there is no lease, or while the
// stream is being judged. ErrEnded when it is over. send writes one message to the socket and sets a deadline on it:
// what hangs there for longer than a lease lives holds up the hearing of all streams.
func (s *Stream) Pass(send func() error) error {
	for {
		s.passing.Lock()
		if !s.still.Load() && s.w.valid() {
			err := send()
			s.passing.Unlock()
			return err
		}
		s.passing.Unlock()
		select {
		case <-s.done:
			return ErrEnded
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Leave ends the watching: the client went by itself.
func (s *Stream) Leave() { s.close() }

func (s *Stream) close() bool {
	s.mu.Lock()
	first := !s.over
	s.over = true
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.mu.Unlock()
	if first {
		s.still.Store(true)
		close(s.done)
		s.w.mu.Lock()
		delete(s.w.open, s)
		s.w.mu.Unlock()
	}
	return first
}

func (s *Stream) finish(status int, reason string) {
	if s.close() {
		s.end(status, reason)
	}
}

// hold stops the stream until it was judged again. When it returns nothing is on its way.
func (s *Stream) hold() {
	s.mu.Lock()
	s.changes++
	s.still.Store(true)
	begin := !s.judging && !s.over
	s.judging = s.judging || begin
	s.mu.Unlock()
	s.passing.Lock()
	//lint:ignore SA2001 nothing is done here: whoever was passing has passed
	s.passing.Unlock()
	if begin {
		go s.again()
	}
}

func (s *Stream) again() {
	for tries := 0; ; {
		s.mu.Lock()
		seen := s.changes
		s.mu.Unlock()
		var a Asked
		err := s.w.post(context.Background(), map[string]any{"stream": s.on}, &a)
		switch {
		case err != nil || a.Code == "UNAVAILABLE":
			if tries++; tries > 20 {
				s.finish(1013, "nobody can know right now whether this stream may go on; open it again")
				return
			}
			select {
			case <-s.done:
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		case !a.Allowed || a.Stream == nil:
			s.finish(a.Close, a.Reason)
			return
		}
		s.mu.Lock()
		last := s.changes == seen
		if last && !s.over {
			s.judging = false
			s.still.Store(false)
			if s.expiry != nil {
				s.expiry.Stop()
			}
			s.expiry = time.AfterFunc(max(time.Until(time.UnixMilli(a.Stream.Until)), 0)+time.Millisecond, s.hold)
		}
		s.mu.Unlock()
		if last {
			return
		}
	}
}
