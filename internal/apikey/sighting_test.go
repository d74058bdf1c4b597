package apikey

import (
	"testing"
	"time"
)

func TestWhatAServerBelievesOfAGate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for what, c := range map[string]struct {
		one  sighting
		want bool
	}{
		"a key in a web page":              {sighting{kind: sightBrowser, at: now.Add(-time.Second)}, true},
		"a first use":                      {sighting{kind: sightFirst, at: now.Add(-time.Second)}, true},
		"a first use of next year":         {sighting{kind: sightFirst, at: now.AddDate(1, 0, 0)}, false},
		"a first use of last year":         {sighting{kind: sightFirst, at: now.AddDate(-1, 0, 0)}, false},
		"a clock that is six seconds slow": {sighting{kind: sightClock, at: now, n: -6000}, true},
		"one that was never let in, slow":  {sighting{kind: sightClock, at: now, n: -60001}, false},
		"one that was never let in, fast":  {sighting{kind: sightClock, at: now, n: 1 << 62}, false},
		"answers from memory":              {sighting{kind: sightStale, at: now, n: 3}, true},
		"less than no answers":             {sighting{kind: sightStale, at: now, n: -3}, false},
		"what no gate says":                {sighting{kind: "quarantine", at: now}, false},
	} {
		if got := c.one.believable(now); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}
