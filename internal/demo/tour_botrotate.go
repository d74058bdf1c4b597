package demo

import (
	"context"
	"errors"
	"net/http"

	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// botRotates: the bot replaces its key while it trades; whoever copied the old one gains
// nothing, and shuts nobody out.
func botRotates(order string) []step {
	return []step{
		{"bot", "replaces its own key, with proof that it has the new one", want{200, "", "version 2; the old one works for a day"}, func(ctx context.Context, s *story) (*answer, error) {
			asked := s.bot.Rotation(2)
			s.botTurn = asked
			a, err := s.asBot(ctx, botCall{method: "POST", path: asked.Path(), body: asked.Body()})
			return a, errors.Join(err, seen(a, `"version":2`))
		}},
		once(notify.BotKeyRotatedSelf),
		{"bot", "lost the answer, and asks the same again", want{200, "", "the same answer"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "POST", path: s.botTurn.Path(), body: s.botTurn.Body()})
			return a, errors.Join(err, seen(a, `"version":2`))
		}},
		{"thief", "has a copy of the old key, and asks for a version of their own", want{409, "ROTATE_BUSY", ""}, func(ctx context.Context, s *story) (*answer, error) {
			own := s.bot.Rotation(2)
			return s.asBot(ctx, botCall{method: "POST", path: own.Path(), body: own.Body()})
		}},
		{"bot", "places an order with the old version", want{200, "", "both work"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order})
			return a, errors.Join(err, seen(a, `"id":"ord_`))
		}},
		{"bot", "places an order with the new version", want{200, "", "both work"}, func(ctx context.Context, s *story) (*answer, error) {
			s.botOld = s.bot
			if s.botTurn == nil {
				return nil, errors.New("there is no new version")
			}
			next := *s.bot
			next.Private = s.botTurn.Private
			s.bot = &next
			a, err := s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: order})
			return a, errors.Join(err, seen(a, `"id":"ord_`))
		}},
		{"phone", "ends the old version in passing", want{409, "apikey_still_used", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodPost, "/keys/"+s.bot.ID+"/retire", map[string]any{})
		}},
		{"phone", "means it: a copy was seen", want{200, "", "refused everywhere"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodPost, "/keys/"+s.bot.ID+"/retire", map[string]any{"force": true})
		}},
		{"thief", "looks at the balance with the old version", want{401, "AUTH_FAILED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			now := s.bot
			s.bot = s.botOld
			defer func() { s.bot = now }()
			return s.asBot(ctx, botCall{method: "GET", path: "/v1/balance"})
		}},
	}
}

// rotated is what the chapter keeps from one step to the next.
type rotated struct {
	botTurn *softkey.Rotation
	botOld  *softkey.Bot
}
