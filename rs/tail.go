package rs

import (
	"bufio"
	"context"
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

// Tail follows what ends at the issuer, so that a token is refused once its end was acknowledged there. Its
// wire form, one poll about every 100 ms:
//
//	GET <issuer>/oauth/tail?after=41&lease=l_7
//
//	{"n":42,"kind":"session","id":"ses_9","before":1772366400}
//	{"n":0,"kind":"account","id":"acc_3","before":1772366401}
//	{"n":43,"kind":"now","id":"l_7"}
//
// Each line but the last is an end: tokens of that session, grant, client or account, or of all, with iat at
// or before the time before (in seconds) are refused. Ends that have no place in the log yet have n 0 and come again.
// The last line says that this is all up to n, and names the lease, which the client gives back; an answer
// without it was cut and counts for nothing. Without after, all ends of the last hour come. 410 means that
// after is unknown there (another history, or too old): the client begins anew. Each poll moves the lease on
// before the log is read, so the issuer knows when all who hold one have seen an end, or hold none any more.
//
// While the Tail has no lease, tokens are refused, but for the Grace of a Need.
type Tail struct {
	conf  TailConfig
	clock func() (wall time.Time, mono time.Duration)

	mu    sync.RWMutex // guards what follows
	ends  map[object]int64
	floor int64 // tokens issued then or earlier are refused, whoever's they are: ends that had no room

	// Read on each request by all cores at once, where a lock, even a shared one, would cost as much as all else.
	// news counts changes of ends; it is written, like lease, while mu is held and after what it tells of.
	news  atomic.Uint64
	lease atomic.Pointer[lease] // nil: none

	after uint64 // touched by Run only
	name  string // of the lease; touched by Run only
}

// TailConfig: URL is needed.
type TailConfig struct {
	URL        string                        // <issuer>/oauth/tail
	HTTPClient *http.Client                  // by default one with a timeout
	Authorize  func(req *http.Request) error // adds the credentials of this resource server
	Log        *slog.Logger                  // hears of lost and regained leases; nothing by default
}

type object struct{ kind, id string }

// everybody is the kind of an end of all tokens there are: a database that was restored.
const everybody = "all"

// lease is the moment before the last good poll was sent, on both clocks.
type lease struct {
	wall time.Time
	mono time.Duration
}

// NewTail makes a Tail that holds no lease until Run has polled once.
func NewTail(c TailConfig) (*Tail, error) {
	err := trustworthy(c.URL)
	if err == nil && strings.ContainsRune(c.URL, '?') {
		err = errors.New("it has a query")
	}
	if err != nil {
		return nil, fmt.Errorf("rs: the tail's URL %q: %w", c.URL, err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.HTTPClient = still(c.HTTPClient)
	start := time.Now()
	return &Tail{conf: c, ends: map[object]int64{}, clock: func() (time.Time, time.Duration) {
		t := time.Now()
		return t.Round(0), t.Sub(start)
	}}, nil
}

// Run polls until ctx ends.
func (t *Tail) Run(ctx context.Context) {
	wait, lost := leaseEvery, false
	for {
		err := t.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !lost {
				t.conf.Log.Warn("the tail is lost", "err", err)
			}
			lost, wait = true, min(2*wait, time.Second)
		default:
			if lost {
				t.conf.Log.Info("the tail is back")
			}
			lost, wait = false, leaseEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

var errHistory = errors.New("the issuer does not know our place in its log")

// poll asks once and, if the answer is whole, applies it and holds the lease from before it asked.
func (t *Tail) poll(ctx context.Context) error {
	wall, mono := t.clock()
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	got, err := t.ask(ctx)
	if errors.Is(err, errHistory) {
		t.after, t.name = 0, ""
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for o, before := range got.ends {
		if o.kind == everybody {
			if before > t.floor {
				t.floor = before
				t.news.Add(1) // remembered tokens are looked for anew
			}
			continue
		}
		t.end(o, before, wall)
	}
	t.after, t.name = got.n, got.lease
	t.lease.Store(&lease{wall, mono})
	return nil
}

// end remembers one end. Whatever the order in which they come, the latest counts.
func (t *Tail) end(o object, before int64, now time.Time) {
	if had, ok := t.ends[o]; ok && had >= before {
		return // ends without a place in the log come again with each poll
	} else if ok {
		t.ends[o] = before
		t.news.Add(1)
		return
	}
	defer t.news.Add(1)
	if len(t.ends) >= maxEnded {
		// What ended longer ago than any token lives says nothing any more.
		for o, b := range t.ends {
			if now.Sub(time.Unix(b, 0)) > maxLife+clockSkew {
				delete(t.ends, o)
			}
		}
	}
	if len(t.ends) >= maxEnded {
		// Too much has ended to remember whose it was: everybody's older tokens go, and are replaced by a refresh.
		t.floor = max(t.floor, before)
		for _, b := range t.ends {
			t.floor = max(t.floor, b)
		}
		clear(t.ends)
		return
	}
	t.ends[o] = before
}

type answer struct {
	ends  map[object]int64
	n     uint64
	lease string
}

func (t *Tail) ask(ctx context.Context) (answer, error) {
	query := url.Values{}
	if t.name != "" {
		query.Set("after", strconv.FormatUint(t.after, 10))
		query.Set("lease", t.name)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.conf.URL+"?"+query.Encode(), nil)
	if err != nil {
		return answer{}, err
	}
	if t.conf.Authorize != nil {
		if err := t.conf.Authorize(req); err != nil {
			return answer{}, err
		}
	}
	res, err := t.conf.HTTPClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return readTail(res.Body, t.after)
	case http.StatusGone:
		return answer{}, errHistory
	}
	return answer{}, errors.New("the issuer answers " + res.Status)
}

func readTail(body io.Reader, after uint64) (answer, error) {
	got := answer{ends: map[object]int64{}}
	lines := bufio.NewScanner(io.LimitReader(body, maxTailAnswer))
	whole := false
	for lines.Scan() {
		var room [8]member
		m, ok := readObject(lines.Text(), room[:0])
		n, isNumber := m.whole("n")
		kind, _, isKind := m.text("kind")
		id, _, isID := m.text("id")
		if !ok || !isNumber || !isKind || !isID || id == "" || whole {
			return answer{}, errors.New("a line of the tail is not understood")
		}
		switch kind {
		case "now":
			if n < after {
				return answer{}, errHistory // a database that was set back
			}
			got.n, got.lease, whole = n, id, true
		case "session", "grant", "client", "account", everybody:
			before, isTime := m.whole("before")
			if !isTime {
				return answer{}, errors.New("an end without its time")
			}
			o := object{kind, id}
			got.ends[o] = max(got.ends[o], int64(before))
		default:
			// A kind that is not known yet may end tokens, so nothing can be vouched for without it.
			return answer{}, fmt.Errorf("the tail tells of %q, which this version does not know", kind)
		}
	}
	if err := lines.Err(); err != nil {
		return answer{}, err
	}
	if !whole {
		return answer{}, errors.New("the answer was cut")
	}
	return got, nil
}

// whole is a member that is a natural number.
func (m members) whole(name string) (uint64, bool) {
	v, ok := m.raw(name)
	n, err := strconv.ParseUint(v.text, 10, 53)
	return n, ok && v.kind == 'n' && err == nil
}

// valid says whether the lease holds, or for how long it has not within grace.
func (t *Tail) valid(grace time.Duration) (stale time.Duration, e *Error) {
	wall, mono := t.clock()
	l := t.lease.Load()
	if l == nil {
		return 0, errStale
	}
	age, byWall := mono-l.mono, wall.Sub(l.wall)
	if (byWall - age).Abs() <= leaseDrift {
		if age <= leaseLife {
			return 0, nil
		}
	}
	// The longer of the two: what the machine slept through counts.
	if stale = max(age, byWall) - leaseLife; stale < 0 || stale > grace {
		return 0, errStale
	}
	return stale, nil
}

// endedSince is ended for a token that was looked for before: cleared is what the tail had told of when it was
// found standing, and while there is no news it still stands.
func (t *Tail) endedSince(tok *Token, cleared *atomic.Uint64) bool {
	if cleared.Load() == t.news.Load()+1 { // 0: never
		return false
	}
	seen := t.news.Load() + 1 // before the look: what is told during it is looked for the next time
	if t.ended(tok) {
		return true
	}
	cleared.Store(seen)
	return false
}

// ended reports whether what the token comes from was ended after it was issued.
func (t *Tail) ended(tok *Token) bool {
	issued := tok.Issued.Unix()
	t.mu.RLock()
	defer t.mu.RUnlock()
	if issued <= t.floor {
		return true
	}
	for _, o := range [...]object{{"session", tok.SID}, {"grant", tok.Grant}, {"client", tok.ClientID}, {"account", tok.Subject}} {
		if before, ok := t.ends[o]; ok && o.id != "" && issued <= before {
			return true
		}
	}
	return false
}
