package apikey_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// alone is a gate of its own beside a server: no root, its file of keys, an ear on the
// log, and a database that can be killed.
func alone(t *testing.T, grace time.Duration) (o *owner, gate *apikey.Service, watch *audit.Watch, own *storetest.Own) {
	t.Helper()
	own = storetest.NewOwn(t)
	if _, err := store.Migrate(t.Context(), store.Options{URL: own.URL()}); err != nil {
		t.Fatal(err)
	}
	open := func() *store.DB {
		db, err := store.Open(t.Context(), store.Options{URL: own.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() }) // its server may be gone by then
		return db
	}
	db := open()
	ring := keyringtest.Open(t, keyringtest.KEK(t), db, time.Now)
	w := signintest.Process(t, db, ring, nil)
	w.Listen()
	path := filepath.Join(t.TempDir(), "gate.keys")
	w.Must(ring.WriteSafeFile(path))
	safe, err := keyring.OpenSafeFile(path, false)
	w.Must(err)
	far := open()
	log := audit.NewReader("")
	watch = audit.NewWatch(far, log, "gate", time.Now)
	watch.Guest = true
	gate = apikey.New(apikey.Parts{DB: far, Safe: safe, Log: log, Accounts: account.NewReader(), Fresh: watch.Valid, Lost: watch.Lost, Grace: grace})
	watch.OnEffect(gate.Heard)
	o = &owner{t: t, w: w, p: w.NewPerson()}
	(&signintest.World{T: t, Watch: watch}).Listen()
	w.Must(o.p.SignUp())
	return o, gate, watch, own
}

func at(gate *apikey.Service, o *owner) *owner {
	w := *o.w
	w.BotKeys = gate
	return &owner{o.t, &w, o.p}
}

func (o *owner) soon(what string, f func() bool) {
	o.t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			o.t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

func (o *owner) count(action audit.Action) (n int) {
	recs, _, err := o.w.Log.Tail(o.t.Context(), o.w.DB, -1, 1000)
	o.w.Must(err)
	_, unsealed, err := o.w.Log.Tail(o.t.Context(), o.w.DB, 1<<40, 1000)
	o.w.Must(err)
	for _, r := range append(recs, unsealed...) {
		if r.Action == action {
			n++
		}
	}
	return n
}

func TestAGateOfItsOwnOpensKeysAndWritesNoHistory(t *testing.T) {
	o, gate, _, _ := alone(t, 0)
	n := trading
	n.Alg = apikey.HMACSHA256
	bot, key := o.p.Bot(n)
	far := at(gate, o)
	far.want(far.request(bot, balance), look, "")
	far.want(far.request(bot, order), trade, "")

	// In a web page: refused there, told by the server, and heard by the gate again.
	inPage := balance
	inPage.header = http.Header{"Origin": {"https://tools.example"}}
	for range 5 {
		far.want(far.request(bot, inPage), look, "KEY_IN_BROWSER")
	}
	if n := o.count("apikey.in_browser"); n != 0 {
		t.Fatalf("%d events before a server looked", n)
	}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		o.w.BotKeys.Run(ctx, func(err error) { t.Error(err) })
	}()
	o.soon("the owner is told", func() bool { return o.count("apikey.in_browser") == 1 })
	stop()
	<-done

	// The secret was used: counted by the gate, written on the key by the server.
	o.w.Must(gate.Flush(t.Context()))
	o.w.Must(o.w.BotKeys.Flush(t.Context()))
	err := o.w.DB.View(t.Context(), func(tx *store.Tx) error {
		k, err := o.w.BotKeys.ByID(tx, o.p.By().Account, key.ID)
		if k.UsedAt.IsZero() {
			t.Error("nobody knows when the key was used")
		}
		return err
	})
	o.w.Must(err)
	_, err = o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
	o.w.Must(err)
	far.want(far.request(bot, balance), look, "(AUTH_FAILED)") // acknowledged means refused
}

