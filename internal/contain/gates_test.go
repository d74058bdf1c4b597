package contain_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// Acknowledged means refused (I1). While somebody checks and refreshes a session
// without pause, at two processes with memories of their own, its owner stops it at
// one of them. From the moment the answer is there, nothing that begins succeeds
// anywhere. Every way of stopping is held to it.
func TestAcknowledgedMeansRefused(t *testing.T) {
	ways := []struct {
		name string
		stop func(owner, target *signintest.Person) (contain.Effect, error)
	}{
		{"ending the session", func(o, q *signintest.Person) (contain.Effect, error) { return end(o, q.Session().ID) }},
		{"saying it was not me", func(o, q *signintest.Person) (contain.Effect, error) {
			return o.W.Contain.NotMe(context.Background(), o.Cause(), o.Session(), q.Session().ID)
		}},
		{"ending all others", func(o, _ *signintest.Person) (contain.Effect, error) {
			return endOthers(o.Touch(device.ActSessionsEndAll, ""))
		}},
		{"removing its passkey", func(o, q *signintest.Person) (contain.Effect, error) {
			id := string(q.Session().Key)
			return o.W.Contain.RemoveKey(context.Background(), o.Touch(device.ActKeysRemove, id).Cause(), o.Session(), device.KeyID(id))
		}},
		{"removing its device", func(o, q *signintest.Person) (contain.Effect, error) {
			id := q.Session().Device
			return o.W.Contain.RemoveDevice(context.Background(), o.Touch(device.ActDevicesRemove, string(id)).Cause(), o.Session(), id, contain.Keep{})
		}},
		{"freezing the account", func(o, _ *signintest.Person) (contain.Effect, error) { return freeze(o) }},
		{"ending everything", func(o, _ *signintest.Person) (contain.Effect, error) {
			return o.W.Contain.EndAll(context.Background(), o.Cause(), o.Account)
		}},
		{"erasing the account", func(o, _ *signintest.Person) (contain.Effect, error) {
			return contain.Effect{}, o.W.Contain.Erase(context.Background(), o.Cause(), o.Account)
		}},
	}
	rounds := 1
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		rounds = 20
	}
	run := func(t *testing.T, here, there *signintest.World) {
		var slowest time.Duration
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				here.In(t)
				for range rounds {
					slowest = max(slowest, refusedAfter(t, here, there, way.stop))
				}
			})
		}
		t.Logf("the slowest answer took %s", slowest.Round(time.Millisecond))
		if slowest > 5*time.Second {
			t.Errorf("an answer took %s", slowest)
		}
	}
	t.Run("one process on SQLite", func(t *testing.T) {
		w := signintest.New(t, storetest.Open(t), nil)
		run(t, w, w)
	})
	t.Run("two processes on PostgreSQL", func(t *testing.T) {
		here, there := signintest.Two(t)
		run(t, here, there)
	})
}

func refusedAfter(t *testing.T, here, there *signintest.World, stop func(owner, target *signintest.Person) (contain.Effect, error)) time.Duration {
	owner := here.Person()
	keys, _ := owner.SecondKey()
	target := owner.Elsewhere()
	target.Keys = keys
	target.In()
	_, err := target.AddKeyOnThisDevice() // so that removing the device takes a key with it
	here.Must(err)

	var acked atomic.Int64 // since the start; 0: not yet
	var stopped atomic.Bool
	began := time.Now()
	var g sync.WaitGroup
	var good atomic.Int64
	late := make([]atomic.Int64, 4) // calls of each that began after the answer
	for i, w := range []*signintest.World{here, there, here, there} {
		q := target.At(w)
		g.Go(func() {
			for !stopped.Load() {
				start := time.Since(began)
				after := acked.Load() // 0: the answer is not there yet
				if after != 0 {
					late[i].Add(1)
				}
				var err error
				if i < 2 {
					_, err = q.Check()
				} else if err = q.Refresh(); errors.Is(err, session.ErrRefreshSuperseded) {
					err = session.ErrRefreshInvalid // two copies turn against each other
				}
				if err == nil {
					good.Add(1)
					if after != 0 {
						t.Errorf("what began %s after the answer was let through", start-time.Duration(after))
						stopped.Store(true)
						return
					}
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond) // let it get into both memories
	for end := time.Now().Add(10 * time.Second); good.Load() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // on a machine with other things to do
	}
	at := time.Now()
	e, err := stop(owner, target)
	took := time.Since(at)
	if err == nil {
		acked.Store(int64(time.Since(began)))
		// Each of them has tried now, also on a machine with other things to do.
		for end := time.Now().Add(5 * time.Second); !stopped.Load() && time.Now().Before(end); time.Sleep(time.Millisecond) {
			n := int64(20)
			for i := range late {
				n = min(n, late[i].Load())
			}
			if n == 20 {
				break
			}
		}
	}
	stopped.Store(true)
	g.Wait()
	here.Must(err)
	if good.Load() == 0 {
		t.Error("nothing was let through before, so nothing was tried")
	}
	if e.Took > took {
		t.Errorf("the answer says %s, the caller waited %s", e.Took, took)
	}
	return took
}
