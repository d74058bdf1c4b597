package apikey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"hash"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type vector struct {
	Name, Profile, Exchange, Key, Secret, Passphrase, Expect, Token string
	SecretBase64                                                    string `json:"secret_b64"`
	Seed                                                            string `json:"seed_b64"`
	PublicPEM                                                       string `json:"public_key_pem"`
	RawHex                                                          string `json:"raw_hex"`
	ToSign                                                          string `json:"string_to_sign"`
	ToSignHex                                                       string `json:"string_to_sign_hex"`
	Signature                                                       string `json:"expected_signature"`
	ClockMS                                                         int64  `json:"clock_ms"`
	ClockS                                                          int64  `json:"clock_s"`
	Request                                                         *struct {
		Method, URL, Body string
		Headers           map[string]string
	}
}

// TestVectors runs what other clients signed through the readers: the text that was
// signed comes out byte for byte, and holds under the secret; what was changed after
// signing is not read or does not hold.
func TestVectors(t *testing.T) {
	folder := os.Getenv("KEYWARD_VECTORS")
	if folder == "" {
		t.Skip("KEYWARD_VECTORS does not name the folder with the vectors of other clients; make vectors runs them")
	}
	b, err := os.ReadFile(filepath.Join(folder, "apikeys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			switch {
			case v.Profile == "key-format":
				v.runFormat(t)
				counts["formats"]++
			case v.Profile == "native":
				v.runPlain(t)
				counts["texts of RFC 9421"]++
			case v.Expect == "reject":
				v.runRefused(t)
				counts["refused"]++
			default:
				v.run(t)
				counts["verified"]++
			}
		})
	}
	if len(file.Vectors) != 28 {
		t.Errorf("%d vectors, want 28", len(file.Vectors))
	}
	t.Log(counts)
}

func (v *vector) profile() Profile {
	return map[string]Profile{
		"binance": Binance, "kraken": Kraken, "okx": OKX, "bybit": Bybit, "bitget": Bitget, "deribit": Deribit,
		"gemini": Gemini, "upbit": Upbit, "coinbaseexchange": CoinbaseExchange, "coinbase": CDP, "": Native,
	}[v.Exchange]
}

// request is the request as a front would have seen it.
func (v *vector) request() *Request {
	if v.Request == nil { // a text out of a manual, which is a query
		return &Request{Method: "GET", Path: "/", Query: v.ToSign + "&signature=" + v.Signature, Header: http.Header{binanceKey: {v.Key}}}
	}
	rest := strings.TrimPrefix(v.Request.URL, "https://")
	at := strings.IndexByte(rest, '/')
	path, query, _ := strings.Cut(rest[at:], "?")
	r := &Request{Method: v.Request.Method, Authority: rest[:at], Path: path, Query: query, Header: http.Header{}, Body: []byte(v.Request.Body)}
	for name, value := range v.Request.Headers {
		r.Header.Set(name, value)
	}
	if v.Name == "kraken-official-doc" { // the manual leaves out the key and the type
		r.Header.Set(krakenKey, "key")
	}
	return r
}

func (v *vector) run(t *testing.T) {
	r := v.request()
	p, ok := profileOf(r)
	if !ok || p != v.profile() {
		t.Fatalf("looks like %q, is %q", p, v.profile())
	}
	c, ok := read(p, r, nil)
	if !ok {
		t.Fatal("is not read")
	}
	switch {
	case v.ToSign != "" && string(c.Signed) != v.ToSign:
		t.Errorf("signed\n%s, want\n%s", c.Signed, v.ToSign)
	case v.ToSignHex != "" && hex.EncodeToString(c.Signed) != v.ToSignHex:
		t.Errorf("signed %x, want %s", c.Signed, v.ToSignHex)
	}
	if !v.holds(t, c) {
		t.Errorf("does not hold under its secret")
	}
	if v.Key != "" && c.Key != v.Key || c.Passphrase != v.Passphrase || c.Profile != p {
		t.Errorf("claims %+v", c)
	}
	want := time.UnixMilli(v.ClockMS)
	if v.ClockMS == 0 || p == CoinbaseExchange {
		want = time.Unix(v.ClockS, 0)
	}
	switch {
	case v.ClockS == 0:
	case p == Kraken || p == Gemini:
		if !c.At.IsZero() || c.Counter != uint64(v.ClockMS) {
			t.Errorf("signed at %v with nonce %d", c.At, c.Counter)
		}
	case p == Upbit:
		if !c.At.IsZero() || c.Nonce == "" {
			t.Errorf("signed at %v with nonce %q", c.At, c.Nonce)
		}
	case !c.At.Equal(want):
		t.Errorf("signed at %v, want %v", c.At, want)
	}
	v.changed(t, p)
}