func TestAGateWithTheFileOfAnotherDeploymentSaysSo(t *testing.T) {
	o, _, _, own := alone(t, 0)
	n := trading
	n.Alg = apikey.HMACSHA256
	o.p.Bot(n)
	db := storetest.SQLite(t)
	other := keyringtest.Open(t, keyringtest.KEK(t), db, time.Now)
	path := filepath.Join(t.TempDir(), "gate.keys")
	o.w.Must(other.WriteSafeFile(path))
	safe, err := keyring.OpenSafeFile(path, false)
	o.w.Must(err)
	far, err := store.Open(t.Context(), store.Options{URL: own.URL()})
	o.w.Must(err)
	defer far.Close()
	gate := apikey.New(apikey.Parts{DB: far, Safe: safe, Log: audit.NewReader(""), Accounts: account.NewReader()})
	if err := gate.Opens(t.Context()); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("%v, want: does not open", err)
	}
	if err := o.w.BotKeys.Opens(t.Context()); err != nil {
		t.Errorf("its own: %v", err)
	}
}

// While nobody answers: looking and cancelling for the grace, and nothing else; how much
// it was stands in the log afterwards.
func TestWithoutADatabaseOnlyWhatClosesGoesOn(t *testing.T) {
	o, gate, watch, own := alone(t, 5*time.Second)
	bot, _ := o.p.Bot(trading)
	stranger, _ := o.p.Bot(trading) // whom the gate has never seen
	far := at(gate, o)
	far.want(far.request(bot, balance), look, "")
	// What a gate could have let in before it started it refuses without a database; a bot
	// says its time in whole seconds.
	time.Sleep(2200 * time.Millisecond)
	// One that was cancelled and is sent again is not let in twice by the gate that saw it.
	gone := call{method: "DELETE", path: "/v1/orders/7"}
	once := far.request(bot, gone)
	far.want(once, cancel, "")
	own.Kill()
	o.soon("the lease has run out", func() bool { return !watch.Valid() })
	for what, c := range map[string]struct {
		call call
		need apikey.Need
		want string
	}{
		"looking":         {balance, look, ""},
		"cancelling":      {gone, cancel, ""},
		"an order":        {order, trade, "(UNAVAILABLE)"},
		"its own affairs": {call{method: "GET", path: "/v1/whoami"}, apikey.Need{Class: apikey.ClassRead}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			f := at(gate, &owner{t, o.w, o.p})
			f.want(f.request(bot, c.call), c.need, c.want)
		})
	}
	far.want(once, cancel, "REPLAYED")
	far.want(far.request(stranger, balance), look, "(UNAVAILABLE)")
	d, no := gate.Verify(t.Context(), far.request(bot, balance), look)
	if no != nil || d.Stale <= 0 || d.Stale > 5*time.Second {
		t.Errorf("%v %v", d.Stale, no)
	}
	told := gate.Stale()
	if told < 4 {
		t.Errorf("%d answers were counted", told)
	}
	o.soon("the grace is over", func() bool { return far.answers(far.request(bot, balance), look) == "(UNAVAILABLE)" })
	own.Start()
	o.soon("the gate hears the log again", watch.Valid)
	far.want(far.request(bot, order), trade, "")
	o.w.Must(gate.Flush(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); o.w.BotKeys.Run(ctx, func(err error) { t.Error(err) }) }()
	o.soon("it stands in the log", func() bool { return o.count("gate.stale") == 1 })
	stop()
	<-done
}

// Secrets that were sealed before gates had keys of their own are sealed anew, once.
func TestOldSecretsAreSealedForGates(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Alg = apikey.HMACSHA256
		var bots []*softkey.Bot
		for range 3 {
			bot, key := o.p.Bot(n)
			bots = append(bots, bot)
			row := string(key.ID) + "/1"
			old, err := o.w.Ring.Seal([]byte(key.Secret), "apikey_version", row, "sealed")
			o.w.Must(err)
			o.w.Must(o.w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec("UPDATE apikey_version SET sealed = $1 WHERE key_id = $2", old, string(key.ID))
				return err
			}))
		}
		for want := 3; want >= 0; want -= 3 {
			n, err := o.w.BotKeys.Reseal(t.Context(), store.Cause{Actor: "operator:test"})
			if err != nil || n != want {
				t.Fatalf("sealed %d anew, %v; want %d", n, err, want)
			}
		}
		for _, bot := range bots {
			o.want(o.request(bot, order), trade, "")
		}
		if n := o.count("apikey.resealed"); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}
