package apikey

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the answers anew; testdata/ccxt.mjs then fills in what ccxt makes of them")

const taken = "testdata/ccxt-4.5.84.txt"

// againAllowed are the codes whose request was surely not carried out and may be signed
// anew and sent again by a program.
var againAllowed = []Code{OutsideWindow, NonceTooLow, RateLimited, Starting, Unavailable, KeysShut}

// toldFacts are all facts there are, for all codes.
var toldFacts = Facts{
	RequestID: "req_01", RequestAt: time.UnixMilli(1700000000123), ServerAt: time.UnixMilli(1700000009000), Window: 5 * time.Second,
	Seen: netip.MustParseAddr("203.0.113.7"), Needed: TradeSpot, First: "dec_01", RetryAfter: 1500 * time.Millisecond,
}

// TestWhatBotsMakeOfARefusal holds the table of words to the record of what ccxt throws.
func TestWhatBotsMakeOfARefusal(t *testing.T) {
	classes := map[string]string{}
	var rows strings.Builder
	for _, p := range slices.Sorted(maps.Keys(words)) {
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			if slices.Contains(ofPeople, code) {
				continue
			}
			told := Tell(p, code, toldFacts)
			fmt.Fprintf(&rows, "%s\t%s\t?\t%d\t%s\n", p, code, told.Status, told.Body)
		}
	}
	if *update {
		if err := os.WriteFile(taken, []byte(rows.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	record, err := os.ReadFile(taken)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(record)) {
		f := strings.SplitN(strings.TrimSpace(line), "\t", 5)
		classes[strings.Join([]string{f[0], f[1], "?", f[3], f[4]}, "\t")] = f[2]
	}
	for row := range strings.Lines(rows.String()) {
		row = strings.TrimSpace(row)
		class, ok := classes[row]
		f := strings.SplitN(row, "\t", 5)
		code := Code(f[1])
		switch {
		case !ok:
			t.Errorf("%s %s is told in words that no client was asked about: run the test with -update and then testdata/ccxt.mjs", f[0], code)
		case class == "?" || strings.Contains(class, "nothing") || strings.Contains(class, "SyntaxError") || strings.Contains(class, "TypeError"):
			t.Errorf("%s %s: ccxt throws %s", f[0], code, class)
		case strings.Contains(class, "again") && !slices.Contains(againAllowed, code) && !(f[0] == "binance" && code == IPNotAllowed):
			t.Errorf("%s %s: a bot sends it again (%s)", f[0], code, class)
		case code == Starting && !strings.Contains(class, "again"):
			t.Errorf("%s %s: a bot gives up (%s)", f[0], code, class)
		case code == AuthFailed && !strings.Contains(class, "AuthenticationError") && f[0] != "bithumb":
			t.Errorf("%s %s: a bot does not see that its key is wrong (%s)", f[0], code, class)
		}
	}
	if len(classes) != len(words)*(len(codes)-len(ofPeople)) {
		t.Errorf("%d rows are recorded, %d words there are", len(classes), len(words)*(len(codes)-len(ofPeople)))
	}
}

func TestEveryRefusalIsAnAnswerOfItsProfile(t *testing.T) {
	profiles := append(slices.Collect(maps.Keys(words)), Native, "no such profile")
	for _, p := range profiles {
		for code, row := range codes {
			told := Tell(p, code, toldFacts)
			if !json.Valid([]byte(told.Body)) || told.ContentType != "application/json" || told.Status < 200 {
				t.Errorf("%s %s: %+v", p, code, told)
			}
			if !strings.Contains(told.Body, row.says) || !strings.Contains(told.Body, string(code)) || !strings.Contains(told.Body, "req_01") {
				t.Errorf("%s %s does not say what happened: %s", p, code, told.Body)
			}
		}
	}
}

// TestNothingIsToldOfAKeyBeforeItsSignatureHolds: the uniform refusal is uniform even
// when a caller hands over all that it knows.
func TestNothingIsToldOfAKeyBeforeItsSignatureHolds(t *testing.T) {
	few := Facts{RequestID: toldFacts.RequestID, ServerAt: toldFacts.ServerAt}
	for _, p := range append(slices.Collect(maps.Keys(words)), Native) {
		if all, one := Tell(p, AuthFailed, toldFacts), Tell(p, AuthFailed, few); all != one {
			t.Errorf("%s: %s and %s", p, all.Body, one.Body)
		}
	}
}

func TestTheNativeAnswerTellsTheFactsThatAreSet(t *testing.T) {
	for _, row := range []struct {
		name string
		code Code
		f    Facts
		want Told
	}{
		{"a clock nine seconds slow", OutsideWindow, Facts{RequestID: "r", RequestAt: toldFacts.RequestAt, ServerAt: toldFacts.ServerAt, Window: toldFacts.Window},
			Told{401, `{"code":"TIMESTAMP_OUTSIDE_WINDOW","message":"The time of the request is outside of its window; set the clock right and sign anew.","request_id":"r","request_ts":1700000000123,"server_ts":1700000009000,"skew_ms":-8877,"window_ms":5000}`, "application/json"}},
		{"another address", IPNotAllowed, Facts{RequestID: "r", Seen: toldFacts.Seen},
			Told{403, `{"code":"IP_NOT_ALLOWED","message":"This key does not work from this address; send from a listed address or add this one to the key.","request_id":"r","seen_address":"203.0.113.7"}`, "application/json"}},
		{"an order that was sent twice", Replayed, Facts{RequestID: "r", First: "dec_01"},
			Told{409, `{"code":"REPLAYED","message":"This very request was decided before and was not carried out again; look up the first decision and do not send it again.","request_id":"r","first_decision":"dec_01"}`, "application/json"}},
		{"a server that starts, and a second and a half to wait", Starting, Facts{RequestID: "r", RetryAfter: 1500 * time.Millisecond},
			Told{503, `{"code":"STARTING","message":"The server has just started and takes only what was signed since; sign anew and send in a second.","request_id":"r","retry_after_s":2}`, "application/json"}},
		{"a code that does not exist", "NO_SUCH", Facts{RequestID: "r"},
			Told{503, `{"code":"UNAVAILABLE","message":"The request could not be decided and was not carried out; sign anew and send again later.","request_id":"r"}`, "application/json"}},
	} {
		if got := Tell(Native, row.code, row.f); got != row.want {
			t.Errorf("%s:\n got %+v\nwant %+v", row.name, got, row.want)
		}
	}
}

func TestEachProfileSpeaksItsOwnWords(t *testing.T) {
	f := Facts{RequestID: "r", ServerAt: time.UnixMilli(1700000000000)}
	says := codes[AuthFailed].says + " [AUTH_FAILED server_ts=1700000000000 request_id=r]"
	for p, want := range map[Profile]string{
		Binance:          `{"code":-1022,"msg":"` + says + `"}`,
		OKX:              `{"code":"50113","data":[],"msg":"` + says + `"}`,
		Bitget:           `{"code":"40009","msg":"` + says + `","requestTime":1700000000000,"data":null}`,
		Bybit:            `{"retCode":10004,"retMsg":"` + says + `","result":{},"retExtInfo":{},"time":1700000000000}`,
		Kraken:           `{"error":["EAPI:Invalid key","` + says + `"]}`,
		Upbit:            `{"error":{"name":"jwt_verification","message":"` + says + `"}}`,
		Bithumb:          `{"error":{"name":"jwt_verification","message":"` + says + `"}}`,
		Deribit:          `{"jsonrpc":"2.0","id":null,"error":{"code":13009,"message":"unauthorized","data":{"reason":"` + says + `"}}}`,
		Gemini:           `{"result":"error","reason":"InvalidSignature","message":"` + says + `"}`,
		CoinbaseExchange: `{"message":"invalid signature: ` + says + `"}`,
		CDP:              `{"error":"unauthorized","error_details":"` + says + `","message":"` + says + `"}`,
	} {
		if got := Tell(p, AuthFailed, f).Body; got != want {
			t.Errorf("%s says\n%s, want\n%s", p, got, want)
		}
	}
}
