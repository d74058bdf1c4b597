package demo

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// subAccounts: a bot has a part of the account to itself. It trades there and brings its
// gains home, and whoever takes its key takes nothing out of the account.
func subAccounts() []step {
	const order = `{"symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"100"}`
	wish := func(more ...string) func(*story) map[string]any {
		return func(s *story) map[string]any {
			key := s.botKey()
			key["purpose"], key["sub_account"], key["scopes"] = "Market maker", s.sub, append([]string{"read.account", "trade.cancel", "trade.spot", "transfer.internal"}, more...)
			key["day_cap"] = map[string]string{"amount": "15", "currency": "USD"}
			return key
		}
	}
	call := func(method, path, body string) func(context.Context, *story) (*answer, error) {
		return func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: method, path: path, body: body})
		}
	}
	return []step{
		{"phone", "makes a sub-account, with a touch for exactly it", want{201, "", "a part of the account"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.touched(ctx, http.MethodPost, "/subaccounts", map[string]any{"name": "Market maker", "transfers": "both"})
			if err := well(a, err); err != nil {
				return a, err
			}
			var made struct{ ID string }
			err = a.into(&made)
			s.sub = made.ID
			return a, err
		}},
		told(notify.SubMade),
		{"phone", "asks for a key of it that withdraws", want{400, "apikey_withdraw", ""}, func(ctx context.Context, s *story) (*answer, error) {
			u, err := url.Parse(s.Gate)
			if err != nil {
				return nil, err
			}
			s.bot = softkey.NewBot(u.Host)
			return s.phone.api(ctx, http.MethodPost, "/keys", wish("withdraw")(s))
		}},
		{"phone", "makes a key of it that trades 15 dollars a day", want{201, "", "an id"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.touched(ctx, http.MethodPost, "/keys", wish()(s))
			if err := well(a, err); err != nil {
				return a, err
			}
			var made struct{ Key struct{ ID string } }
			err = a.into(&made)
			s.bot.ID = made.Key.ID
			return a, err
		}},
		{"phone", "makes a key of the main account that moves money", want{201, "", "an id"}, func(ctx context.Context, s *story) (*answer, error) {
			s.mover = softkey.NewBot(s.bot.Authority)
			key := s.botKey()
			key["purpose"], key["scopes"], key["public_key"] = "Treasurer", []string{"read.account", "transfer.internal"}, base64.StdEncoding.EncodeToString(s.mover.Public())
			a, err := s.touched(ctx, http.MethodPost, "/keys", key)
			if err := well(a, err); err != nil {
				return a, err
			}
			var made struct{ Key struct{ ID string } }
			err = a.into(&made)
			s.mover.ID = made.Key.ID
			return a, err
		}},
		{"bot", "moves 50 dollars into the sub-account", want{200, "", "inside the account"}, func(ctx context.Context, s *story) (*answer, error) {
			mine := s.bot
			s.bot = s.mover
			defer func() { s.bot = mine }()
			return s.asBot(ctx, botCall{method: "POST", path: "/v1/transfers", body: `{"to":"` + s.sub + `","amount":"50"}`})
		}},
		{"bot", "trades in the sub-account", want{200, "", "the exchange took it"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order})
			if err := well(a, err); err != nil {
				return a, err
			}
			var o struct{ ID string }
			err = a.into(&o)
			s.order = o.ID
			return a, err
		}},
		{"bot", "trades once more than its day allows", want{403, "DAY_CAP_REACHED", ""}, call("POST", "/v1/orders", order)},
		{"bot", "hides how much it trades", want{403, "DAY_CAP_UNREAD", ""}, call("POST", "/v1/orders", `{"symbol":"BTC-USD","side":"buy","quantity":"1e-9","price":"100"}`)},
		{"bot", "looks at the balance", want{200, "", "the sub-account's own"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "GET", path: "/v1/balance"})
			return a, errors.Join(err, seen(a, `"USD":"50.00"`), seen(a, s.sub))
		}},
		{"thief", "moves what is in it to another account", want{403, "TRANSFER_NOT_ALLOWED", ""}, call("POST", "/v1/transfers", `{"to":"acc_01kjma0fme6q2q8fz06e4bbdjf","amount":"5"}`)},
		{"thief", "names two destinations", want{400, "BAD_REQUEST", ""}, call("POST", "/v1/transfers?to=acc_01kjma0fme6q2q8fz06e4bbdjf", `{"to":"main","amount":"5"}`)},
		{"bot", "moves 5 dollars home", want{200, "", "as its rule allows"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "POST", path: "/v1/transfers", body: `{"to":"main","amount":"5"}`})
			return a, errors.Join(err, seen(a, `"left":"45.00"`))
		}},
		{"phone", "freezes the sub-account, without a touch", want{200, "", "refused everywhere, in ms"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodPost, "/subaccounts/"+s.sub+"/freeze", nil)
		}},
		{"bot", "trades", want{403, "SUB_ACCOUNT_FROZEN", ""}, call("POST", "/v1/orders", order)},
		{"bot", "cancels what it left open", want{200, "", "no order is stuck"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "DELETE", path: "/v1/orders/" + s.order})
		}},
		{"phone", "takes the story of the key home, signed", want{200, "", "who, from where, what, by minute"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.api(ctx, http.MethodGet, "/keys/"+s.bot.ID+"/story/signed", nil)
			return a, errors.Join(err, seen(a, `"signature":"keyward-key-story-1`), seen(a, "apikey.added"))
		}},
		{"phone", "closes the sub-account", want{200, "", "its key ended with it"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodDelete, "/subaccounts/"+s.sub, nil)
		}},
		{"bot", "looks at the balance", want{401, "AUTH_FAILED", ""}, call("GET", "/v1/balance", "")},
	}
}

// touched sends what takes a touch: it is refused, the phone touches for what the refusal
// names, and sends it again.
func (s *story) touched(ctx context.Context, method, path string, body any) (*answer, error) {
	a, err := s.phone.api(ctx, method, path, body)
	if err != nil || a.Code != "step_up_required" {
		return a, errors.Join(err, errors.New("no touch was asked for"))
	}
	if b, err := s.phone.appTouch(ctx, a.Purpose["act"], a.Purpose["object"]); well(b, err) != nil {
		return b, err
	}
	return s.phone.api(ctx, method, path, body)
}
