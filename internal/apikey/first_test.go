package apikey_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// While the log is not heard every request reads its key anew, and each would be the first.
// A new key that is busy in that time must not put a write of everything behind each of its
// requests: the database has trouble enough.
func TestABusyNewKeyWritesItsFirstUseAFewTimesAtMost(t *testing.T) {
	clock := signintest.NewClock()
	o := &owner{t: t, w: signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)}
	o.p = o.w.NewPerson()
	o.w.Must(o.p.SignUp())
	clock.Sleep(time.Minute)
	bot, _ := o.p.Bot(trading)
	o.w.BotKeys = apikey.New(apikey.Parts{DB: o.w.DB, Ring: o.w.Ring, Log: o.w.Log, Accounts: o.w.Accounts, Devices: o.w.Devices, Fresh: func() bool { return false }})
	held, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { // somebody writes, and it takes long
		defer close(done)
		_ = o.w.DB.Update(t.Context(), store.Cause{Actor: "operator:test"}, func(tx *store.Tx) error {
			close(held)
			<-release
			return errors.New("given up")
		})
	}()
	<-held
	before := runtime.NumGoroutine()
	for range 100 {
		o.want(o.request(bot, balance), look, "")
	}
	if n := runtime.NumGoroutine() - before; n > 20 {
		t.Errorf("%d writers wait for one key", n)
	}
	close(release)
	<-done
}
