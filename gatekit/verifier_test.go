package gatekit_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
)

var (
	noon  = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	order = []byte(`{"symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"100"}`)
)

func decision() gatekit.Decision {
	return gatekit.Decision{
		ID: "dec_01JDYQ4Z8M", Method: "POST", Target: "/v1/orders?dry=1", Body: sha256.Sum256(order),
		Account: "acc_7Q2", Sub: "sub_1", Credential: "key:kwk_live_1wD3", Scopes: "read trade", Issued: noon,
	}
}

// raw signs any payload, also what Sign would not.
func raw(k gatekit.Key, payload string) string {
	return tagged(k, "kwd1."+base64.RawURLEncoding.EncodeToString([]byte(payload)))
}

func tagged(k gatekit.Key, signed string) string {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func payload(t testing.TB, token string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestADecisionComesBackAsItWasMade(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*gatekit.Decision)
	}{
		{"an order by a key", func(*gatekit.Decision) {}},
		{"a read without a body, a sub-account, a scope", func(d *gatekit.Decision) {
			d.Method, d.Target, d.Body, d.Sub, d.Scopes = "GET", "/v1/balance", sha256.Sum256(nil), "", ""
		}},
		{"an account that may only leave", func(d *gatekit.Decision) { d.ExitOnly = true }},
		{"a target with a quote and a backslash", func(d *gatekit.Decision) { d.Target = `/v1/ticker?symbols=["BTC-USD"]&x=\` }},
		{"a target as encoded as it came", func(d *gatekit.Decision) { d.Target = `/v1/a%2fb/..//?q=%22&&=+` }},
		{"a session in the browser", func(d *gatekit.Decision) { d.Credential = "session:ses_9" }},
		{"the longest of all", func(d *gatekit.Decision) {
			d.ID, d.Target = "dec_"+strings.Repeat("a", 124), "/"+strings.Repeat(`\`, 8<<10-1)
			d.Account, d.Sub, d.Credential = strings.Repeat(`"`, 128), strings.Repeat(`"`, 128), "key:"+strings.Repeat(`"`, 124)
			d.Method, d.Scopes = strings.Repeat("M", 32), strings.Repeat("s", 1024)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := decision()
			row.edit(&d)
			body := order
			if d.Body == sha256.Sum256(nil) {
				body = nil
			}
			token := key.Sign(d)
			got, err := gatekit.NewVerifier(key).Check(token, d.Method, d.Target, body, noon)
			if err != nil || got != d {
				t.Fatalf("%+v, %v; want %+v", got, err, d)
			}
			// Everybody else reads it with the JSON parser at hand: it must say the same there.
			var seen struct {
				V                           int
				D, Kid, M, P, B, A, U, K, S string
				X                           bool
				Iat, Exp                    int64
			}
			if err := json.Unmarshal([]byte(payload(t, token)), &seen); err != nil || seen.V != 1 || seen.Kid != key.ID() ||
				seen.D != d.ID || seen.M != d.Method || seen.P != d.Target || seen.A != d.Account || seen.U != d.Sub || seen.K != d.Credential ||
				seen.S != d.Scopes || seen.X != d.ExitOnly || seen.Iat != d.Issued.UnixMilli() || seen.Exp != seen.Iat+5000 {
				t.Errorf("encoding/json reads %+v (%v)", seen, err)
			}
			if string(gatekit.NewSigner(key).Append([]byte("x"), d)) != "x"+token {
				t.Error("a Signer writes something else than its key")
			}
		})
	}
}

func TestWhatCannotBeSaidIsNotSigned(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*gatekit.Decision)
	}{
		{"without an id", func(d *gatekit.Decision) { d.ID = "" }},
		{"an id that is not a decision's", func(d *gatekit.Decision) { d.ID = "evt_1" }},
		{"an id with a quote", func(d *gatekit.Decision) { d.ID = `dec_"` }},
		{"an id that is too long", func(d *gatekit.Decision) { d.ID = "dec_" + strings.Repeat("a", 125) }},
		{"without a method", func(d *gatekit.Decision) { d.Method = "" }},
		{"a method that is no token", func(d *gatekit.Decision) { d.Method = "GET /" }},
		{"a target without a path", func(d *gatekit.Decision) { d.Target = "*" }},
		{"a target with a scheme", func(d *gatekit.Decision) { d.Target = "http://a/" }},
		{"a target with a space", func(d *gatekit.Decision) { d.Target = "/a b" }},
		{"a target with a line break", func(d *gatekit.Decision) { d.Target = "/a\n" }},
		{"a target with raw letters of another alphabet", func(d *gatekit.Decision) { d.Target = "/주문" }},
		{"a target that is too long", func(d *gatekit.Decision) { d.Target = "/" + strings.Repeat("a", 8<<10) }},
		{"without an account", func(d *gatekit.Decision) { d.Account = "" }},
		{"a sub-account with a space", func(d *gatekit.Decision) { d.Sub = "a b" }},
		{"a credential without a kind", func(d *gatekit.Decision) { d.Credential = "kwk_live_1" }},
		{"a credential of an unknown kind", func(d *gatekit.Decision) { d.Credential = "cookie:1" }},
		{"a credential without a name", func(d *gatekit.Decision) { d.Credential = "key:" }},
		{"scopes with two spaces between", func(d *gatekit.Decision) { d.Scopes = "read  trade" }},
		{"scopes with a space behind", func(d *gatekit.Decision) { d.Scopes = "read " }},
		{"a scope given twice", func(d *gatekit.Decision) { d.Scopes = "read trade read" }},
		{"a scope with a quote", func(d *gatekit.Decision) { d.Scopes = `re"ad` }},
		{"without a time", func(d *gatekit.Decision) { d.Issued = time.Time{} }},
		{"a time beyond all clocks", func(d *gatekit.Decision) { d.Issued = time.UnixMilli(1 << 52) }},
	} {
		d := decision()
		row.edit(&d)
		if token := key.Sign(d); token != "" {
			t.Errorf("%s: %s", row.name, token)
		}
	}
	if token := (gatekit.Key{}).Sign(decision()); token != "" {
		t.Errorf("the zero key signs: %s", token)
	}
}

func TestWhichDecisionsAreRefused(t *testing.T) {
	other := key
	other[31]++
	good := key.Sign(decision())
	text := payload(t, good)
	in := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in %s", old, text)
		}
		return raw(key, strings.Replace(text, old, new, 1))
	}
	parts := strings.Split(good, ".")
	last := len(good) - 1
	for _, row := range []struct {
		name   string
		token  string
		method string // POST when empty
		target string // that of the decision when empty
		body   string // the order when empty
		at     time.Duration
		want   error
	}{
		{name: "the decision itself", token: good},
		{name: "at its last millisecond", token: good, at: 5*time.Second - time.Millisecond},
		{name: "when the gate's clock is a second ahead", token: good, at: -time.Second},
		{name: "after five seconds", token: good, at: 5 * time.Second, want: gatekit.ErrExpired},
		{name: "when the gate's clock is more than a second ahead", token: good, at: -time.Second - time.Millisecond, want: gatekit.ErrNotYet},

		{name: "another method", token: good, method: "PUT", want: gatekit.ErrOtherRequest},
		{name: "the method in small letters", token: good, method: "post", want: gatekit.ErrOtherRequest},
		{name: "another path", token: good, target: "/v1/withdrawals?dry=1", want: gatekit.ErrOtherRequest},
		{name: "the query taken off", token: good, target: "/v1/orders", want: gatekit.ErrOtherRequest},
		{name: "a parameter more", token: good, target: "/v1/orders?dry=1&side=sell", want: gatekit.ErrOtherRequest},
		{name: "the same path in another spelling", token: good, target: "/v1/%6frders?dry=1", want: gatekit.ErrOtherRequest},
		{name: "another body", token: good, body: strings.Replace(string(order), "0.1", "10.", 1), want: gatekit.ErrOtherRequest},
		{name: "a body that says the same in other words", token: good, body: " " + string(order), want: gatekit.ErrOtherRequest},

		{name: "the key of another upstream", token: other.Sign(decision()), want: gatekit.ErrUnknownKey},
		{name: "the name of our key over a tag of another", token: raw(other, text), want: gatekit.ErrTag},
		{name: "the scopes widened, the tag kept", token: "kwd1." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(text, "read trade", "read money", 1))) + "." + parts[2], want: gatekit.ErrTag},
		{name: "a tag over the payload without the prefix", token: "kwd1." + strings.TrimPrefix(tagged(key, parts[1]), "kwd1."), want: gatekit.ErrTag},
		{name: "a tag of zeros", token: parts[0] + "." + parts[1] + "." + strings.Repeat("A", 43), want: gatekit.ErrTag},

		{name: "nothing", token: "", want: gatekit.ErrMalformed},
		{name: "the prefix alone", token: "kwd1.", want: gatekit.ErrMalformed},
		{name: "two parts", token: parts[0] + "." + parts[1], want: gatekit.ErrMalformed},
		{name: "four parts", token: good + "." + parts[2], want: gatekit.ErrMalformed},
		{name: "another version in front", token: tagged(key, "kwd2."+parts[1]), want: gatekit.ErrMalformed},
		{name: "a JWT without a signature", token: "eyJhbGciOiJub25lIn0.e30.", want: gatekit.ErrMalformed},
		{name: "a tag cut to half", token: good[:last-21], want: gatekit.ErrMalformed},
		{name: "no tag", token: parts[0] + "." + parts[1] + ".", want: gatekit.ErrMalformed},
		{name: "the tag padded", token: good + "=", want: gatekit.ErrMalformed},
		{name: "the unused bits of the tag set", token: good[:last] + string(next(good[last])), want: gatekit.ErrMalformed},
		{name: "a line break in the tag", token: good[:last-4] + "\n" + good[last-4:], want: gatekit.ErrMalformed},
		{name: "a line break in the payload, signed", token: tagged(key, "kwd1."+parts[1][:8]+"\r\n"+parts[1][8:]), want: gatekit.ErrMalformed},
		{name: "the payload padded, signed", token: tagged(key, "kwd1."+parts[1]+"="), want: gatekit.ErrMalformed},
		{name: "a space before it", token: " " + good, want: gatekit.ErrMalformed},
		{name: "two of them in one header", token: good + ", " + good, want: gatekit.ErrMalformed},
		{name: "more than is ever read", token: "kwd1." + strings.Repeat("A", 32<<10) + "." + parts[2], want: gatekit.ErrMalformed},

		// Signed by a gate that writes otherwise than the page says: nobody else may spell it another way.
		{name: "white space in the payload", token: in(`,"d"`, `, "d"`), want: gatekit.ErrMalformed},
		{name: "something behind the payload", token: raw(key, text+" "), want: gatekit.ErrMalformed},
		{name: "a letter escaped", token: in("read trade", `r\u0065ad trade`), want: gatekit.ErrMalformed},
		{name: "a slash escaped", token: in("/v1/orders", `\/v1/orders`), want: gatekit.ErrMalformed},
		{name: "a line break in an account", token: in("acc_7Q2", `acc_7Q2\n`), want: gatekit.ErrMalformed},
		{name: "an account of raw letters that are not ASCII", token: in("acc_7Q2", "계정"), want: gatekit.ErrMalformed},
		{name: "a member twice", token: in(`"u":`, `"a":"acc_8","u":`), want: gatekit.ErrMalformed},
		{name: "two members in another order", token: in(`"x":false,"iat":`+ms(noon), `"iat":`+ms(noon)+`,"x":false`), want: gatekit.ErrMalformed},
		{name: "a member of the future", token: in(`"x":`, `"y":1,"x":`), want: gatekit.ErrMalformed},
		{name: "version 2", token: in(`"v":1`, `"v":2`), want: gatekit.ErrMalformed},
		{name: "the time in another spelling", token: in(ms(noon), "0"+ms(noon)), want: gatekit.ErrMalformed},
		{name: "the time as a fraction", token: in(ms(noon)+",", ms(noon)+".0,"), want: gatekit.ErrMalformed},
		{name: "a decision that would live for a day", token: in(`"exp":`+ms(noon.Add(5*time.Second)), `"exp":`+ms(noon.Add(24*time.Hour))), want: gatekit.ErrMalformed},
		{name: "the key's name in capital letters", token: in(key.ID(), strings.ToUpper(key.ID())), want: gatekit.ErrMalformed},
		{name: "without an account", token: in("acc_7Q2", ""), want: gatekit.ErrMalformed},
		{name: "exit-only as a text", token: in(`"x":false`, `"x":"false"`), want: gatekit.ErrMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			method, target, body := "POST", decision().Target, order
			if row.method != "" {
				method = row.method
			}
			if row.target != "" {
				target = row.target
			}
			if row.body != "" {
				body = []byte(row.body)
			}
			d, err := gatekit.NewVerifier(key).Check(row.token, method, target, body, noon.Add(row.at))
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Fatalf("%v, want %v", err, row.want)
			}
			if err != nil && d != (gatekit.Decision{}) {
				t.Errorf("a refusal came with %+v", d)
			}
		})
	}
}

