package gatekit_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/gatekit"
)

// use checks the decision called id, made at issued, at a time.
func use(v *gatekit.Verifier, id string, issued, at time.Time) error {
	d := decision()
	d.ID, d.Issued = "dec_"+id, issued
	_, err := v.Check(key.Sign(d), "POST", d.Target, order, at)
	return err
}

func TestADecisionIsUsedOnce(t *testing.T) {
	v := gatekit.NewVerifier(key)
	if err := errors.Join(use(v, "a", noon, noon), use(v, "a", noon, noon)); err != nil {
		t.Fatalf("without a memory: %v", err)
	}
	v.RememberFor(2)
	for _, step := range []struct {
		name       string
		id         string
		issued, at time.Duration
		want       error
	}{
		{"the first use", "a", 0, 0, nil},
		{"the second", "a", 0, time.Second, gatekit.ErrUsed},
		{"the same id on a later decision", "a", time.Second, time.Second, gatekit.ErrUsed},
		{"another decision", "b", time.Second, time.Second, nil},
		{"a third, with room for two", "c", time.Second, 2 * time.Second, gatekit.ErrFull},
		{"one that is remembered, when full", "b", time.Second, 2 * time.Second, gatekit.ErrUsed},
		{"in the last moment of the first", "c", time.Second, 5*time.Second - time.Millisecond, gatekit.ErrFull},
		{"once the first has expired", "c", time.Second, 5 * time.Second, nil},
		{"the first, after the clock was set back", "a", 0, 4 * time.Second, gatekit.ErrExpired},
		{"the third again", "c", time.Second, 5 * time.Second, gatekit.ErrUsed},
		{"much later", "a", time.Hour, time.Hour, nil},
		{"and again", "a", time.Hour, time.Hour, gatekit.ErrUsed},
	} {
		if err := use(v, step.id, noon.Add(step.issued), noon.Add(step.at)); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}
}

// What is refused for another reason leaves no trace: otherwise a stranger could spend other people's decisions.
func TestARefusalSpendsNothing(t *testing.T) {
	v := gatekit.NewVerifier(key)
	v.RememberFor(1)
	token := key.Sign(decision())
	for _, try := range []func() error{
		func() error { _, err := v.Check(token, "POST", decision().Target, []byte("{}"), noon); return err },
		func() error { _, err := v.Check(token, "PUT", decision().Target, order, noon); return err },
		func() error {
			_, err := v.Check(token, "POST", decision().Target, order, noon.Add(time.Hour))
			return err
		},
		func() error {
			_, err := v.Check(token[:len(token)-43]+string(bytes.Repeat([]byte("A"), 43)), "POST", decision().Target, order, noon)
			return err
		},
	} {
		if err := try(); err == nil {
			t.Fatal("let through")
		}
	}
	if _, err := v.Check(token, "POST", decision().Target, order, noon); err != nil {
		t.Errorf("the right request afterwards: %v", err)
	}
}

func TestWithoutRoomNothingIsLetThrough(t *testing.T) {
	for _, n := range []int{0, -1} {
		v := gatekit.NewVerifier(key)
		v.RememberFor(n)
		if err := use(v, "a", noon, noon); err != gatekit.ErrFull {
			t.Errorf("room for %d: %v", n, err)
		}
	}
	u := newUpstream(t)
	u.v.RememberFor(0)
	status, head, text := u.send(t, decision(), bytes.NewReader(order), nil)
	if status != 503 || head.Get("Retry-After") == "" || len(u.refused) != 1 || !errors.Is(u.refused[0], gatekit.ErrFull) {
		t.Errorf("%d %v %s", status, head, text)
	}
}

func TestOfManyAtOnceOneGetsThrough(t *testing.T) {
	v := gatekit.NewVerifier(key)
	v.RememberFor(100)
	var through atomic.Int32
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if use(v, fmt.Sprint(i%8), noon, noon) == nil {
				through.Add(1)
			}
		})
	}
	all.Wait()
	if through.Load() != 8 {
		t.Errorf("%d got through with 8 decisions", through.Load())
	}
}
