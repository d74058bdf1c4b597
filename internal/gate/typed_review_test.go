package gate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"keyward/internal/keyring"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// typed is a POST whose body has a type of the client's choice, under its signature.
func (y *yard) typed(bot *softkey.Bot, target, kind, body string) *http.Request {
	y.t.Helper()
	if body == "" {
		return y.signed(bot, "POST", target, "")
	}
	r, err := http.NewRequest("POST", y.proxy.URL+target, strings.NewReader(body))
	y.w.Must(err)
	sum := sha256.Sum256([]byte(body))
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	now := y.w.DB.Now().Unix()
	params := fmt.Sprintf(`("@method" "@authority" "@path" "@query" "content-type" "content-digest");created=%d;expires=%d;nonce="%s";alg="ed25519";keyid="%s";tag="keyward-v1"`,
		now, now+5, base64.RawURLEncoding.EncodeToString(keyring.Random(16)), bot.ID)
	text := fmt.Sprintf("\"@method\": POST\n\"@authority\": %s\n\"@path\": %s\n\"@query\": ?%s\n\"content-type\": %s\n\"content-digest\": %s\n\"@signature-params\": %s",
		signintest.API, r.URL.EscapedPath(), r.URL.RawQuery, kind, digest, params)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Content-Digest", digest)
	r.Header.Set("Signature-Input", "sig1="+params)
	r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(ed25519.Sign(bot.Private, []byte(text)))+":")
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	return r
}
