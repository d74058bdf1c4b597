package gate

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"keyward/internal/apikey"
)

// The ten lines of the README protect an API, as they stand there.
func TestTheLinesOfTheREADMEProtectAnAPI(t *testing.T) {
	nginx := nginxPath(t)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```nginx\n")
	lines, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("the README has no lines of nginx")
	}
	y := newYard(t)
	front := runSite(t, nginx, "server {\nlisten 80;\n"+lines+"}\n", strings.TrimPrefix(y.check.URL, "http://"), y.gate.Upstream.Host)
	n := trading
	n.Symbols = nil
	n.Allow, _ = apikey.ParsePlaces("127.0.0.1")
	bot, _ := y.p.Bot(n)
	send := func(edit func(*http.Request)) int {
		t.Helper()
		r, err := http.NewRequest("POST", "http://"+front+"/v1/batch", strings.NewReader(order))
		y.w.Must(err)
		bot.Sign(r, []byte(order), y.w.DB.Now())
		edit(r)
		res, _ := y.does(r)
		return res.StatusCode
	}
	if status := send(func(*http.Request) {}); status != http.StatusCreated || y.seenBody != order {
		t.Fatalf("a good request: %d, the upstream saw %q", status, y.seenBody)
	}
	calls := y.calls
	for what, edit := range map[string]func(*http.Request){
		"without a signature":        func(r *http.Request) { r.Header.Del("Signature") },
		"with another's account":     func(r *http.Request) { r.Header.Set("X-Keyward-Account", "victim") },
		"with a decision of its own": func(r *http.Request) { r.Header.Set("X-Keyward-Decision", "kwd1.e30.AA") },
		"as another request": func(r *http.Request) {
			r.Header.Set("X-Forwarded-Uri", "/v1/balance")
			r.Header.Set("X-Original-Uri", "/v1/balance")
			r.Header.Del("Signature")
		},
	} {
		if status := send(edit); status < 400 {
			t.Errorf("%s: %d", what, status)
		}
	}
	if y.calls != calls {
		t.Errorf("the upstream did %d things that were refused", y.calls-calls)
	}
}
