package bots

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// credential is what the server knows of a bot's key.
type credential struct {
	id, alg string
	secret  string            // hmac-sha256
	public  ed25519.PublicKey // ed25519
}

var (
	inputForm = regexp.MustCompile(`^sig1=(\(((?:"[@a-z-]+" ?)+)\);created=([1-9]\d{9});expires=([1-9]\d{9});nonce="([A-Za-z0-9_-]{22,64})";alg="([a-z0-9-]+)";keyid="([A-Za-z0-9_]+)";tag="keyward-v1")$`)
	sigForm   = regexp.MustCompile(`^sig1=:([A-Za-z0-9+/]+=*):$`)
)

// check rebuilds the signature base of RFC 9421 §2.5 out of what arrived. It returns the nonce.
func check(r *http.Request, target string, body []byte, authority string, c credential, now time.Time) (nonce string, err error) {
	one := func(name string) string {
		if v := r.Header.Values(name); len(v) == 1 {
			return v[0]
		}
		err = fmt.Errorf("%s: %q", name, r.Header.Values(name))
		return ""
	}
	input := inputForm.FindStringSubmatch(one("Signature-Input"))
	sig := sigForm.FindStringSubmatch(one("Signature"))
	if err != nil || input == nil || sig == nil {
		return "", fmt.Errorf("not the form of keyward-v1: %v, %v", r.Header, err)
	}
	path, query, _ := strings.Cut(target, "?")
	want := `"@method" "@authority" "@path" "@query"`
	if len(body) > 0 {
		want += ` "content-type" "content-digest"`
		sum := sha256.Sum256(body)
		if one("Content-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
			return "", errors.New("the digest is not that of the body")
		}
	}
	if input[2] != want {
		return "", fmt.Errorf("components %s, want %s", input[2], want)
	}
	var base strings.Builder
	for _, name := range strings.Fields(input[2]) {
		value := ""
		switch name {
		case `"@method"`:
			value = r.Method
		case `"@authority"`:
			value = authority
		case `"@path"`:
			value = path
		case `"@query"`:
			value = "?" + query
		default:
			value = one(strings.Trim(name, `"`))
		}
		base.WriteString(name + ": " + value + "\n")
	}
	base.WriteString(`"@signature-params": ` + input[1])

	created, _ := strconv.ParseInt(input[3], 10, 64)
	expires, _ := strconv.ParseInt(input[4], 10, 64)
	raw, err2 := base64.StdEncoding.Strict().DecodeString(sig[1])
	if err = errors.Join(err, err2); err != nil {
		return "", err
	}
	if created > now.Unix() || expires <= now.Unix() || expires-created != 5 {
		return "", fmt.Errorf("created %d, expires %d, now %d", created, expires, now.Unix())
	}
	if input[6] != c.alg || input[7] != c.id {
		return "", fmt.Errorf("alg %s and key %s, want %s and %s", input[6], input[7], c.alg, c.id)
	}
	holds := false
	if c.alg == "ed25519" {
		holds = ed25519.Verify(c.public, []byte(base.String()), raw)
	} else {
		h := hmac.New(sha256.New, []byte(c.secret))
		h.Write([]byte(base.String()))
		holds = hmac.Equal(h.Sum(nil), raw)
	}
	if !holds {
		return "", fmt.Errorf("the signature does not hold over\n%s", base.String())
	}
	return input[5], nil
}

// The check itself, on two requests that were signed by none of these clients.
func TestTheCheckHoldsWhatOthersSigned(t *testing.T) {
	public, err := base64.StdEncoding.DecodeString("u+2t+HaAnmZYf/JlF8pkvIeVWYFgTk418tKBk4bbFDs=")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, method, target, body string
		head                       map[string]string
		by                         credential
	}{
		{
			name: "a read under an HMAC key", method: "GET", target: "/v1/orders?symbol=BTC-USD&limit=50",
			head: map[string]string{
				"Signature-Input": `sig1=("@method" "@authority" "@path" "@query");created=1700000000;expires=1700000005;nonce="AAECAwQFBgcICQoLDA0ODw";alg="hmac-sha256";keyid="kwk_live_1wD3RuqwSn9cwZf2vyyyfG0qGKDv";tag="keyward-v1"`,
				"Signature":       "sig1=:KodRHJn56BmPpqCaoOCnXd+LdbAwQ7eOCCWyzAr0QgQ=:",
			},
			by: credential{id: "kwk_live_1wD3RuqwSn9cwZf2vyyyfG0qGKDv", alg: "hmac-sha256", secret: "kws_live_rnNNoCLpbTHYEYpc3oIfTXVa5aWFO0xrYISVQCdkKpJ0wyxvq"},
		},
		{
			name: "a withdrawal under an Ed25519 key", method: "POST", target: "/v1/withdrawals", body: `{"asset":"BTC","amount":"0.1","address_id":"addr_01"}`,
			head: map[string]string{
				"Content-Type":    "application/json",
				"Content-Digest":  "sha-256=:6n55k4UYLzZjDYrg1ZMyjlsfY8T6Dh9lqoRRhy8FMco=:",
				"Signature-Input": `sig1=("@method" "@authority" "@path" "@query" "content-type" "content-digest");created=1700000000;expires=1700000005;nonce="ICEiIyQlJicoKSorLC0uLw";alg="ed25519";keyid="kwk_live_7VNtooFuLquAFfZsFABgc33SPTxJ";tag="keyward-v1"`,
				"Signature":       "sig1=:QJueCQqzz92ULxKfekRpVfeAm1obYb57QgaozZt66G3f1yXqgVs5sKItPKltpA8bPvs1K67awzVsEnoKYWh2BA==:",
			},
			by: credential{id: "kwk_live_7VNtooFuLquAFfZsFABgc33SPTxJ", alg: "ed25519", public: public},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &http.Request{Method: row.method, Header: http.Header{}}
			for name, value := range row.head {
				r.Header.Set(name, value)
			}
			now := time.Unix(1700000001, 0)
			if _, err := check(r, row.target, []byte(row.body), "api.example.com", row.by, now); err != nil {
				t.Error(err)
			}
			for name, wrong := range map[string]func() (string, error){
				"another target": func() (string, error) {
					return check(r, row.target+"0", []byte(row.body), "api.example.com", row.by, now)
				},
				"another authority": func() (string, error) { return check(r, row.target, []byte(row.body), "api.example.org", row.by, now) },
				"another body": func() (string, error) {
					return check(r, row.target, []byte(row.body+" "), "api.example.com", row.by, now)
				},
				"too late": func() (string, error) {
					return check(r, row.target, []byte(row.body), "api.example.com", row.by, now.Add(time.Minute))
				},
			} {
				if _, err := wrong(); err == nil {
					t.Errorf("%s passes", name)
				}
			}
		})
	}
}
