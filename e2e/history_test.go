package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// What one server, doing one thing at a time, could have answered.

// use is a call with something that is good once.
type use struct {
	thing  int
	kind   string // right, or what is wrong with it; isOver
	gen    int    // of a refresh token
	reuses bool   // the chain is not bound to a key: an old token ends it
}

const isOver = "is over"

// told is the answer.
type told struct {
	ok   bool
	busy bool // 503: nothing was committed
	word string
	gen  int // of the refresh token that came back
}

func describe(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) }

// once: the first right use is accepted, and it alone. Who is refused came later, or
// came with the wrong thing, which spends nothing.
var once = porcupine.Model{
	PartitionEvent: partition,
	Init:           func() any { return false },
	Step: func(s, in, out any) (bool, any) {
		spent, u, a := s.(bool), in.(use), out.(told)
		switch {
		case a.busy:
			return true, spent
		case u.kind != "right":
			return !a.ok, spent
		case a.ok:
			return !spent, true
		}
		return spent, spent
	},
	DescribeOperation: describe,
}

// line is what a chain of refresh tokens remembers.
type line struct {
	gen  int
	over bool
}

// chain: each token has one child. The newest turns, the one before is a retry, an
// older one is late; without a key nobody can tell late from stolen, and it ends.
//
// A turn that is committed and meets the end before it is answered is refused: nothing
// it gave would work. So whoever hears that a chain is over says two things, each at
// some instant of the call: what became of the token, and that it was over.
var chain = porcupine.Model{
	PartitionEvent: partition,
	Init:           func() any { return line{gen: 1} },
	Step: func(s, in, out any) (bool, any) {
		st, u, a := s.(line), in.(use), out.(told)
		refused := func(word string) bool { return !a.ok && a.word == word }
		switch {
		case a.busy:
			return true, st
		case u.kind == isOver:
			return st.over, st
		case st.over:
			return refused("invalid_grant"), st
		case u.kind != "right":
			return refused("invalid_dpop_proof"), st
		case u.gen == st.gen:
			st.gen++
			return a.ok && a.gen == st.gen || u.reuses && refused("invalid_grant"), st
		case u.gen == st.gen-1:
			return a.ok && a.gen == st.gen, st
		}
		st.over = u.reuses
		return refused("invalid_grant"), st
	},
	DescribeOperation: describe,
}

// partition takes things apart: what happens to one says nothing of another.
func partition(events []porcupine.Event) [][]porcupine.Event {
	of, parts := map[int]int{}, map[int][]porcupine.Event{}
	for _, e := range events {
		if e.Kind == porcupine.CallEvent {
			of[e.Id] = e.Value.(use).thing
		}
		parts[of[e.Id]] = append(parts[of[e.Id]], e)
	}
	var out [][]porcupine.Event
	for _, p := range parts {
		out = append(out, p)
	}
	return out
}

// notes are the history while it is being made.
type notes struct {
	mu     sync.Mutex
	t      *testing.T
	events []porcupine.Event
	id     int         // of the last operation
	ok     map[int]int // accepted, by thing
	busy   int
}

// call writes one down. What is neither an answer nor a refusal breaks the test.
func (n *notes) call(client int, u use, do func() (said, int, error)) {
	n.mu.Lock()
	n.id++
	id := n.id
	n.events = append(n.events, porcupine.Event{ClientId: client, Kind: porcupine.CallEvent, Value: u, Id: id})
	n.mu.Unlock()
	a, gen, err := do()
	n.mu.Lock()
	defer n.mu.Unlock()
	out := told{ok: a.status >= 200 && a.status < 300, busy: a.status == http.StatusServiceUnavailable, word: a.word(), gen: gen}
	if err != nil || a.status >= 500 && !out.busy {
		n.t.Errorf("%+v: %v: %d %s", u, err, a.status, a.body)
	}
	if out.ok {
		n.ok[u.thing]++
	}
	if out.busy {
		n.busy++
	}
	n.events = append(n.events, porcupine.Event{ClientId: client, Kind: porcupine.ReturnEvent, Value: out, Id: id})
	if u.reuses && out.word == "invalid_grant" {
		n.id++
		at := slices.IndexFunc(n.events, func(e porcupine.Event) bool { return e.Id == id })
		n.events = slices.Insert(n.events, at, porcupine.Event{ClientId: client, Kind: porcupine.CallEvent, Value: use{thing: u.thing, kind: isOver, reuses: true}, Id: n.id})
		n.events = append(n.events, porcupine.Event{ClientId: client, Kind: porcupine.ReturnEvent, Value: out, Id: n.id})
	}
}

