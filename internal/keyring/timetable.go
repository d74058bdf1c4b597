package keyring

import (
	"encoding/json"
	"errors"
	"time"
)

// ErrNoKey also serves those who ask for a key and do not find it; ErrKeyInUse is why one cannot be
// withdrawn.
var (
	ErrKeyInUse = errors.New("keyring: this key is in use: rotate first, then withdraw it")
	ErrNoKey    = errors.New("keyring: no such key")
)

// timetable says which numbers of a family of derived keys are alive. Numbers only grow and are never used
// twice, so a withdrawn key cannot return.
//
// Terms are in order of their numbers. The last one is the next key: nobody uses it yet, but everybody
// already accepts it, so that the first process to rotate does not have to wait for the others.
type timetable struct {
	Current uint32 `json:"current"`
	Terms   []term `json:"terms"`
}

type term struct {
	N       uint32 `json:"n"`
	Created int64  `json:"created"`         // Unix microseconds
	Until   int64  `json:"until,omitempty"` // Unix microseconds; zero for current and next
}

func newTimetable(now time.Time) timetable {
	at := now.UnixMicro()
	return timetable{Current: 1, Terms: []term{{N: 1, Created: at}, {N: 2, Created: at}}}
}

func (t timetable) encode() ([]byte, error) { return json.Marshal(t) }

func readTimetable(plain []byte) (timetable, error) {
	var t timetable
	if err := json.Unmarshal(plain, &t); err != nil {
		return timetable{}, errors.New("timetable does not parse")
	}
	n := len(t.Terms)
	if n < 2 || t.Terms[n-2].N != t.Current {
		return timetable{}, errors.New("timetable without a current and a next key")
	}
	return t, nil
}

// rotate makes next the current key, keeps the old one until the overlap is over, forgets those whose time
// is up and adds a new next.
func (t timetable) rotate(now time.Time, overlap time.Duration) timetable {
	at := now.UnixMicro()
	next := t.Terms[len(t.Terms)-1]
	out := timetable{Current: next.N}
	for _, k := range t.Terms {
		if k.N == t.Current {
			k.Until = now.Add(overlap).UnixMicro()
		}
		if k.alive(at) {
			out.Terms = append(out.Terms, k)
		}
	}
	out.Terms = append(out.Terms, term{N: next.N + 1, Created: at})
	return out
}

// withdraw ends a previous key now.
func (t timetable) withdraw(n uint32) (timetable, error) {
	if n >= t.Current {
		return timetable{}, ErrKeyInUse
	}
	out := timetable{Current: t.Current}
	for _, k := range t.Terms {
		if k.N != n {
			out.Terms = append(out.Terms, k)
		}
	}
	if len(out.Terms) == len(t.Terms) {
		return timetable{}, ErrNoKey
	}
	return out, nil
}

func (k term) alive(at int64) bool { return k.Until == 0 || at < k.Until }
