package bots

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/gate"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// The Go client replaces its key at a real gate. The first answer is lost on the way; it
// runs again, and signs with what it was given.
func TestTheGoClientReplacesItsKeyThoughAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	b := languages["go"](t)
	w := signintest.New(t, storetest.SQLite(t), nil)
	nowhere, err := url.Parse("http://127.0.0.1:1")
	w.Must(err)
	g, err := gate.New(gate.Parts{BotKeys: w.BotKeys, Now: w.DB.Now, Logger: slog.New(slog.DiscardHandler)}, gate.Settings{
		Authority: signintest.API, Upstream: nowhere, Key: gatekit.Key{1}, BodyLimit: 1 << 16,
	})
	w.Must(err)
	var lose atomic.Bool
	behind := g.Proxy()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if lose.CompareAndSwap(true, false) {
			behind.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // the line breaks
		}
		behind.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	time.Sleep(2100 * time.Millisecond) // the fence of a gate that has just started; signatures say whole seconds
	p := w.NewPerson()
	w.Must(p.SignUp())
	for _, alg := range []apikey.Alg{"", apikey.HMACSHA256} {
		bot, key := p.Bot(apikey.NewKey{Alg: alg, Purpose: "client " + string(alg) + ".", Scopes: apikey.ReadAccount | apikey.RotateSelf, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
		x := &exchange{Server: server, by: credential{id: bot.ID}}
		var env []string
		if alg == "" {
			file := filepath.Join(t.TempDir(), "bot.pem")
			w.Must(os.WriteFile(file, pemOf(t, bot.Private), 0o600))
			env = []string{"KEYWARD_PRIVATE_KEY_FILE=" + file}
		} else {
			env = []string{"KEYWARD_SECRET=" + bot.Secret}
		}
		env = append(env, "KEYWARD_AUTHORITY="+signintest.API)
		next := filepath.Join(t.TempDir(), "next")
		lose.Store(true)
		if out, diag, status := x.run(t, b, env, "rotate", "2", next); status != 1 {
			t.Fatalf("%d %q %q", status, out, diag)
		}
		if v := p.Versions(key.ID); len(v) != 2 {
			t.Fatalf("the question did not arrive: %+v", v)
		}
		out, diag, status := x.run(t, b, env, "rotate", "2", next)
		if status != 0 || !strings.Contains(out, "version 2 of "+bot.ID) {
			t.Fatalf("%d %q %q", status, out, diag)
		}
		made, err := os.ReadFile(next)
		w.Must(err)
		info, err := os.Stat(next)
		w.Must(err)
		if info.Mode().Perm() != 0o600 || strings.Contains(out+diag, string(made)) {
			t.Errorf("%v, prints %q", info.Mode(), out)
		}
		with := "KEYWARD_PRIVATE_KEY_FILE=" + next
		if alg != "" {
			with = "KEYWARD_SECRET=" + string(made)
		}
		for version, env := range map[string][]string{`"version":1`: env, `"version":2`: {with, "KEYWARD_AUTHORITY=" + signintest.API}} {
			if out, diag, status := x.run(t, b, env, "whoami"); status != 0 || !strings.Contains(out, version) {
				t.Errorf("%s: %d %q %q", version, status, out, diag)
			}
		}
	}
}
