package gate

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/softkey"
)

// turns sends a rotation and reads the whole answer.
func (y *yard) turns(r *softkey.Rotation, by *softkey.Bot) (status int, code string, body []byte) {
	y.t.Helper()
	return y.sends(y.signed(by, "POST", r.Path(), r.Body()))
}

func (y *yard) sends(r *http.Request) (status int, code string, body []byte) {
	y.t.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	y.w.Must(err)
	defer res.Body.Close()
	body, _ = io.ReadAll(res.Body)
	var told struct{ Code string }
	_ = json.Unmarshal(body, &told)
	return res.StatusCode, told.Code, body
}

func TestABotReplacesItsKeyAtTheGate(t *testing.T) {
	y := newYard(t)
	for _, alg := range []apikey.Alg{"", apikey.HMACSHA256} {
		n := trading
		n.Scopes |= apikey.RotateSelf
		n.Alg, n.Purpose = alg, "with "+string(alg)+"."
		bot, key := y.p.Bot(n)
		before := y.calls
		r := bot.Rotation(2)
		status, code, lost := y.turns(r, bot)
		if status != http.StatusOK {
			t.Fatalf("%d %s %s", status, code, lost)
		}
		if strings.Contains(string(lost), "kws_") {
			t.Error("the secret is in the answer for whoever reads the way")
		}
		// The answer was lost. The bot signs the same question anew, by what it wrote down.
		y.w.Clock.Sleep(time.Minute)
		status, code, body := y.turns(r, bot)
		if status != http.StatusOK {
			t.Fatalf("again: %d %s %s", status, code, body)
		}
		next, err := r.Done(body)
		y.w.Must(err)
		if y.calls != before {
			t.Error("the upstream was told of a new key")
		}
		for _, b := range []*softkey.Bot{bot, next} {
			if res, code := y.does(y.signed(b, "POST", "/v1/orders", order)); res.StatusCode != http.StatusCreated {
				t.Errorf("%d %s", res.StatusCode, code)
			}
		}
		var said struct {
			Key     apikey.ID
			Version int
			Old     time.Time `json:"old_version_ends_at"`
			Expires time.Time `json:"expires_at"`
		}
		y.w.Must(json.Unmarshal(body, &said))
		if said.Key != key.ID || said.Version != 2 || !said.Expires.Equal(key.Expires) || said.Old.Sub(y.w.DB.Now()) > 24*time.Hour {
			t.Errorf("%s", body)
		}
		_, _, body = y.sends(y.signed(next, "GET", whoami, ""))
		if !strings.Contains(string(body), `"version":2`) {
			t.Errorf("whoami: %s", body)
		}
	}
}

func TestWhatTheGateDoesNotReplace(t *testing.T) {
	y := newYard(t)
	n := trading
	n.Scopes |= apikey.RotateSelf
	bot, key := y.p.Bot(n)
	n.Purpose = "another"
	other, _ := y.p.Bot(n)
	lesser, _ := y.p.Bot(trading)
	thief := softkey.NewBot(bot.Authority)
	thief.ID = bot.ID
	send := func(by *softkey.Bot, path, body string) *http.Request { return y.signed(by, "POST", path, body) }
	r := bot.Rotation(2)
	foreign := bot.Rotation(2) // its proof names another key
	foreign.Bot = other
	elsewhere := *bot // and this one another API
	elsewhere.Authority = "api.evil.example"
	away := elsewhere.Rotation(2)
	captured := send(bot, r.Path(), bot.Rotation(9).Body())
	for _, row := range []struct {
		sentence string
		r        *http.Request
		status   int
		code     string
	}{
		{"signed with a key of the thief's own", send(thief, r.Path(), r.Body()), 401, "AUTH_FAILED"},
		{"a key without the right", send(lesser, lesser.Rotation(2).Path(), lesser.Rotation(2).Body()), 403, "SCOPE_MISSING"},
		{"the path of another key", send(bot, other.Rotation(2).Path(), foreign.Body()), 403, "ROTATE_OTHER"},
		{"a proof for another key", send(bot, r.Path(), foreign.Body()), 400, "ROTATE_PROOF"},
		{"a proof for another API", send(bot, r.Path(), away.Body()), 400, "ROTATE_PROOF"},
		{"another version than the next", captured, 409, "ROTATE_VERSION"},
		{"no body", send(bot, r.Path(), ""), 400, "ROTATE_BAD"},
		{"two versions in one body", send(bot, r.Path(), strings.Replace(r.Body(), "{", `{"version":3,`, 1)), 400, "ROTATE_BAD"},
		{"a member nobody reads", send(bot, r.Path(), strings.Replace(r.Body(), "{", `{"scopes":"withdraw",`, 1)), 400, "ROTATE_BAD"},
		{"a seal for a key that has no secret", send(bot, r.Path(), `{"version":2,"seal_to":"`+strings.Repeat("A", 43)+`"}`), 400, "ROTATE_KEY"},
		{"with a query", send(bot, r.Path()+"?to=2", r.Body()), 404, "ROUTE_UNKNOWN"},
		{"no id", send(bot, "/v1/keys/rotate", r.Body()), 404, "ROUTE_UNKNOWN"},
	} {
		if status, code, body := y.sends(row.r); status != row.status || code != row.code {
			t.Errorf("%s: %d %s, want %d %s: %s", row.sentence, status, code, row.status, row.code, body)
		}
	}
	again := send(bot, r.Path(), r.Body())
	copied := again.Clone(t.Context())
	copied.Body = io.NopCloser(strings.NewReader(r.Body()))
	if status, code, body := y.sends(again); status != http.StatusOK {
		t.Fatalf("%d %s %s", status, code, body)
	}
	if status, code, _ := y.sends(copied); status != http.StatusConflict || code != "REPLAYED" {
		t.Errorf("the same bytes again: %d %s", status, code)
	}
	if status, code, _ := y.turns(bot.Rotation(3), bot); status != http.StatusConflict || code != "ROTATE_BUSY" {
		t.Errorf("a third version: %d %s", status, code)
	}
	if v := y.p.Versions(key.ID); len(v) != 2 || v[0].How != "self" {
		t.Errorf("%+v", v)
	}
	// A front that keeps bodies would not carry the answer to the bot.
	ask, _ := http.NewRequest("GET", y.check.URL, nil)
	signed := y.signed(bot, "POST", r.Path(), r.Body())
	ask.Header = signed.Header
	ask.Header.Set("X-Original-Method", "POST")
	ask.Header.Set("X-Original-Uri", r.Path())
	if res, code := y.does(ask); res.StatusCode != http.StatusForbidden || code != "ROUTE_UNKNOWN" {
		t.Errorf("through a front: %d %s", res.StatusCode, code)
	}
}

func TestAFrozenAccountGetsNoNewVersion(t *testing.T) {
	y := newYard(t)
	n := trading
	n.Scopes |= apikey.RotateSelf
	bot, _ := y.p.Bot(n)
	_, err := y.w.Contain.Freeze(t.Context(), y.p.Cause(), y.p.Account, "signed_in")
	y.w.Must(err)
	r := bot.Rotation(2)
	if status, code, _ := y.turns(r, bot); status != http.StatusForbidden || code != "ACCOUNT_FROZEN" {
		t.Errorf("%d %s", status, code)
	}
}
