package apikey

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	mac32  = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
	mac64  = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
	sig88  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
	apiKey = "985d5b66-57ce-40fb-b714-afc0b9787083"
)

var goodLogins = []struct {
	name, message, signed string
	profile               Profile
	alg                   Alg
}{
	{"okx as its documents have it", `{"op":"login","args":[{"apiKey":"` + apiKey + `","passphrase":"123456","timestamp":"1538054050","sign":"` + mac64 + `"}]}`,
		"1538054050GET/users/self/verify", OKX, HMACSHA256},
	{"okx with the time as a number", `{"op":"login","args":[{"apiKey":"` + apiKey + `","passphrase":"123456","timestamp":1538054050,"sign":"` + mac64 + `"}]}`,
		"1538054050GET/users/self/verify", OKX, HMACSHA256},
	{"okx as a client with access to private channels sends it", `{"op":"login","args":[{"apiKey":"k","passphrase":"p","timestamp":"1538054050","sign":"` + mac64 + `"}],"access":"private"}`,
		"1538054050GET/users/self/verify", OKX, HMACSHA256},
	{"bybit with a number", `{"req_id":"10001","op":"auth","args":["` + apiKey + `",1662350400000,"` + mac32 + `"]}`, "GET/realtime1662350400000", Bybit, HMACSHA256},
	{"bybit with a text", `{"op":"auth","args":["` + apiKey + `","1662350400000","` + mac32 + `"]}`, "GET/realtime1662350400000", Bybit, HMACSHA256},
	{"binance with Ed25519", `{"id":"c174a2b1-3f51-4580-b200-8528bd237cb7","method":"session.logon","params":{"apiKey":"` + apiKey + `","signature":"` + sig88 + `","timestamp":1649729878532}}`,
		"apiKey=" + apiKey + "&timestamp=1649729878532", Binance, Ed25519},
	{"binance with a window, in another order", `{"params":{"timestamp":1649729878532,"signature":"` + mac32 + `","recvWindow":5000.5,"apiKey":"k"},"method":"session.logon","id":7}`,
		"apiKey=k&recvWindow=5000.5&timestamp=1649729878532", Binance, HMACSHA256},
}

func TestLoginsAreReadAsTheyAreSigned(t *testing.T) {
	for _, row := range goodLogins {
		l, ok := ReadLogin([]byte(row.message))
		if !ok || string(l.claim.Signed) != row.signed || l.Profile() != row.profile || l.claim.Alg != row.alg {
			t.Errorf("%s: %v %+v", row.name, ok, l)
		}
	}
	l, _ := ReadLogin([]byte(goodLogins[3].message))
	if !l.claim.At.IsZero() || l.claim.Ends.UnixMilli() != 1662350400000 {
		t.Errorf("bybit: %+v", l.claim)
	}
}

func TestLoginsThatAreNone(t *testing.T) {
	okx, bybit, binance := goodLogins[0].message, goodLogins[3].message, goodLogins[5].message
	for name, message := range map[string]string{
		"nothing":                                "",
		"no object":                              `["login"]`,
		"another op":                             strings.Replace(okx, "login", "subscribe", 1),
		"an op in another case":                  strings.Replace(okx, "login", "LOGIN", 1),
		"two accounts at once":                   strings.Replace(okx, `}]`, `},{"apiKey":"b","passphrase":"p","timestamp":"1538054050","sign":"`+mac64+`"}]`, 1),
		"a name twice":                           strings.Replace(okx, `"passphrase"`, `"apiKey":"x","passphrase"`, 1),
		"a name twice, once escaped":             strings.Replace(okx, `"passphrase"`, `"api\u004bey":"x","passphrase"`, 1),
		"okx: an argument that nobody reads":     strings.Replace(okx, `"passphrase"`, `"uid":"7","passphrase"`, 1),
		"okx: milliseconds":                      strings.Replace(okx, "1538054050", "1538054050000", 1),
		"okx: a time with a sign":                strings.Replace(okx, "1538054050", "+153805405", 1),
		"okx: no passphrase":                     strings.Replace(okx, "123456", "", 1),
		"okx: a signature in hex":                strings.Replace(okx, mac64, mac32, 1),
		"okx: a signature with a line break":     strings.Replace(okx, mac64, mac64[:20]+`\n`+mac64[20:], 1),
		"okx: something after it":                okx + okx,
		"bybit: two arguments":                   strings.Replace(bybit, `,1662350400000`, "", 1),
		"bybit: four":                            strings.Replace(bybit, `,1662350400000`, ",1,1662350400000", 1),
		"bybit: seconds":                         strings.Replace(bybit, "1662350400000", "1662350400", 1),
		"bybit: a time in another spelling":      strings.Replace(bybit, "1662350400000", "1.66235e12", 1),
		"bybit: a key that is a number":          strings.Replace(bybit, `"`+apiKey+`"`, "7", 1),
		"bybit: an id with a quote":              strings.Replace(bybit, `"10001"`, `"a\"b"`, 1),
		"bybit: a short signature":               strings.Replace(bybit, mac32, mac32[2:], 1),
		"binance: a parameter that nobody reads": strings.Replace(binance, `"apiKey"`, `"x":1,"apiKey"`, 1),
		"binance: a key that is two parameters":  strings.Replace(binance, apiKey, "k&timestamp=1", 1),
		"binance: seconds":                       strings.Replace(binance, "1649729878532", "1649729878", 1),
		"binance: no time":                       strings.Replace(binance, `,"timestamp":1649729878532`, "", 1),
		"binance: a window of nothing":           strings.Replace(binance, `"apiKey"`, `"recvWindow":0,"apiKey"`, 1),
		"binance: a window of an hour":           strings.Replace(binance, `"apiKey"`, `"recvWindow":3600000,"apiKey"`, 1),
		"binance: no signature":                  strings.Replace(binance, sig88, "", 1),
		"binance: an id that is an object":       strings.Replace(binance, `"c174a2b1-3f51-4580-b200-8528bd237cb7"`, `{}`, 1),
		"binance: an order":                      strings.Replace(binance, "session.logon", "order.place", 1),
		"broken UTF-8":                           strings.Replace(okx, "123456", "\xff", 1),
		"too long":                               okx + strings.Repeat(" ", maxLogin),
	} {
		if l, ok := ReadLogin([]byte(message)); ok {
			t.Errorf("%s: %+v", name, l.claim)
		}
	}
}

