package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// order is what the bot of the story places.
const order = `{"symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"100"}`

// bots: a program trades with a key that leaks little, and whoever copies its requests
// has nothing.
func bots() []step {
	return []step{
		{"phone", "makes an API key for a bot, without a touch", want{403, "step_up_required", ""}, func(ctx context.Context, s *story) (*answer, error) {
			u, err := url.Parse(s.Gate)
			if err != nil {
				return nil, err
			}
			s.bot = softkey.NewBot(u.Host)
			return s.phone.api(ctx, http.MethodPost, "/keys", s.botKey())
		}},
		{"phone", "touches for exactly this key", want{201, "", "an id; the secret never left the bot"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.api(ctx, http.MethodPost, "/keys", s.botKey())
			if err != nil {
				return nil, err
			}
			if b, err := s.phone.appTouch(ctx, a.Purpose["act"], a.Purpose["object"]); well(b, err) != nil {
				return b, err
			}
			a, err = s.phone.api(ctx, http.MethodPost, "/keys", s.botKey())
			if err := well(a, err); err != nil {
				return a, err
			}
			var made struct {
				Key    struct{ ID string }
				Secret string
			}
			if err := a.into(&made); err != nil {
				return a, err
			}
			s.bot.ID = made.Key.ID
			if made.Secret != "" {
				return a, errors.New("there is a secret in the answer")
			}
			return a, nil
		}},
		once(notify.BotKeyAdded),
		{"bot", "asks what its key is seen as", want{200, "", "its address, its rights, its clock"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "GET", path: "/v1/whoami"})
			return a, errors.Join(err, seen(a, botHome), seen(a, "trade.spot"))
		}},
		{"bot", "places an order", want{200, "", "the exchange took it"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order, keep: true})
			return a, errors.Join(err, seen(a, `"id":"ord_`))
		}},
		{"thief", "sends the captured order again", want{409, "REPLAYED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.again(ctx, func(r *http.Request) string { return order })
		}},
		{"thief", "sends it with another quantity", want{401, "AUTH_FAILED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.again(ctx, func(r *http.Request) string { return strings.Replace(order, "0.1", "9.9", 1) })
		}},
		{"thief", "has the key itself, and is somewhere else", want{403, "IP_NOT_ALLOWED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order, from: farAddr})
		}},
		{"thief", "says in our name whose order it is", want{200, "", "the owner's own, as signed"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "GET", path: "/v1/balance", edit: func(r *http.Request) {
				r.Header["X_Keyward_Account"], r.Header["X-Keyward-Account"] = []string{"acc_victim"}, []string{"acc_victim"}
			}})
			if err == nil && bytes.Contains(a.body, []byte("victim")) {
				err = errors.New("the exchange believed it")
			}
			return a, err
		}},
		{"bot", "withdraws, which its key may not", want{403, "SCOPE_MISSING", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "POST", path: "/v1/withdrawals", body: `{"asset":"BTC"}`})
		}},
		{"bot", "signs with a clock that is a minute slow", want{401, "TIMESTAMP_OUTSIDE_WINDOW", ""}, func(ctx context.Context, s *story) (*answer, error) {
			s.bot.Skew = -60e9
			defer func() { s.bot.Skew = 0 }()
			return s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order})
		}},
		{"a page", "signs with the secret in its script", want{403, "KEY_IN_BROWSER", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order, edit: func(r *http.Request) { r.Header.Set("Origin", "https://portfolio.example") }})
		}},
		once(notify.BotKeyInBrowser),
		streamOpens(), streamTells(), streamAgain(),
		{"phone", "ends the key", want{200, "", "refused everywhere, in ms"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.api(ctx, http.MethodDelete, "/keys/"+s.bot.ID, nil)
			if s.stream != nil {
				s.stream.owner = s.Now()
			}
			return a, err
		}},
		streamEnds(),
		{"bot", "looks at its balance", want{401, "AUTH_FAILED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "GET", path: "/v1/balance"})
		}},
	}
}

// once there is a key, its owner is told; without one nobody waits for the mail.
func once(kind notify.Kind) step {
	st := told(kind)
	wait := st.do
	st.do = func(ctx context.Context, s *story) (*answer, error) {
		if s.bot == nil || s.bot.ID == "" {
			return nil, errors.New("there is no key to be told of")
		}
		return wait(ctx, s)
	}
	return st
}

// botHome is where the bot runs: an address that its owner named.
const botHome = "198.51.100.77"

func (s *story) botKey() map[string]any {
	return map[string]any{
		"purpose": "Grid bot on my VPS", "public_key": base64.StdEncoding.EncodeToString(s.bot.Public()), "scopes": []string{"read.account", "read.orders", "trade.cancel", "trade.spot"},
		"symbols": []string{"BTC-USD"}, "addresses": []string{botHome},
	}
}

type botCall struct {
	method, path, body string
	from               string              // "": where the bot runs
	keep               bool                // a thief reads along
	edit               func(*http.Request) // after it was signed
}

// asBot sends a request that the bot signed.
func (s *story) asBot(ctx context.Context, c botCall) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, c.method, s.Gate+c.path, strings.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	s.bot.Sign(r, []byte(c.body), s.Now())
	if c.from == "" {
		c.from = botHome
	}
	r.Header.Set("X-Forwarded-For", c.from)
	if c.edit != nil {
		c.edit(r)
	}
	if c.keep {
		s.captured = r.Clone(ctx)
	}
	return s.toGate(r, c.body)
}

// again sends what a thief captured, with the body it makes of it.
func (s *story) again(ctx context.Context, body func(*http.Request) string) (*answer, error) {
	r := s.captured.Clone(ctx)
	text := body(r)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return s.toGate(r, text)
}

func (s *story) toGate(r *http.Request, body string) (*answer, error) {
	s.sent = append(s.sent, s.curl(s.app, sent{r, []byte(body)}))
	return askGate(s.app.client, s.Now, r, body)
}
