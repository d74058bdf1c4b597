package rs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestReplayMemory(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := newMemory(3, func() time.Time { return at })
	made := map[string]time.Time{}
	spend := func(name string) string {
		if _, ok := made[name]; !ok {
			made[name] = at
		}
		fresh, err := m.Spend(t.Context(), sha256.Sum256([]byte(name)), made[name].Add(proofAge+time.Second))
		return fmt.Sprint(fresh, errors.Is(err, ErrFull))
	}
	for _, step := range []struct {
		name string
		pass time.Duration
		want string
	}{
		{"a", 0, "true false"},
		{"a", 0, "false false"},
		{"b", 70 * time.Second, "true false"},
		{"c", 4 * time.Second, "true false"},
		{"d", 0, "false true"},                 // full: nothing is forgotten, nobody comes in
		{"b", 0, "false false"},                // what is known stays known
		{"d", time.Second, "true false"},       // the next generation
		{"c", 74 * time.Second, "false false"}, // the elder one is still there
		{"d", time.Second, "false false"},      // and then the younger has become the elder
		{"c", 0, "false false"},                // dropped, but too old for what is remembered
		{"e", -time.Hour, "false false"},       // a clock set back makes nothing fresh
		{"f", time.Hour, "true false"},
	} {
		at = at.Add(step.pass)
		if got := spend(step.name); got != step.want {
			t.Errorf("%s at %v: %s, want %s", step.name, at, got, step.want)
		}
	}
}

func TestVerifiedTokensAreBounded(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var c tokens
	for i := range 2 * maxTokens {
		c.keep(seen{text: fmt.Sprint(i), token: &Token{Expires: at.Add(time.Minute)}}, at)
	}
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].m)
	}
	if n > maxTokens || n < maxTokens*9/10 {
		t.Errorf("%d are kept, want about %d", n, maxTokens)
	}
	if _, ok := c.find(fmt.Sprint(2*maxTokens - 1)); !ok {
		t.Error("the last one is gone")
	}
	// Whatever lies in the place of a token is taken for no other one.
	h := c.place("good")
	c.shards[h&15].m[h] = seen{text: "another", token: &Token{}}
	if _, ok := c.find("good"); ok {
		t.Error("another token was taken for it")
	}
}