// changed flips one bit of every byte of path, query and body: the request is not read
// any more, or what it says was signed does not hold. Left out is what the profile leaves
// out of its signature.
func (v *vector) changed(t *testing.T, p Profile) {
	for part, get := range map[string]func(*Request) []byte{
		"path":  func(r *Request) []byte { return []byte(r.Path) },
		"query": func(r *Request) []byte { return []byte(r.Query) },
		"body":  func(r *Request) []byte { return r.Body },
	} {
		if part == "path" && p.Unrouted() {
			continue
		}
		for i := range get(v.request()) {
			r := v.request()
			b := bytes.Clone(get(r))
			b[i] ^= 1
			switch part {
			case "path":
				r.Path = string(b)
			case "query":
				r.Query = string(b)
			default:
				r.Body = b
			}
			if c, ok := read(p, r, nil); ok && v.holds(t, c) {
				t.Errorf("holds with byte %d of its %s changed to %q", i, part, b[i])
			}
		}
	}
}

func (v *vector) runRefused(t *testing.T) {
	r := v.request()
	p, ok := profileOf(r)
	if !ok || p != v.profile() {
		t.Fatalf("looks like %q, is %q", p, v.profile())
	}
	if c, ok := read(p, r, nil); ok && v.holds(t, c) {
		t.Error("holds")
	}
}

// runPlain checks the helper itself against the examples of the standard.
func (v *vector) runPlain(t *testing.T) {
	sig, err := base64.StdEncoding.DecodeString(v.Signature)
	if err != nil {
		t.Fatal(err)
	}
	c := Claim{Profile: Native, Alg: HMACSHA256, Signed: []byte(v.ToSign), Sig: sig}
	if v.PublicPEM != "" {
		c.Alg = Ed25519
	}
	if !v.holds(t, c) {
		t.Error("does not hold")
	}
}

func (v *vector) runFormat(t *testing.T) {
	b, err := hex.DecodeString(v.RawHex)
	if err != nil {
		t.Fatal(err)
	}
	prefix, n := liveID, idDigits
	if strings.HasPrefix(v.Token, liveSecret) {
		prefix, n = liveSecret, secretDigits
	}
	if got := token(prefix, b, n); got != v.Token || !wellFormed(v.Token, prefix, n) {
		t.Errorf("%s, want %s", got, v.Token)
	}
}

// holds checks a claim with the secret of the vector, with nothing but the standard
// library.
func (v *vector) holds(t *testing.T, c Claim) bool {
	t.Helper()
	var of func() hash.Hash
	switch c.Alg {
	case Ed25519:
		return ed25519.Verify(v.public(t), c.Signed, c.Sig)
	case HMACSHA256:
		of = sha256.New
	case HMACSHA384:
		of = sha512.New384
	case HMACSHA512:
		of = sha512.New
	default:
		t.Fatalf("algorithm %q", c.Alg)
	}
	key, err := secretKey(c.Profile, v.Secret)
	if v.SecretBase64 != "" {
		key, err = base64.StdEncoding.DecodeString(v.SecretBase64)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := hmac.New(of, key)
	m.Write(c.Signed)
	return hmac.Equal(m.Sum(nil), c.Sig)
}

func (v *vector) public(t *testing.T) ed25519.PublicKey {
	t.Helper()
	if v.Seed != "" {
		seed, err := base64.StdEncoding.DecodeString(v.Seed)
		if err != nil {
			t.Fatal(err)
		}
		return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	}
	if v.PublicPEM != "" {
		block, _ := pem.Decode([]byte(v.PublicPEM))
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return key.(ed25519.PublicKey)
	}
	block, _ := pem.Decode([]byte(v.Secret))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
}