// Whatever a client calls its message comes back as it stood, and nothing else of its does.
func TestAnswersToLogins(t *testing.T) {
	for _, row := range goodLogins {
		l, ok := ReadLogin([]byte(row.message))
		if !ok {
			t.Fatal(row.name)
		}
		for code := range codes {
			b := l.Refusal(code, Facts{RequestID: "req_x", ServerAt: time.UnixMilli(1), Needed: ReadOrders})
			var out map[string]any
			if err := json.Unmarshal(b, &out); err != nil {
				t.Fatalf("%s: %s", row.name, b)
			}
			if code == AuthFailed && bytes.Contains(b, []byte("read.orders")) {
				t.Errorf("%s: %s says more than that it failed", row.name, b)
			}
			if l.id != nil && !bytes.Contains(b, l.id) {
				t.Errorf("%s: %s does not name the message", row.name, b)
			}
			if code == Replayed && (out["code"] == "60006" || strings.Contains(string(b), "-1021")) {
				t.Errorf("%s: a replay looks like a clock that is wrong: %s", row.name, b)
			}
		}
		if b := l.Welcome(&Decision{At: time.UnixMilli(1649729878532)}); !json.Valid(b) {
			t.Errorf("%s", b)
		}
	}
}

func TestWhichHandshakesComeFromPages(t *testing.T) {
	for name, row := range map[string]struct {
		header http.Header
		page   bool
	}{
		"a program":                            {http.Header{}, false},
		"a program that writes where it goes":  {http.Header{"Origin": {"https://api.example.com"}}, false},
		"the same without TLS":                 {http.Header{"Origin": {"http://API.example.com"}}, false},
		"a page":                               {http.Header{"Origin": {"https://evil.example"}}, true},
		"a page whose name only looks like it": {http.Header{"Origin": {"https://api.example.com.evil.example"}}, true},
		"a page without an origin":             {http.Header{"Origin": {"null"}}, true},
		"a browser that says so":               {http.Header{"Sec-Fetch-Site": {"cross-site"}}, true},
		"two origins":                          {http.Header{"Origin": {"https://api.example.com", "https://evil.example"}}, true},
	} {
		if got := pageOf(&Request{Authority: "api.example.com", Header: row.header}); got != row.page {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzLogin(f *testing.F) {
	for _, row := range goodLogins {
		f.Add([]byte(row.message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		l, ok := ReadLogin(message)
		if !ok {
			return
		}
		c := l.claim
		if c.Key == "" || len(c.Sig) != 32 && len(c.Sig) != 64 || c.At.IsZero() == c.Ends.IsZero() {
			t.Fatalf("%+v", c)
		}
		// What was signed is a text of the one form of its profile, whatever the JSON was.
		want := map[Profile]func() bool{
			OKX:   func() bool { return strings.HasSuffix(string(c.Signed), "GET/users/self/verify") },
			Bybit: func() bool { return strings.HasPrefix(string(c.Signed), "GET/realtime") && len(c.Signed) == 25 },
			Binance: func() bool {
				return strings.HasPrefix(string(c.Signed), "apiKey="+c.Key+"&") && strings.Count(string(c.Signed), "timestamp=") == 1 && strings.Count(string(c.Signed), "=") <= 3
			},
		}[c.Profile]
		if want == nil || !want() {
			t.Fatalf("%s: %q", c.Profile, c.Signed)
		}
		if b := l.Refusal(AuthFailed, Facts{}); !json.Valid(b) {
			t.Fatalf("%s", b)
		}
	})
}
