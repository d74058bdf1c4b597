package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// secretBot is a key whose secret the server knows, as its owner was shown it.
type secretBot struct {
	ID, Secret, Passphrase string
}

// makesSecretBot makes a key of a profile that signs with a MAC.
func (a *app) makesSecretBot(profile string) (b secretBot, err error) {
	in := map[string]any{"purpose": "bot of " + profile, "profile": profile, "alg": "hmac-sha256", "scopes": []string{"read.account", "trade.spot", "trade.cancel"}, "addresses": []string{"127.0.0.1"}, "per_minute": 60000}
	var made struct {
		Key        struct{ ID string }
		Secret     string
		Passphrase string
	}
	var no *refusal
	if err = a.call("POST", "/keys", a.have.Access, a.bind, in, &made); !errors.As(err, &no) || no.code != "step_up_required" {
		return b, fmt.Errorf("a key without a touch: %v", err)
	}
	if err = a.touch(no.purpose["act"], no.purpose["object"]); err != nil {
		return b, err
	}
	err = a.call("POST", "/keys", a.have.Access, a.bind, in, &made)
	return secretBot{made.Key.ID, made.Secret, made.Passphrase}, err
}

// Nothing that opens anything stands where somebody reads: not in the database, the logs
// at their most talkative, the metrics, or what refused requests are answered.
func TestNoSecretOfABotIsLeftLyingAbout(t *testing.T) {
	g := newGatesWith(t, gatesOf{database: storetest.EmptyPostgresURL(t), log: "debug"})
	owner := g.s.app(1)
	owner.must(owner.signUp())
	tokens := []string{owner.have.Access, owner.have.Refresh}
	var heard bytes.Buffer // what the gates answered, headers too
	send := func(d *gateProcess, r *http.Request, body string) int {
		t.Helper()
		r.URL.Host, r.URL.Scheme = d.origin[len("http://"):], "http"
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		res, err := d.client.Do(r)
		owner.must(err)
		defer res.Body.Close()
		_ = res.Header.Write(&heard)
		_, _ = io.Copy(&heard, res.Body)
		return res.StatusCode
	}
	secrets := map[string]string{}
	native, err := owner.makesSecretBot("keyward-v1")
	owner.must(err)
	tokens = append(tokens, owner.have.Access, owner.have.Refresh)
	binance, err := owner.makesSecretBot("binance")
	owner.must(err)
	okx, err := owner.makesSecretBot("okx")
	owner.must(err)
	secrets["secret of keyward-v1"], secrets["secret of binance"], secrets["secret of okx"], secrets["passphrase of okx"] = native.Secret, binance.Secret, okx.Secret, okx.Passphrase
	for what, s := range secrets {
		if len(s) < 16 {
			t.Fatalf("%s is %q", what, s)
		}
	}

	allowed := 0
	for _, d := range g.doors {
		for _, from := range []string{"", "https://tools.example"} { // the second is a web page
			for _, secret := range []string{native.Secret, "kws_live_" + strings.Repeat("x", 49)} {
				bot := &softkey.Bot{ID: native.ID, Authority: apiName, Secret: secret}
				r := signed(bot, "POST", "/v1/orders", "{}")
				if from != "" {
					r.Header.Set("Origin", from)
				}
				if send(d, r.Clone(t.Context()), "{}") == http.StatusCreated {
					allowed++
				}
				send(d, r, "{}") // again
			}
		}
		for _, secret := range []string{binance.Secret, "wrong"} {
			q := "timestamp=" + strconv.FormatInt(time.Now().UnixMilli(), 10)
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(q))
			r, err := http.NewRequest("GET", "http://gate/v1/balance?"+q+"&signature="+hex.EncodeToString(mac.Sum(nil)), nil)
			owner.must(err)
			r.Header.Set("X-Mbx-Apikey", binance.ID)
			if send(d, r, "") == http.StatusCreated {
				allowed++
			}
		}
		for _, pass := range []string{okx.Passphrase, "a passphrase of nobody"} {
			at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
			mac := hmac.New(sha256.New, []byte(okx.Secret))
			mac.Write([]byte(at + "GET" + "/v1/balance"))
			r, err := http.NewRequest("GET", "http://gate/v1/balance", nil)
			owner.must(err)
			for name, v := range map[string]string{"Ok-Access-Key": okx.ID, "Ok-Access-Sign": base64.StdEncoding.EncodeToString(mac.Sum(nil)), "Ok-Access-Timestamp": at, "Ok-Access-Passphrase": pass} {
				r.Header.Set(name, v)
			}
			if send(d, r, "") == http.StatusCreated {
				allowed++
			}
		}
	}
	if allowed != 6 {
		t.Fatalf("%d requests were let in, want one of each profile at each gate", allowed)
	}
	owner.must(owner.call("DELETE", "/keys/"+okx.ID, owner.have.Access, owner.bind, nil, nil))
	tokens = append(tokens, owner.have.Access, owner.have.Refresh)

	res, err := http.Get(g.s.ops + "/metrics")
	owner.must(err)
	metrics, err := io.ReadAll(res.Body)
	res.Body.Close()
	owner.must(err)
	// Gates write what they counted when they are told to stop.
	for _, d := range g.doors {
		owner.must(d.cmd.Process.Signal(os.Interrupt))
		_ = d.cmd.Wait()
	}
	dump := g.dump()
	for _, table := range []string{"apikey_key", "apikey_version", "apikey_use", "apikey_replay", "audit_event"} {
		if !bytes.Contains(dump, []byte("COPY public."+table+" (")) {
			t.Fatalf("the dump has no %s", table)
		}
	}
	if !bytes.Contains(dump, []byte(native.ID)) {
		t.Fatal("the dump does not know the key")
	}
	for i, tok := range tokens {
		secrets["token "+strconv.Itoa(i)] = tok
	}
	for what, path := range map[string]string{"the root key": g.rootKey(), "the gates' keys": g.safe, "the upstream's key": g.upstreamKey} {
		b, err := os.ReadFile(path)
		owner.must(err)
		secrets[what] = string(b)
	}
	where := map[string][]byte{"the database": dump, "the metrics": metrics, "what gates answered": heard.Bytes(), "the server's log": g.s.stderr.Bytes(),
		"the first gate's log": g.doors[0].said.Bytes(), "the second gate's log": g.doors[1].said.Bytes()}
	for place, text := range where {
		if len(text) == 0 {
			t.Errorf("%s: empty, so nothing was looked at", place)
		}
		for what, secret := range secrets {
			for form, s := range spellings(secret) {
				if bytes.Contains(text, []byte(s)) {
					t.Errorf("%s stands in %s (%s)", what, place, form)
				}
			}
		}
	}
}

// spellings are the forms in which a secret might be written.
func spellings(secret string) map[string]string {
	trimmed := strings.TrimSpace(secret)
	out := map[string]string{"as it is": trimmed, "hex": hex.EncodeToString([]byte(trimmed)), "base64": base64.StdEncoding.EncodeToString([]byte(trimmed)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(trimmed))}
	if i := strings.LastIndexAny(trimmed, " ._"); i >= 0 && len(trimmed)-i > 20 {
		out["without its head"] = trimmed[i+1:]
	}
	if raw, err := base64.StdEncoding.DecodeString(trimmed); err == nil {
		out["decoded, in hex"] = hex.EncodeToString(raw)
	}
	return out
}

// dump is the whole database as text.
func (g *gates) dump() []byte {
	g.t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if path, err := exec.LookPath("pg_dump"); err == nil {
		bins = append(bins, path)
	}
	if len(bins) == 0 {
		g.t.Fatal("pg_dump is needed: it comes with PostgreSQL")
	}
	out, err := exec.Command(bins[len(bins)-1], "--dbname="+g.database).Output()
	if err != nil {
		g.t.Fatalf("pg_dump: %v", err)
	}
	return out
}
