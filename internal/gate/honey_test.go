package gate

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"keyward/internal/softkey"
	"keyward/internal/store"
)

// shape is all of an answer that does not change from one request to the next.
func (y *yard) shape(r *http.Request) (out struct {
	Status, Length int
	Headers, Body  string
}) {
	y.t.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	y.w.Must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	y.w.Must(err)
	changes := regexp.MustCompile(`"request_id":"[^"]*"|"server_ts":\d+`)
	for _, name := range []string{"Date", "X-Server-Time-Ms", "X-Request-Id"} {
		if res.Header.Get(name) != "" {
			res.Header.Set(name, "…")
		}
	}
	out.Status, out.Length = res.StatusCode, len(body)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		for _, v := range res.Header[name] {
			out.Headers += name + ": " + changes.ReplaceAllString(v, "…") + "\n"
		}
	}
	out.Body = changes.ReplaceAllString(string(body), "…")
	return out
}

// To whoever tries it, a trap is a key that there is not: by both fronts, with its secret
// and without, from anywhere.
func TestATrapAnswersAsAKeyThatThereIsNot(t *testing.T) {
	y := newYard(t)
	c, err := y.w.BotKeys.AddHoneytoken(t.Context(), store.Cause{Actor: "operator:test"}, "In the wiki", "", false)
	y.w.Must(err)
	trap := &softkey.Bot{ID: string(c.ID), Authority: "api.example.com", Secret: c.Secret}
	guessed, unknown := *trap, *trap
	guessed.Secret, unknown.ID = "kws_live_x", "kwk_live_624pQIqInkHVHkCi2Zzf8m1OGkRF"
	for _, call := range []struct{ method, target, body string }{{"GET", "/v1/balance", ""}, {"POST", "/v1/orders", order}, {"GET", "/v1/nothing", ""}} {
		for range 2 { // the first time it is looked up, the second it is remembered
			want := y.shape(y.signed(&unknown, call.method, call.target, call.body))
			for name, bot := range map[string]*softkey.Bot{"with its secret": trap, "without": &guessed} {
				if got := y.shape(y.signed(bot, call.method, call.target, call.body)); got != want {
					t.Errorf("%s %s, %s:\n%+v\nan unknown key:\n%+v", call.method, call.target, name, got, want)
				}
			}
		}
	}
	want := y.shape(y.ask(&unknown, "GET", "/v1/balance", "", originalMethod, originalTarget))
	if got := y.shape(y.ask(trap, "GET", "/v1/balance", "", originalMethod, originalTarget)); got != want || want.Status == http.StatusOK {
		t.Errorf("a front that asks reads\n%+v\nof an unknown key\n%+v", got, want)
	}
	if y.calls != 0 {
		t.Errorf("the upstream was called %d times", y.calls)
	}
	y.w.Must(y.w.BotKeys.SoundAlarms(t.Context()))
	if n := y.w.Count("audit_event WHERE action = 'apikey.honeytoken_used'"); n != 1 {
		t.Errorf("%d alarms", n)
	}
}
