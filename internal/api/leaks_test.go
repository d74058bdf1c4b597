package api_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// scanner signs as GitHub's does.
type scanner struct {
	t       *testing.T
	file    string
	current *ecdsa.PrivateKey
	old     *ecdsa.PrivateKey
}

func newScanner(t *testing.T) *scanner {
	s := &scanner{t: t, file: filepath.Join(t.TempDir(), "github.json"), current: p256(t), old: p256(t)}
	s.publish(map[string]any{"public_keys": []any{published(t, "old", s.old, false), published(t, "now", s.current, true)}})
	return s
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	return k
}

func published(t *testing.T, id string, key *ecdsa.PrivateKey, current bool) map[string]any {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	ok(t, err)
	return map[string]any{"key_identifier": id, "key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "is_current": current}
}

func (s *scanner) publish(v any) {
	raw, err := json.Marshal(v)
	ok(s.t, err)
	ok(s.t, os.WriteFile(s.file, raw, 0o600))
}

func (s *scanner) sign(key *ecdsa.PrivateKey, body string) string {
	sum := sha256.Sum256([]byte(body))
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	ok(s.t, err)
	return base64.StdEncoding.EncodeToString(sig)
}

type leakWorld struct {
	*signintest.World
	t   *testing.T
	gh  *scanner
	url string
}

// eachLeak runs a story over both databases, behind real HTTP.
func eachLeak(t *testing.T, factor float64, story func(t *testing.T, w *leakWorld)) {
	t.Helper()
	signintest.Each(t, func(t *testing.T, sw *signintest.World) {
		w := &leakWorld{World: sw, t: t, gh: newScanner(t)}
		keys, err := api.OpenGitHubKeys(w.gh.file)
		ok(t, err)
		w.url = w.serve(keys, factor)
		story(t, w)
	})
}

func (w *leakWorld) serve(keys *api.GitHubKeys, factor float64) string {
	e, err := edge.New(edge.Options{Now: w.DB.Now, Logger: slog.New(slog.DiscardHandler), PublicURL: signintest.Origin, RateFactor: factor,
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	ok(w.t, err)
	mux := http.NewServeMux()
	api.New(api.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, SignIn: w.SignIn, BotKeys: w.BotKeys,
		Contain: w.Contain, Limiter: e.Limiter, Logger: slog.New(slog.DiscardHandler)}, api.Settings{PublicURL: signintest.Origin, GitHub: keys}).Routes(mux, e)
	srv := httptest.NewServer(e.Handler(edge.Routes(mux)))
	w.t.Cleanup(srv.Close)
	return srv.URL
}

// post sends a body and reads status, headers that do not change by themselves, and body.
func (w *leakWorld) post(path, body string, header ...string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequest("POST", w.url+path, strings.NewReader(body))
	ok(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	ok(w.t, err)
	defer res.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	ok(w.t, err)
	return res.StatusCode, b.String()
}

func (w *leakWorld) gitHub(body string) (int, string) {
	return w.post("/api/v1/leaks/github", body, "Github-Public-Key-Identifier", "now", "Github-Public-Key-Signature", w.gh.sign(w.gh.current, body))
}

var tradingBot = apikey.NewKey{Alg: apikey.HMACSHA256, Scopes: apikey.ReadAccount | apikey.TradeSpot, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}

func (w *leakWorld) bot() (*softkey.Bot, *signintest.Person) {
	p := w.Person()
	bot, _ := p.Bot(tradingBot)
	return bot, p
}

func (w *leakWorld) quarantined(want int) {
	w.t.Helper()
	if n := w.Count("apikey_key WHERE status = 'quarantined' AND ended_why = 'leaked'"); n != want {
		w.t.Errorf("%d keys are in quarantine, want %d", n, want)
	}
}

func TestAnybodyTellsOfAKeyThatTheyFound(t *testing.T) {
	eachLeak(t, 1000, func(t *testing.T, w *leakWorld) {
		bot, _ := w.bot()
		second, _ := w.bot()
		sum := sha256.Sum256([]byte(second.Secret))
		took := map[string]time.Duration{}
		for _, row := range []struct {
			name, body  string
			quarantined int
		}{
			{"of nobody", `{"token":"kws_live_nothing"}`, 0},
			{"of nobody, without a form", `{"token":"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"}`, 0},
			{"the id of a key", `{"token":"` + bot.ID + `","url":"https://pastebin.example/x"}`, 0},
			{"the secret of a key", `{"token":"` + bot.Secret + `","url":"https://pastebin.example/x","source":"paste"}`, 1},
			{"again", `{"token":"` + bot.Secret + `"}`, 1},
			{"a hash", `{"sha256":"` + hex.EncodeToString(sum[:]) + `"}`, 2},
			{"the hash of an id", `{"sha256":"` + strings.Repeat("0", 64) + `"}`, 2},
		} {
			start := time.Now()
			status, body := w.post("/api/v1/leaks", row.body)
			took[row.name] = time.Since(start)
			if status != 202 || body != "" {
				t.Errorf("%s: %d %s, and the answer is to be the same for all", row.name, status, body)
			}
			w.quarantined(row.quarantined)
		}
		for name, d := range took {
			if d < 300*time.Millisecond {
				t.Errorf("%s: answered after %v, and it is to be after a time that tells nothing", name, d)
			}
		}
	})
}

func TestWhatIsNoReportIsSaidAtOnce(t *testing.T) {
	eachLeak(t, 1000, func(t *testing.T, w *leakWorld) {
		for _, body := range []string{
			``, `[]`, `{}`, `"x"`, `{"token":""}`, `{"token":"a","sha256":"` + strings.Repeat("0", 64) + `"}`, `{"sha256":"` + strings.Repeat("z", 64) + `"}`,
			`{"token":"a","token":"b"}`, `{"Token":"a"}`, `{"token":"a","more":1}`, `{"token":1}`, `{"token":"a"}{}`, `{"token":"` + strings.Repeat("a", 4097) + `"}`,
			`{"token":"a","url":"` + strings.Repeat("a", 2049) + `"}`,
		} {
			status, answer := w.post("/api/v1/leaks", body)
			if status < 400 || status >= 500 || strings.Contains(answer, "kws_") {
				t.Errorf("%.60s: %d %s", body, status, answer)
			}
		}
	})
}

func TestReportsAreBoundedByWhereTheyComeFrom(t *testing.T) {
	eachLeak(t, 1, func(t *testing.T, w *leakWorld) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for i := range 60 {
			wg.Go(func() {
				status, _ := w.post("/api/v1/leaks", fmt.Sprintf(`{"token":"token-that-nobody-has-%d"}`, i), "X-Forwarded-For", "198.51.100.7")
				mu.Lock()
				defer mu.Unlock()
				codes[status]++
			})
		}
		wg.Wait()
		// Sixty at once: thirty count, and of those at most thirty-two are worked on at a time.
		if codes[202] > 30 || codes[429] < 30 || codes[202] == 0 || codes[202]+codes[429]+codes[503] != 60 {
			t.Errorf("answers %v", codes)
		}
		if status, _ := w.post("/api/v1/leaks", `{"token":"token-of-another-place"}`, "X-Forwarded-For", "203.0.113.99"); status != 202 {
			t.Errorf("somebody else is answered %d", status)
		}
	})
}

func TestGitHubTellsOfKeysThatItFound(t *testing.T) {
	eachLeak(t, 1000, func(t *testing.T, w *leakWorld) {
		bot, p := w.bot()
		other, _ := w.bot()
		message := fmt.Sprintf(`[{"token":%q,"type":"keyward_api_secret","url":"https://github.com/somebody/bot/blob/1f2e/config.py","source":"content","new_member":{"a":[1]}},`+
			`{"token":"kws_live_0000000000000000000000000000000000000000000000000","type":"keyward_api_secret","url":"","source":"commit"},`+
			`{"token":%q,"type":"keyward_api_key","url":"https://github.com/x/y"}]`, bot.Secret, other.ID)
		status, body := w.gitHub(message)
		var labels []struct {
			Hash  string `json:"token_hash"`
			Type  string `json:"token_type"`
			Label string
		}
		if status != 200 || json.Unmarshal([]byte(body), &labels) != nil || len(labels) != 3 {
			t.Fatalf("%d %s", status, body)
		}
		sum := sha256.Sum256([]byte(bot.Secret))
		if labels[0].Hash != hex.EncodeToString(sum[:]) || labels[0].Type != "keyward_api_secret" || labels[0].Label != "true_positive" || labels[1].Label != "false_positive" || labels[2].Label != "false_positive" {
			t.Errorf("%s", body)
		}
		if strings.Contains(body, "kws_") {
			t.Errorf("a secret goes back: %s", body)
		}
		w.quarantined(1)
		if got := w.Events(p.Account); strings.Count(got, "apikey.leaked") != 1 {
			t.Error(got)
		}
		if status, body = w.gitHub(message); status != 200 || !strings.Contains(body, "true_positive") {
			t.Errorf("the same again: %d %s", status, body)
		}
		if got := w.Events(p.Account); strings.Count(got, "apikey.leaked") != 1 {
			t.Error(got)
		}
	})
}

// Whoever is not GitHub reads one and the same refusal, and nothing happens.
func TestNobodyElseSpeaksForGitHub(t *testing.T) {
	eachLeak(t, 1000, func(t *testing.T, w *leakWorld) {
		bot, _ := w.bot()
		body := fmt.Sprintf(`[{"token":%q,"type":"t","url":"u"}]`, bot.Secret)
		good := w.gh.sign(w.gh.current, body)
		const id, sig = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
		answers := map[string]bool{}
		for _, row := range []struct {
			name, body string
			header     []string
		}{
			{"no signature", body, nil},
			{"no name of a key", body, []string{sig, good}},
			{"a body that was changed", strings.Replace(body, `"u"`, `"v"`, 1), []string{id, "now", sig, good}},
			{"a body with a space more", body + " ", []string{id, "now", sig, good}},
			{"a key that is not current", body, []string{id, "old", sig, w.gh.sign(w.gh.old, body)}},
			{"a key that is not there", body, []string{id, "mine", sig, w.gh.sign(p256(t), body)}},
			{"the name of another key", body, []string{id, "now", sig, w.gh.sign(p256(t), body)}},
			{"two signatures", body, []string{id, "now", sig, good, sig, good}},
			{"two names", body, []string{id, "now", id, "old", sig, good}},
			{"no base64", body, []string{id, "now", sig, "***"}},
			{"cut off", body, []string{id, "now", sig, good[:len(good)-8]}},
			{"empty", body, []string{id, "now", sig, ""}},
			{"far too long", body, []string{id, "now", sig, strings.Repeat("A", 4096)}},
		} {
			status, answer := w.post("/api/v1/leaks/github", row.body, row.header...)
			var p problem
			ok(t, json.Unmarshal([]byte(answer), &p))
			if status != 404 || p.Code != "not_found" {
				t.Errorf("%s: %d %s", row.name, status, answer)
			}
			answers[strings.ReplaceAll(answer, p.RequestID, "")] = true
		}
		if len(answers) != 1 {
			t.Errorf("%d different answers", len(answers))
		}
		w.quarantined(0)
		// And where there is no file of keys, the answer is that one too.
		w.url = w.serve(nil, 1000)
		if status, answer := w.gitHub(body); status != 404 || !strings.Contains(answer, "not_found") {
			t.Errorf("without keys: %d %s", status, answer)
		}
		w.quarantined(0)
	})
}

func TestWhatGitHubSendsIsBounded(t *testing.T) {
	eachLeak(t, 1000, func(t *testing.T, w *leakWorld) {
		for name, body := range map[string]string{
			"no array": `{"token":"a"}`, "no token": `[{"type":"t"}]`, "a number": `[{"token":1}]`, "twice": `[{"token":"a","token":"b"}]`, "more": `[] []`, "no JSON": `x`,
			"too many": "[" + strings.Repeat(`{"token":"a"},`, 512) + `{"token":"a"}]`,
		} {
			if status, answer := w.gitHub(body); status != 400 {
				t.Errorf("%s: %d %s", name, status, answer)
			}
		}
		if status, answer := w.gitHub(`[{"token":"` + strings.Repeat("a", 70<<10) + `"}]`); status != 413 {
			t.Errorf("too large: %d %s", status, answer)
		}
		if status, answer := w.gitHub(`[]`); status != 200 || answer != `[]` {
			t.Errorf("%d %s", status, answer)
		}
	})
}

func TestAFloodOfForgedMessagesIsBounded(t *testing.T) {
	eachLeak(t, 1, func(t *testing.T, w *leakWorld) {
		codes := map[int]int{}
		for range 40 {
			status, _ := w.post("/api/v1/leaks/github", `[]`, "Github-Public-Key-Identifier", "now", "Github-Public-Key-Signature", "AAAA", "X-Forwarded-For", "198.51.100.7")
			codes[status]++
		}
		if codes[404] > 30 || codes[429] < 10 {
			t.Errorf("answers %v", codes)
		}
		if status, _ := w.gitHub(`[]`); status != 200 {
			t.Errorf("GitHub itself, from elsewhere: %d", status)
		}
		for range 60 { // and it may send as much as it finds
			if status, _ := w.gitHub(`[]`); status != 200 {
				t.Fatalf("GitHub itself: %d", status)
			}
		}
	})
}

// A new key of GitHub's counts without a restart, and one that it takes out of use no more.
func TestGitHubChangesItsKey(t *testing.T) {
	eachLeak(t, 1000, func(t *testing.T, w *leakWorld) {
		if status, _ := w.gitHub(`[]`); status != 200 {
			t.Fatal(status)
		}
		was := w.gh.current
		w.gh.current = p256(t)
		w.gh.publish(map[string]any{"public_keys": []any{published(t, "was", was, false), published(t, "now", w.gh.current, true)}})
		w.Clock.Sleep(2 * time.Minute)
		if status, _ := w.gitHub(`[]`); status != 200 {
			t.Errorf("signed with the new key: %d", status)
		}
		if status, _ := w.post("/api/v1/leaks/github", `[]`, "Github-Public-Key-Identifier", "was", "Github-Public-Key-Signature", w.gh.sign(was, `[]`)); status != 404 {
			t.Errorf("signed with the key that was: %d", status)
		}
		// A file that is half written leaves those of before.
		ok(t, os.WriteFile(w.gh.file, []byte(`{"public_keys":[`), 0o600))
		w.Clock.Sleep(2 * time.Minute)
		if status, _ := w.gitHub(`[]`); status != 200 {
			t.Errorf("with a broken file: %d", status)
		}
	})
}
