package executor_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/executor"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

func people(t testing.TB) map[string]person {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]person{"ES256": {ec: newEC()}, "EdDSA": {ed: ed}, "RS256": {rsa: r}, "phone": {ec: newEC(), phone: true}}
}

var now = start.Add(30 * time.Second)

// vector is one proof and what an executor has to say to it, for verifiers in other languages.
type vector struct {
	Name  string              `json:"name"`
	Token string              `json:"token"`
	Want  executor.Withdrawal `json:"want"`
	Now   int64               `json:"now"`
	Says  string              `json:"says"` // ok, proof, different, expired
}

type vectors struct {
	About   string          `json:"about"`
	JWKS    json.RawMessage `json:"jwks"`
	Issuer  string          `json:"issuer"`
	Aud     string          `json:"audience"`
	RPID    string          `json:"rp_id"`
	Origins []string        `json:"origins"`
	Vectors []vector        `json:"vectors"`
}

func said(err error) string {
	for name, e := range map[string]error{"proof": executor.ErrProof, "different": executor.ErrDifferent, "expired": executor.ErrExpired, "spent": executor.ErrSpent} {
		if errors.Is(err, e) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func TestVectors(t *testing.T) {
	const path = "testdata/vectors.json"
	if *update {
		writeVectors(t, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all vectors
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Vectors) < 50 {
		t.Errorf("only %d vectors", len(all.Vectors))
	}
	for _, v := range all.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			_, err := verifier(t, string(all.JWKS)).Verify(context.Background(), v.Token, v.Want, time.Unix(v.Now, 0))
			if got := said(err); got != v.Says {
				t.Errorf("%s (%v), want %s", got, err, v.Says)
			}
		})
	}
}

