package apikey_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

var profileNamed = map[string]apikey.Profile{
	"": apikey.Native, "binance": apikey.Binance, "okx": apikey.OKX, "bitget": apikey.Bitget, "coinbaseexchange": apikey.CoinbaseExchange, "bybit": apikey.Bybit,
	"kraken": apikey.Kraken, "upbit": apikey.Upbit, "deribit": apikey.Deribit, "gemini": apikey.Gemini, "coinbase": apikey.CDP,
}

// TestVectorsThroughTheWholeWay brings each key of the vectors into a database and sends
// its request through everything that a real one passes, at the time it was signed.
func TestVectorsThroughTheWholeWay(t *testing.T) {
	folder := os.Getenv("KEYWARD_VECTORS")
	if folder == "" {
		t.Skip("KEYWARD_VECTORS does not name the folder with the vectors of other clients; make vectors runs them")
	}
	b, err := os.ReadFile(filepath.Join(folder, "apikeys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Name, Exchange, Key, Secret, Passphrase, Expect string
			Seed                                            string `json:"seed_b64"`
			ClockMS                                         int64  `json:"clock_ms"`
			ClockS                                          int64  `json:"clock_s"`
			Request                                         *struct {
				Method, URL, Body string
				Headers           map[string]string
			}
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for _, v := range file.Vectors {
		if v.Request == nil || v.Key == "" || v.ClockMS == 0 && v.ClockS == 0 {
			continue // texts and formats without a request, and one of a page that names no key
		}
		sent++
		t.Run(v.Name, func(t *testing.T) {
			if v.ClockMS == 0 {
				v.ClockMS = v.ClockS * 1000
			}
			clock := signintest.NewClock()
			clock.Sleep(time.UnixMilli(v.ClockMS).Add(-time.Minute).Sub(clock.Now()))
			w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
			p := w.NewPerson()
			w.Must(p.SignUp())
			clock.Sleep(time.Minute)
			in := apikey.Brought{ID: apikey.ID(v.Key), Secret: v.Secret, Passphrase: v.Passphrase,
				NewKey: apikey.NewKey{Purpose: "moved here", Profile: profileNamed[v.Exchange], Scopes: apikey.ReadAccount, Allow: []netip.Prefix{netip.PrefixFrom(home, 32)}}}
			switch seed, _ := base64.StdEncoding.DecodeString(v.Seed); {
			case v.Seed != "":
				in.Public = ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
			case strings.Contains(v.Secret, "PRIVATE KEY"):
				block, _ := pem.Decode([]byte(v.Secret))
				key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
				w.Must(err)
				in.Public, in.Secret = key.(ed25519.PrivateKey).Public().(ed25519.PublicKey), ""
			case in.Profile == apikey.Native || in.Profile == apikey.Binance:
				in.Alg = apikey.HMACSHA256
			}
			_, err := w.BotKeys.Import(t.Context(), store.Cause{Actor: "operator:test"}, p.Account, in)
			w.Must(err)
			u, err := url.Parse(v.Request.URL)
			w.Must(err)
			r := &apikey.Request{Method: v.Request.Method, Authority: u.Host, Path: u.EscapedPath(), Query: u.RawQuery, Header: http.Header{}, Body: []byte(v.Request.Body), Peer: home}
			for name, value := range v.Request.Headers {
				r.Header.Set(name, value)
			}
			_, no := w.BotKeys.Verify(t.Context(), r, look)
			switch {
			case v.Expect == "reject" && (no == nil || no.Proved):
				t.Errorf("let in, or told more than AUTH_FAILED: %+v", no)
			case v.Expect != "reject" && no != nil:
				t.Errorf("refused: %+v", no)
			}
			if v.Expect == "reject" {
				return
			}
			_, again := w.BotKeys.Verify(t.Context(), r, look)
			timeless := in.Profile == apikey.Upbit
			remembered := r.Method != "GET" || timeless || in.Profile == apikey.Kraken || in.Profile == apikey.Gemini
			if remembered != (again != nil) {
				t.Errorf("the same request again: %+v", again)
			}
		})
	}
	if sent != 22 {
		t.Errorf("%d requests were sent, want 22", sent)
	}
}
