package apikey_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// A route that names no market lets a key trade markets that are not on its list.
func TestAKeyWithMarketsTradesNothingWhereNoneIsNamed(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Symbols = []string{"BTC-USD"}
		bot, _ := o.p.Bot(n)
		batch := call{method: "POST", path: "/v1/batch", body: `[{"symbol":"DOGE-USD","side":"buy"}]`}
		o.want(o.request(bot, batch), apikey.Need{Scope: apikey.TradeSpot, Class: apikey.ClassTrade}, "SYMBOL_NOT_ALLOWED")
	})
}

// An exchange may trade by GET; what changes something is said by the scope as well.
func TestAnOrderByGETIsRememberedToo(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(trading)
		r := o.request(bot, call{method: "GET", path: "/v1/order/place", query: "symbol=BTC-USD"})
		o.want(r, trade, "")
		o.want(r, trade, "REPLAYED")
	})
}

// Two accounts whose requests read the same are two requests: the profile of binance signs
// no name of a key, and a signature is remembered by what was signed.
func TestWhatOneAccountSentIsNotAReplayOfAnother(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		var at time.Time
		make := func(p *signintest.Person) func() *apikey.Request {
			n := trading
			n.Profile = apikey.Binance
			pub, priv, _ := ed25519.GenerateKey(rand.Reader)
			n.Public, n.Purpose = pub, "binance bot"
			c, err := n.Checked()
			o.w.Must(err)
			p.Touch(c.Act().Kind, c.Act().Object)
			key, err := o.w.BotKeys.Add(t.Context(), p.Cause(), p.By(), n)
			o.w.Must(err)
			return func() *apikey.Request {
				q := fmt.Sprintf("symbol=BTCUSD&side=BUY&timestamp=%d", at.UnixMilli())
				sig := url.QueryEscape(base64.StdEncoding.EncodeToString(ed25519.Sign(priv, []byte(q))))
				return &apikey.Request{Method: "POST", Authority: authority, Path: "/api/v3/order", Query: q + "&signature=" + sig,
					Header: http.Header{"X-Mbx-Apikey": {string(key.ID)}}, Peer: home}
			}
		}
		other := o.w.NewPerson()
		o.w.Must(other.SignUp())
		mine, theirs := make(o.p), make(other)
		o.w.Clock.Sleep(time.Minute)
		at = o.w.DB.Now()
		need := apikey.Need{Scope: apikey.TradeSpot, Class: apikey.ClassTrade}
		o.want(theirs(), need, "")
		o.want(mine(), need, "") // at the same millisecond
	})
}

// A request that somebody found in an old log, with a header that was never signed, ends
// what a bot may do.
func TestAnOldRequestQuarantinesNothing(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(trading)
		old := o.request(bot, balance)
		o.w.Clock.Sleep(24 * time.Hour)
		old.Header["Origin"] = []string{"https://evil.example"}
		for range 2 {
			o.answers(old, look)
			o.w.Clock.Sleep(2 * time.Minute)
		}
		o.want(o.request(bot, order), trade, "")
	})
}

// Who knows the name of a key sends from 64 addresses of one IPv6 network what does not
// hold; then the thief of its secret has no address in its story.
func TestAStrangerHidesNobodyInTheStory(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(apikey.NewKey{Alg: apikey.HMACSHA256, Scopes: apikey.ReadAccount})
		noise := o.request(&softkey.Bot{ID: bot.ID, Authority: authority, Secret: "x"}, balance)
		for i := range 64 {
			r := *noise
			r.Peer = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
			o.answers(&r, look)
		}
		o.want(o.request(bot, call{method: "GET", path: "/v1/balance", peer: foreign}), look, "")
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) error {
			k, err := o.w.BotKeys.ByID(tx, o.p.Account, key.ID)
			if err != nil {
				return err
			}
			story, err := o.w.BotKeys.Story(tx, k, o.w.DB.Now().Add(-time.Hour), o.w.DB.Now().Add(time.Hour))
			for _, l := range story {
				if l.Code == "" && l.Addr != foreign.String() {
					t.Errorf("what was let in came from %q", l.Addr)
				}
			}
			if k.UsedAddr != foreign.String() {
				t.Errorf("last used from %q", k.UsedAddr)
			}
			return err
		}))
	})
}

func TestASecretThatIsBroughtIsNotPrinted(t *testing.T) {
	b := apikey.Brought{ID: "x", Secret: "hunter2hunter2", Passphrase: "letmein"}
	for _, s := range []string{fmt.Sprint(b), fmt.Sprintf("%+v", b), fmt.Sprintf("%#v", b)} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, "letmein") {
			t.Errorf("printed: %s", s)
		}
	}
}

// An account that is erased leaves no addresses and no secrets behind.
func TestErasingTakesAddressesAndSecrets(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Alg = apikey.HMACSHA256
		bot, _ := o.p.Bot(n)
		o.want(o.request(bot, balance), look, "")
		o.w.Must(o.w.BotKeys.Flush(t.Context())) // and whoever is writing has written
		o.want(o.request(bot, balance), look, "")
		o.w.Must(o.w.Contain.Erase(t.Context(), store.Cause{Actor: "operator:test"}, o.p.Account))
		o.w.Must(o.w.BotKeys.Flush(t.Context())) // a minute later
		for _, q := range []string{"apikey_key WHERE allow <> '' OR deny <> '' OR sub <> ''", "apikey_version WHERE sealed IS NOT NULL", "apikey_use"} {
			if n := o.w.Count(q); n != 0 {
				t.Errorf("%d rows in %s", n, q)
			}
		}
	})
}

// While the lease is away every request reads the key anew, and with it a clean slate.
func TestTheSpeedOfAKeyIsHeldWhileTheLogIsNotHeard(t *testing.T) {
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	o := &owner{t: t, w: w, p: w.NewPerson()}
	w.Must(o.p.SignUp())
	clock.Sleep(time.Minute)
	n := trading
	n.PerMin = 1
	bot, _ := o.p.Bot(n)
	deaf := apikey.New(apikey.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Fresh: func() bool { return false }})
	in := 0
	for range 50 {
		if _, no := deaf.Verify(t.Context(), o.request(bot, balance), look); no == nil {
			in++
		}
	}
	if in > 10 {
		t.Errorf("%d requests in no time with a key of one a minute and a burst of ten", in)
	}
}

// What took a minute of memory to forget comes back when the clock is set back.
func TestAClockThatIsSetBackLetsNothingInAgain(t *testing.T) {
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	o := &owner{t: t, w: w, p: w.NewPerson()}
	w.Must(o.p.SignUp())
	clock.Sleep(time.Minute)
	n := trading
	n.PerMin = 60_000
	bot, _ := o.p.Bot(n)
	n.Purpose = "another bot"
	busy, _ := o.p.Bot(n)
	r := o.request(bot, order)
	o.want(r, trade, "")
	for range 2 { // both generations go
		clock.Sleep(63 * time.Second)
		for range 400 { // some of them in the same shard
			o.answers(o.request(busy, order), trade)
			clock.Sleep(60 * time.Millisecond)
		}
	}
	clock.Sleep(-(2*63*time.Second + 800*60*time.Millisecond))
	if got := o.answers(r, trade); got == "" { // forgotten: "cannot be decided" is right
		t.Error("let in again")
	}
}