func newNotes(t *testing.T) *notes { return &notes{t: t, ok: map[int]int{}} }

// judge looks for the order.
func (n *notes) judge(model porcupine.Model) {
	n.t.Helper()
	switch res, info := porcupine.CheckEventsVerbose(model, n.events, 10*time.Second); res {
	case porcupine.Ok:
	case porcupine.Unknown:
		n.t.Error("the checker had not enough time")
	default:
		path := n.t.ArtifactDir() + "/history.html"
		_ = porcupine.VisualizePath(model, info, path)
		n.t.Errorf("no order of these calls explains their answers (see %s with -artifacts)", path)
	}
}

// The models are no use if they believe everything.
func TestHistoriesThatNoServerMayTell(t *testing.T) {
	yes, no := told{ok: true}, told{word: "invalid_grant"}
	token := func(gen int) use { return use{kind: "right", gen: gen} }
	loose := func(gen int) use { return use{kind: "right", gen: gen, reuses: true} }
	child := func(gen int) told { return told{ok: true, gen: gen} }
	rows := []struct {
		name    string
		model   porcupine.Model
		calls   []any // use, told, use, told …, one after the other
		between bool  // the second begins before the first ends
		true    bool
	}{
		{"accepted, then refused", once, []any{use{kind: "right"}, yes, use{kind: "right"}, no}, false, true},
		{"accepted twice", once, []any{use{kind: "right"}, yes, use{kind: "right"}, yes}, false, false},
		{"accepted twice at once", once, []any{use{kind: "right"}, yes, use{kind: "right"}, yes}, true, false},
		{"refused, then accepted", once, []any{use{kind: "right"}, no, use{kind: "right"}, yes}, false, false},
		{"refused while the other was accepted", once, []any{use{kind: "right"}, no, use{kind: "right"}, yes}, true, true},
		{"refused by both", once, []any{use{kind: "right"}, no, use{kind: "right"}, no}, true, false},
		{"two things, each once", once, []any{use{kind: "right"}, yes, use{kind: "right", thing: 1}, yes}, false, true},
		{"spent by somebody without the verifier", once, []any{use{kind: "wrong"}, no, use{kind: "right"}, no}, false, false},
		{"given to somebody without the verifier", once, []any{use{kind: "wrong"}, yes}, false, false},
		{"turned, and a retry", chain, []any{token(1), child(2), token(1), child(2)}, false, true},
		{"turned twice into two generations", chain, []any{token(1), child(2), token(1), child(3)}, false, false},
		{"turned at both doors at once", chain, []any{token(1), child(2), token(1), child(3)}, true, false},
		{"an old token turns", chain, []any{token(1), child(2), token(2), child(3), token(1), child(2)}, false, false},
		{"a replay ends it", chain, []any{loose(1), child(2), loose(2), child(3), loose(1), no, loose(3), no}, false, true},
		{"refused, and nothing had ended it", chain, []any{loose(1), no, use{kind: isOver, reuses: true}, no}, false, false},
		{"refused by an end that came meanwhile", chain, []any{loose(1), no, use{kind: isOver, reuses: true}, no, loose(1), child(2), loose(2), child(3), loose(1), no}, true, true},
		{"a replay ends nothing", chain, []any{loose(1), child(2), loose(2), child(3), loose(1), no, loose(3), child(4)}, false, false},
		{"a late tab ends it", chain, []any{token(1), child(2), token(2), child(3), token(1), no, token(3), no}, false, false},
		{"turned with a thief's key", chain, []any{use{kind: "stolen", gen: 1}, child(2)}, false, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var events, ends []porcupine.Event
			for i := 0; i < len(row.calls); i += 2 {
				events = append(events, porcupine.Event{ClientId: i, Kind: porcupine.CallEvent, Value: row.calls[i], Id: i})
				end := porcupine.Event{ClientId: i, Kind: porcupine.ReturnEvent, Value: row.calls[i+1], Id: i}
				if row.between {
					ends = append(ends, end)
				} else {
					events = append(events, end)
				}
			}
			if got := porcupine.CheckEvents(row.model, append(events, ends...)); got != row.true {
				t.Errorf("believed: %v", got)
			}
		})
	}
}