func ms(at time.Time) string {
	b, _ := json.Marshal(at.UnixMilli())
	return string(b)
}

// next is the character of base64url behind c, which for the last of a tag sets a bit that nobody reads.
func next(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)+1]
}

func TestOneKeyTakesOverFromAnother(t *testing.T) {
	young := key
	young[0]++
	check := func(v *gatekit.Verifier, k gatekit.Key) error {
		_, err := v.Check(k.Sign(decision()), "POST", decision().Target, order, noon)
		return err
	}
	both := gatekit.NewVerifier(key, young)
	if err := errors.Join(check(both, key), check(both, young)); err != nil {
		t.Errorf("while both are good: %v", err)
	}
	if err := check(gatekit.NewVerifier(young), key); err != gatekit.ErrUnknownKey {
		t.Errorf("the old one afterwards: %v", err)
	}
	for name, v := range map[string]*gatekit.Verifier{"no key": gatekit.NewVerifier(), "the zero key": gatekit.NewVerifier(gatekit.Key{}), "the zero Verifier": {}} {
		if err := check(v, key); err != gatekit.ErrUnknownKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := strings.Replace(payload(t, key.Sign(decision())), key.ID(), (gatekit.Key{}).ID(), 1)
	if _, err := gatekit.NewVerifier(gatekit.Key{}).Check(raw(gatekit.Key{}, forged), "POST", decision().Target, order, noon); err != gatekit.ErrUnknownKey {
		t.Errorf("what everybody can sign with the zero key: %v", err)
	}
}

func TestHas(t *testing.T) {
	d := decision()
	for scope, want := range map[string]bool{"read": true, "trade": true, "rea": false, "": false, "read trade": false, "withdraw": false} {
		if d.Has(scope) != want {
			t.Errorf("Has(%q) is %v", scope, !want)
		}
	}
	d.Scopes = ""
	if d.Has("") {
		t.Error("an empty scope is among none")
	}
}

func BenchmarkAppend(b *testing.B) {
	s, d := gatekit.NewSigner(key), decision()
	room := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		room = s.Append(room[:0], d)
	}
}

func BenchmarkCheck(b *testing.B) {
	v, token, target := gatekit.NewVerifier(key), key.Sign(decision()), decision().Target
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Check(token, "POST", target, order, noon); err != nil {
			b.Fatal(err)
		}
	}
}
