package apikey_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// aBot is a key of a profile, in a world of its own.
func aBot(t *testing.T, profile apikey.Profile, alg apikey.Alg) (*signintest.World, apikey.Created) {
	t.Helper()
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	p := w.NewPerson()
	w.Must(p.SignUp())
	clock.Sleep(time.Minute)
	_, c := p.Bot(apikey.NewKey{Profile: profile, Alg: alg, Scopes: apikey.ReadAccount | apikey.TradeSpot | apikey.TradeCancel, Allow: []netip.Prefix{netip.PrefixFrom(home, 32)}})
	return w, c
}

// binanceAsks signs what neither says a method nor a path.
func binanceAsks(w *signintest.World, c apikey.Created, method, path string, at time.Time) *apikey.Request {
	q := "timestamp=" + strconv.FormatInt(at.UnixMilli(), 10) + "&recvWindow=10000"
	mac := hmac.New(sha256.New, []byte(c.Secret))
	mac.Write([]byte(q))
	return &apikey.Request{Method: method, Path: path, Query: q + "&signature=" + hex.EncodeToString(mac.Sum(nil)), Header: http.Header{"X-Mbx-Apikey": {string(c.ID)}}, Peer: home}
}

func TestTwoReadsOfOneMillisecondPassAndNeverComeBackAsAChange(t *testing.T) {
	w, c := aBot(t, apikey.Binance, apikey.HMACSHA256)
	at := w.DB.Now()
	cancel := apikey.Need{Scope: apikey.TradeCancel, Class: apikey.ClassCancel}
	for _, path := range []string{"/sapi/v1/margin/allPairs", "/sapi/v1/margin/isolated/allPairs"} {
		if _, no := w.BotKeys.Verify(t.Context(), binanceAsks(w, c, "GET", path, at), look); no != nil {
			t.Fatalf("%s: %+v", path, no)
		}
	}
	if _, no := w.BotKeys.Verify(t.Context(), binanceAsks(w, c, "DELETE", "/api/v3/openOrders", at), cancel); no == nil || no.Code != apikey.Replayed {
		t.Errorf("a read that somebody saw cancels orders: %+v", no)
	}
	// Nor by a route that is a GET and changes something.
	if _, no := w.BotKeys.Verify(t.Context(), binanceAsks(w, c, "GET", "/cancel", at), cancel); no == nil || no.Code != apikey.Replayed {
		t.Errorf("a read that somebody saw cancels orders by a GET: %+v", no)
	}
	later := at.Add(time.Millisecond)
	if _, no := w.BotKeys.Verify(t.Context(), binanceAsks(w, c, "DELETE", "/api/v3/openOrders", later), cancel); no != nil {
		t.Fatalf("%+v", no)
	}
	if _, no := w.BotKeys.Verify(t.Context(), binanceAsks(w, c, "DELETE", "/api/v3/openOrders", later), cancel); no == nil || no.Code != apikey.Replayed {
		t.Errorf("a change twice: %+v", no)
	}
}

func TestAnOrderOfKrakenThatComesAgainIsToldSo(t *testing.T) {
	w, c := aBot(t, apikey.Kraken, apikey.HMACSHA512)
	secret, err := base64.StdEncoding.DecodeString(c.Secret)
	w.Must(err)
	asks := func(nonce, volume string) *apikey.Request {
		body := "nonce=" + nonce + "&pair=XBTUSDT&type=buy&ordertype=limit&price=1&volume=" + volume
		sum := sha256.Sum256([]byte(nonce + body))
		mac := hmac.New(sha512.New, secret)
		mac.Write(append([]byte("/0/private/AddOrder"), sum[:]...))
		return &apikey.Request{Method: "POST", Path: "/0/private/AddOrder", Body: []byte(body), Peer: home,
			Header: http.Header{"Api-Key": {string(c.ID)}, "Api-Sign": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}, "Content-Type": {"application/x-www-form-urlencoded"}}}
	}
	first, no := w.BotKeys.Verify(t.Context(), asks("10", "1"), trade)
	if no != nil {
		t.Fatalf("%+v", no)
	}
	if _, no := w.BotKeys.Verify(t.Context(), asks("10", "1"), trade); no == nil || no.Code != apikey.Replayed || no.First != first.ID.String() {
		t.Errorf("the same order: %+v", no)
	}
	// Another request with a nonce that was used is not the same one, and was not carried out.
	if _, no := w.BotKeys.Verify(t.Context(), asks("10", "2"), trade); no == nil || no.Code != apikey.NonceTooLow {
		t.Errorf("another order with its nonce: %+v", no)
	}
	if _, no := w.BotKeys.Verify(t.Context(), asks("11", "1"), trade); no != nil {
		t.Errorf("the next: %+v", no)
	}
	if _, no := w.BotKeys.Verify(t.Context(), asks("10", "1"), trade); no == nil || no.Code != apikey.Replayed {
		t.Errorf("the first, after another: %+v", no)
	}
}
