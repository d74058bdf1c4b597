package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const usage = `usage: keyward time | whoami | balance [ASSET] | order SYMBOL buy|sell QUANTITY PRICE | cancel ORDER_ID | rotate VERSION FILE

  KEYWARD_API               base URL, such as https://api.example.com
  KEYWARD_KEY_ID            the key's id, kwk_live_…
  KEYWARD_PRIVATE_KEY_FILE  Ed25519 private key, PEM PKCS#8, or
  KEYWARD_SECRET            the secret of an HMAC key, kws_live_…
  KEYWARD_AUTHORITY         public name of the API, if not the host of the base URL
`

func main() {
	b, err := fromEnvironment()
	if err == nil {
		err = b.do(os.Args[1:])
	}
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "keyward:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func (b *bot) do(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "time":
		return b.send("GET", "/v1/time", nil, false) // works without a key, and with a wrong clock
	case len(args) == 1 && args[0] == "whoami":
		return b.send("GET", "/v1/whoami", nil, true)
	case len(args) == 1 && args[0] == "balance":
		return b.send("GET", "/v1/balance", nil, true)
	case len(args) == 2 && args[0] == "balance":
		return b.send("GET", "/v1/balance?asset="+url.QueryEscape(args[1]), nil, true)
	case len(args) == 5 && args[0] == "order":
		return b.placeOrder(args[1], args[2], args[3], args[4])
	case len(args) == 3 && args[0] == "rotate":
		return b.rotate(args[1], args[2])
	case len(args) == 2 && args[0] == "cancel" && args[1] != "":
		return b.send("DELETE", "/v1/orders/"+url.PathEscape(args[1]), nil, true)
	}
	return errUsage
}

// placeOrder: amounts are texts. As numbers they would be rounded on the way.
func (b *bot) placeOrder(symbol, side, quantity, price string) error {
	body, err := json.Marshal(struct {
		Symbol   string `json:"symbol"`
		Side     string `json:"side"`
		Quantity string `json:"quantity"`
		Price    string `json:"price"`
	}{symbol, side, quantity, price})
	if err != nil {
		return err
	}
	return b.send("POST", "/v1/orders", body, true)
}

type bot struct {
	api, authority string
	keyID          string
	alg            string
	sign           func([]byte) []byte // nil without a key
}

func fromEnvironment() (*bot, error) {
	b := &bot{api: strings.TrimRight(os.Getenv("KEYWARD_API"), "/"), authority: os.Getenv("KEYWARD_AUTHORITY"), keyID: os.Getenv("KEYWARD_KEY_ID")}
	base, err := url.Parse(b.api)
	if err != nil || base.Host == "" || base.RawQuery != "" {
		return nil, errors.New("KEYWARD_API is not a base URL")
	}
	if b.authority == "" {
		// RFC 9421 §2.2.3: in lower case, without the port that the scheme has anyway.
		b.authority = strings.TrimSuffix(strings.ToLower(base.Host), map[string]string{"https": ":443", "http": ":80"}[base.Scheme])
	}
	file, secret := os.Getenv("KEYWARD_PRIVATE_KEY_FILE"), os.Getenv("KEYWARD_SECRET")
	switch {
	case file != "" && secret != "":
		return nil, errors.New("KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are both set")
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s is not a PEM file", file)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		key, ok := parsed.(ed25519.PrivateKey)
		if err != nil || !ok {
			return nil, fmt.Errorf("%s is not an Ed25519 private key", file)
		}
		b.alg, b.sign = "ed25519", func(text []byte) []byte { return ed25519.Sign(key, text) }
	case secret != "":
		b.alg, b.sign = "hmac-sha256", func(text []byte) []byte {
			h := hmac.New(sha256.New, []byte(secret)) // the text itself is the key
			h.Write(text)
			return h.Sum(nil)
		}
	}
	return b, nil
}

// send prints what the API answers; any status but 2xx is an error.
func (b *bot) send(method, target string, body []byte, signed bool) error {
	answer, err := b.receive(method, target, body, signed)
	if _, err := os.Stdout.Write(answer); err != nil {
		return err
	}
	return err
}

// receive reads what the API answers.
func (b *bot) receive(method, target string, body []byte, signed bool) ([]byte, error) {
	r, err := http.NewRequest(method, b.api+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if signed {
		if err := b.signRequest(r, body); err != nil {
			return nil, err
		}
	}
	client := http.Client{
		Timeout: 10 * time.Second,
		// A signature is for one place. Following a redirect would hand it to another.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = errors.New(res.Status)
	}
	return answer, err
}

// signRequest is keyward-v1: RFC 9421 with one label, one list of components and one order of parameters.
func (b *bot) signRequest(r *http.Request, body []byte) error {
	if b.sign == nil || b.keyID == "" {
		return errors.New("KEYWARD_KEY_ID and one of KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are needed")
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	created := time.Now().Unix()

	var base strings.Builder
	components := `"@method" "@authority" "@path" "@query"`
	fmt.Fprintf(&base, "\"@method\": %s\n\"@authority\": %s\n\"@path\": %s\n\"@query\": ?%s\n", r.Method, b.authority, r.URL.EscapedPath(), r.URL.RawQuery)
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":" // RFC 9530
		r.Header.Set("Content-Digest", digest)
		components += ` "content-type" "content-digest"`
		fmt.Fprintf(&base, "\"content-type\": %s\n\"content-digest\": %s\n", r.Header.Get("Content-Type"), digest)
	}
	params := fmt.Sprintf(`(%s);created=%d;expires=%d;nonce="%s";alg="%s";keyid="%s";tag="keyward-v1"`,
		components, created, created+5, base64.RawURLEncoding.EncodeToString(nonce), b.alg, b.keyID)
	fmt.Fprintf(&base, "\"@signature-params\": %s", params)

	r.Header.Set("Signature-Input", "sig1="+params)
	r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(b.sign([]byte(base.String())))+":")
	return nil
}
