package softkey

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bot signs requests with an API key, in the native profile (RFC 9421, keyward-v1).
type Bot struct {
	ID        string
	Authority string             // the API's public name
	Private   ed25519.PrivateKey // nil: Secret signs
	Secret    string

	Skew time.Duration // of its clock
	Life time.Duration // of a signature; 0: five seconds
}

// NewBot makes the key pair of a bot; its id comes once the public half is registered.
func NewBot(authority string) *Bot {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return &Bot{Authority: authority, Private: private}
}

// Public is the half that a server may know.
func (b *Bot) Public() []byte { return b.Private.Public().(ed25519.PublicKey) }

// Sign puts a signature for now on a request with this body.
func (b *Bot) Sign(r *http.Request, body []byte, now time.Time) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	alg, list := "ed25519", `("@method" "@authority" "@path" "@query")`
	if b.Private == nil {
		alg = "hmac-sha256"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "\"@method\": %s\n\"@authority\": %s\n\"@path\": %s\n\"@query\": ?%s\n", r.Method, b.Authority, r.URL.EscapedPath(), r.URL.RawQuery)
	if len(body) > 0 {
		list = `("@method" "@authority" "@path" "@query" "content-type" "content-digest")`
		sum := sha256.Sum256(body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		fmt.Fprintf(&s, "\"content-type\": %s\n\"content-digest\": %s\n", r.Header.Get("Content-Type"), r.Header.Get("Content-Digest"))
	}
	created, life := now.Add(b.Skew).Unix(), int64(5)
	if b.Life > 0 {
		life = int64(b.Life / time.Second)
	}
	params := list + ";created=" + strconv.FormatInt(created, 10) + ";expires=" + strconv.FormatInt(created+life, 10) + `;nonce="` + base64.RawURLEncoding.EncodeToString(nonce) +
		`";alg="` + alg + `";keyid="` + b.ID + `";tag="keyward-v1"`
	s.WriteString(`"@signature-params": ` + params)
	var sig []byte
	if b.Private != nil {
		sig = ed25519.Sign(b.Private, []byte(s.String()))
	} else {
		m := hmac.New(sha256.New, []byte(b.Secret))
		m.Write([]byte(s.String()))
		sig = m.Sum(nil)
	}
	r.Header.Set("Signature-Input", "sig1="+params)
	r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(sig)+":")
}