func writeVectors(t *testing.T, path string) {
	key, thief := newEC(), newEC()
	keys := people(t)
	out := vectors{About: "Made by go test ./executor -run TestVectors -update. Each is verified alone, by a verifier that has seen none of the others.",
		JWKS: json.RawMessage(jwks(&key.PublicKey)), Issuer: issuer, Aud: audience, RPID: rpID, Origins: []string{issuer}}
	add := func(name, says, token string, want executor.Withdrawal, at time.Time) {
		out.Vectors = append(out.Vectors, vector{name, token, want, at.Unix(), says})
	}
	with := func(kind string, change func(*made)) string {
		m := newMade()
		change(m)
		return m.token(keys[kind], key)
	}
	same := func(*made) {}
	for _, kind := range []string{"ES256", "EdDSA", "RS256", "phone"} {
		good := with(kind, same)
		add("good, "+kind, "ok", good, wanted, now)
		add("over, "+kind, "expired", good, wanted, start.Add(140*time.Second))
		add("over a challenge without the amount, "+kind, "proof", with(kind, func(m *made) { m.challenge = make([]byte, 32) }), wanted, now)
		add("for another relying party, "+kind, "proof", with(kind, func(m *made) { m.rpID = "evil.example" }), wanted, now)
		// The server put another amount into everything that it signs, and kept the person's signature.
		add("the intent was changed after the touch, "+kind, "proof", with(kind, func(m *made) {
			c := executor.Challenge(m.intent.CBOR(), m.nonce)
			m.challenge = c[:]
			m.intent.Amount = "25"
		}), func() executor.Withdrawal { w := wanted; w.Amount = "25"; return w }(), now)
		add("another nonce, "+kind, "proof", with(kind, func(m *made) { m.claims["nonce"] = b64(make([]byte, 32)) }), wanted, now)
	}
	good := with("ES256", same)
	for name, edit := range map[string]func(*executor.Withdrawal){
		"account": func(w *executor.Withdrawal) { w.Account += "0" }, "asset": func(w *executor.Withdrawal) { w.Asset = "BCH" },
		"network": func(w *executor.Withdrawal) { w.Network = "lightning" }, "amount": func(w *executor.Withdrawal) { w.Amount = "2.5" },
		"spelling of the amount": func(w *executor.Withdrawal) { w.Amount = "0.250" }, "fee": func(w *executor.Withdrawal) { w.MaxFee = "1" },
		"address": func(w *executor.Withdrawal) { w.Address = strings.Replace(w.Address, "w508", "w5o8", 1) }, "case of the address": func(w *executor.Withdrawal) { w.Address = strings.ToUpper(w.Address) },
		"memo": func(w *executor.Withdrawal) { w.Memo = "" },
	} {
		w := wanted
		edit(&w)
		add("another "+name, "different", good, w, now)
	}
	client := func(text string) func(*made) {
		return func(m *made) {
			c := executor.Challenge(m.intent.CBOR(), m.nonce)
			m.client = strings.ReplaceAll(text, "CHALLENGE", b64(c[:]))
		}
	}
	longer := newMade().intent.CBOR()
	for _, row := range []struct {
		name, kind, says string
		change           func(*made)
	}{
		{"an access token", "ES256", "proof", func(m *made) { m.typ = "at+jwt" }},
		{"signed by a stranger under a good name", "ES256", "proof", func(m *made) { m.by = thief }},
		{"under a name that is not published", "ES256", "proof", func(m *made) { m.kid = "k2" }},
		{"another issuer", "ES256", "proof", func(m *made) { m.claims["iss"] = "https://evil.example" }},
		{"for another back end", "ES256", "proof", func(m *made) { m.claims["aud"] = "wallet" }},
		{"for several back ends", "ES256", "proof", func(m *made) { m.claims["aud"] = []string{audience, "wallet"} }},
		{"about another account", "ES256", "different", func(m *made) { m.claims["sub"] = "acc_other" }},
		{"under another id", "ES256", "different", func(m *made) { m.claims["jti"] = "int_other" }},
		{"other details", "ES256", "different", func(m *made) {
			m.claims["authorization_details"] = []map[string]string{{"type": "keyward_withdrawal", "asset": "BTC", "network": "bitcoin", "amount": "25", "address": wanted.Address}}
		}},
		{"details twice", "ES256", "different", func(m *made) {
			d := map[string]string{"type": "keyward_withdrawal"}
			m.claims["authorization_details"] = []map[string]string{d, d}
		}},
		{"details with a number", "ES256", "different", func(m *made) {
			m.claims["authorization_details"] = []map[string]any{{"type": "keyward_withdrawal", "asset": "BTC", "network": "bitcoin", "amount": 0.25, "max_fee": "0.0001", "address": wanted.Address, "memo": wanted.Memo}}
		}},
		{"a memo with a letter that draws nothing", "ES256", "proof", func(m *made) { m.intent.Memo = "Rent, March\ufe0f" }},
		{"a memo with two blanks in a row", "ES256", "proof", func(m *made) { m.intent.Memo = "Rent,  March" }},
		{"a memo with marks over the line above", "ES256", "proof", func(m *made) { m.intent.Memo = "Rent" + strings.Repeat("\u030d", 40) }},
		{"without details", "ES256", "different", func(m *made) { m.claims["authorization_details"] = nil }},
		{"without evidence", "ES256", "proof", func(m *made) { m.claims["evidence"] = nil }},
		{"without an intent", "ES256", "proof", func(m *made) { m.claims["intent"] = nil }},
		{"an intent that goes on", "ES256", "proof", func(m *made) { m.claims["intent"] = b64(append(longer, 0)) }},
		{"an intent for an hour", "ES256", "proof", func(m *made) { m.intent.Expires += 3600 }},
		{"approved too late", "ES256", "proof", func(m *made) { m.claims["approved"], m.claims["exp"] = start.Unix()+121, start.Unix()+200 }},
		{"good for too long", "ES256", "proof", func(m *made) { m.claims["exp"] = start.Unix() + 3600 }},
		{"from the future", "ES256", "proof", func(m *made) { m.claims["iat"] = start.Unix() + 60 }},
		{"not verified", "ES256", "proof", func(m *made) { m.flags = 0x01 }},
		{"not present", "ES256", "proof", func(m *made) { m.flags = 0x04 }},
		{"backed up without being able to", "ES256", "proof", func(m *made) { m.flags = 0x15 }},
		{"a registration", "ES256", "proof", client(`{"type":"webauthn.create","challenge":"CHALLENGE","origin":"` + issuer + `"}`)},
		{"another origin", "ES256", "proof", client(`{"type":"webauthn.get","challenge":"CHALLENGE","origin":"https://login.example.com.evil.example"}`)},
		{"inside another page", "ES256", "proof", client(`{"type":"webauthn.get","challenge":"CHALLENGE","origin":"` + issuer + `","crossOrigin":true}`)},
		{"two challenges", "ES256", "proof", client(`{"type":"webauthn.get","challenge":"AAAA","challenge":"CHALLENGE","origin":"` + issuer + `"}`)},
		{"a challenge under another spelling", "ES256", "proof", client(`{"type":"webauthn.get","Challenge":"CHALLENGE","origin":"` + issuer + `"}`)},
		{"a touch for another act", "phone", "proof", func(m *made) { m.act = "sign-in" }},
		{"a touch for another payment", "phone", "proof", func(m *made) { m.about = "int_other" }},
	} {
		add(row.name, row.says, with(row.kind, row.change), wanted, now)
	}
	bare := wanted
	bare.Memo = ""
	for memo, says := range map[any]string{nil: "different", 7: "different", "": "ok", "absent": "ok"} {
		d := map[string]any{"type": "keyward_withdrawal", "asset": "BTC", "network": "bitcoin", "amount": "0.25", "max_fee": "0.0001", "address": wanted.Address, "memo": memo}
		if memo == "absent" {
			delete(d, "memo")
		}
		add(fmt.Sprintf("no memo, and in the details %#v", memo), says, with("ES256", func(m *made) {
			m.intent.Withdrawal, m.claims["authorization_details"] = bare, []map[string]any{d}
		}), bare, now)
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// An empty field of the details may be left out. A number in its place is something that another reader may take for a
// memo.
func TestDetailsAreTextOrAbsent(t *testing.T) {
	key, p := newEC(), person{ec: newEC()}
	want := wanted
	want.Memo, want.MaxFee = "", ""
	for says, rows := range map[string][]map[string]any{
		"ok":        {{}, {"memo": ""}, {"max_fee": ""}},
		"different": {{"memo": 7}, {"memo": nil}, {"max_fee": []string{"9"}}, {"memo": "7"}, {"note": ""}},
	} {
		for _, extra := range rows {
			m := newMade()
			m.intent.Withdrawal = want
			d := map[string]any{"type": "keyward_withdrawal", "asset": "BTC", "network": "bitcoin", "amount": "0.25", "address": want.Address}
			for k, v := range extra {
				d[k] = v
			}
			m.claims["authorization_details"] = []map[string]any{d}
			if _, err := verifier(t, jwks(&key.PublicKey)).Verify(context.Background(), m.token(p, key), want, now); said(err) != says {
				t.Errorf("%v: %v, want %s", extra, err, says)
			}
		}
	}
}

func TestAProofIsGoodOnce(t *testing.T) {
	key := newEC()
	v := verifier(t, jwks(&key.PublicKey))
	token := newMade().token(person{ec: newEC()}, key)
	other := wanted
	other.Amount = "1"
	if _, err := v.Verify(context.Background(), token, other, now); !errors.Is(err, executor.ErrDifferent) {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 20 {
		wg.Go(func() {
			_, err := v.Verify(context.Background(), token, wanted, now)
			mu.Lock()
			defer mu.Unlock()
			got[said(err)]++
		})
	}
	wg.Wait()
	if got["ok"] != 1 || got["spent"] != 19 {
		t.Errorf("%v", got)
	}
}

func TestAKeyThatIsNotPinnedApprovesNothing(t *testing.T) {
	key, owner, thief := newEC(), person{ec: newEC()}, person{ec: newEC()}
	away := errors.New("away")
	var fault error
	v := verifier(t, jwks(&key.PublicKey), func(c *executor.Config) {
		c.Pinned = func(_ context.Context, account string, cose []byte) (bool, error) {
			return account == wanted.Account && string(cose) == string(owner.cose()), fault
		}
	})
	// Keyward's own key signs for a key of a thief's: a server that was taken over.
	if _, err := v.Verify(context.Background(), newMade().token(thief, key), wanted, now); !errors.Is(err, executor.ErrProof) {
		t.Errorf("a thief's: %v", err)
	}
	fault = away
	if _, err := v.Verify(context.Background(), newMade().token(owner, key), wanted, now); !errors.Is(err, executor.ErrUnavailable) || !errors.Is(err, away) {
		t.Errorf("away: %v", err)
	}
	fault = nil
	if _, err := v.Verify(context.Background(), newMade().token(owner, key), wanted, now); err != nil {
		t.Errorf("the owner's, after all that: %v", err)
	}
}

func TestWithoutKeysNothingIsKnown(t *testing.T) {
	key := newEC()
	v := verifier(t, "not a key set")
	if _, err := v.Verify(context.Background(), newMade().token(person{ec: newEC()}, key), wanted, now); !errors.Is(err, executor.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// Whoever moves money gets rs and the standard library, and nothing of the server.
func TestNothingButRSAndTheStandardLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if path != "keyward/rs" && path != "keyward/executor" {
			t.Errorf("executor depends on %s", path)
		}
	}
}

func FuzzIntent(f *testing.F) {
	i := newMade().intent
	f.Add(i.CBOR())
	i.Memo = ""
	f.Add(i.CBOR())
	f.Add([]byte{0xab})
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := executor.ParseIntent(b)
		if err == nil && string(i.CBOR()) != string(b) {
			t.Errorf("two forms of one intent: %x", b)
		}
	})
}
