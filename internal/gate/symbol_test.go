package gate

import "testing"

func TestWhereAMarketStands(t *testing.T) {
	for _, row := range []struct {
		sentence, in, query, body, want string // want "": refused
	}{
		{"in the query", inQuery, "side=buy&symbol=BTC-USD", "", "BTC-USD"},
		{"in the query, twice", inQuery, "symbol=BTC-USD&symbol=ETH-USD", "", ""},
		{"in the query, once more in other letters", inQuery, "symbol=BTC-USD&Symbol=ETH-USD", "", ""},
		{"in the query, empty", inQuery, "symbol=", "", ""},
		{"in a form", inForm, "", "symbol=BTCUSDT&side=BUY", "BTCUSDT"},
		{"in a form, percent-encoded", inForm, "", "%73ymbol=BTC%55SDT", "BTCUSDT"},
		{"in a form, twice, once percent-encoded", inForm, "", "symbol=BTCUSDT&%73ymbol=ETHUSDT", ""},
		{"in the query of a form", inForm, "symbol=BTCUSDT", "", ""},
		{"in a form with a semicolon, which some servers cut at", inForm, "", "symbol=BTCUSDT;symbol=ETHUSDT", ""},
		{"in an object", inBody, "", `{"side":"buy","symbol":"BTC-USD"}`, "BTC-USD"},
		{"in an object, twice", inBody, "", `{"symbol":"BTC-USD","symbol":"ETH-USD"}`, ""},
		{"in an object, once more in other letters", inBody, "", `{"symbol":"BTC-USD","SYMBOL":"ETH-USD"}`, ""},
		{"in an object, once more with a long s, which Go takes for an s", inBody, "", `{"symbol":"BTC-USD","ſymbol":"ETH-USD"}`, ""},
		{"in an object with another behind it", inBody, "", `{"symbol":"BTC-USD"}{"symbol":"ETH-USD"}`, ""},
		{"in an object, not a text", inBody, "", `{"symbol":["BTC-USD"]}`, ""},
		{"in one object of an array", inEach, "", `[{"symbol":"BTC-USDT"}]`, "BTC-USDT"},
		{"in each object of an array", inEach, "", `[{"symbol":"BTC-USDT"},{"symbol":"BTC-USDT"}]`, "BTC-USDT"},
		{"another one in the last object of an array", inEach, "", `[{"symbol":"BTC-USDT"},{"symbol":"ETH-USDT"}]`, ""},
		{"not in the last object of an array", inEach, "", `[{"symbol":"BTC-USDT"},{}]`, ""},
		{"twice in an object of an array", inEach, "", `[{"symbol":"BTC-USDT","symbol":"ETH-USDT"}]`, ""},
		{"in an array of nothing", inEach, "", `[]`, ""},
		{"in an array of arrays", inEach, "", `[[{"symbol":"BTC-USDT"}]]`, ""},
		{"in an object where an array is wanted", inEach, "", `{"symbol":"BTC-USDT"}`, ""},
		{"in an array with something behind it", inEach, "", `[{"symbol":"BTC-USDT"}][]`, ""},
		{"in an array where an object is wanted", inBody, "", `[{"symbol":"BTC-USDT"}]`, ""},
	} {
		got, ok := symbolOf(place{row.in, "symbol"}, row.query, []byte(row.body))
		if ok != (row.want != "") || got != row.want && ok {
			t.Errorf("%s: %q, %v", row.sentence, got, ok)
		}
	}
}
