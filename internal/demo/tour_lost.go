package demo

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// lost: the new phone is left in a taxi. One act ends all that it can do, and says before
// what that is.
func lost() []step {
	impact := func(ctx context.Context, s *story) (*answer, error) {
		a, err := s.newPhone.api(ctx, http.MethodGet, "/session", nil)
		if err := well(a, err); err != nil {
			return a, err
		}
		var me struct{ Session struct{ Device string } }
		if err := a.into(&me); err != nil {
			return a, err
		}
		s.taxi = me.Session.Device
		a, err = s.phone.api(ctx, http.MethodGet, "/devices/"+s.taxi+"/impact", nil)
		if err := well(a, err); err != nil {
			return a, err
		}
		var stops struct {
			Sessions, Passkeys []struct{ ID string }
			Keys               []struct{ ID string } `json:"api_keys"`
		}
		if err := a.into(&stops); err != nil {
			return a, err
		}
		if len(stops.Sessions) != 1 || len(stops.Passkeys) != 1 || len(stops.Keys) != 1 || stops.Keys[0].ID != s.bot.ID {
			return a, fmt.Errorf("it would stop %+v", stops)
		}
		return a, nil
	}
	removes := func(ctx context.Context, s *story) (*answer, error) {
		return s.phone.api(ctx, http.MethodDelete, "/devices/"+s.taxi, nil)
	}
	return []step{
		{"new phone", "makes an API key that reads, with a touch", want{201, "", "an id"}, func(ctx context.Context, s *story) (*answer, error) {
			u, err := url.Parse(s.Gate)
			if err != nil {
				return nil, err
			}
			s.bot = softkey.NewBot(u.Host)
			reads := map[string]any{
				"purpose": "Widget on my phone", "public_key": base64.StdEncoding.EncodeToString(s.bot.Public()), "scopes": []string{"read.account"}, "addresses": []string{botHome},
			}
			a, err := s.newPhone.api(ctx, http.MethodPost, "/keys", reads)
			if err != nil {
				return nil, err
			}
			if b, err := s.newPhone.appTouch(ctx, a.Purpose["act"], a.Purpose["object"]); well(b, err) != nil {
				return b, err
			}
			a, err = s.newPhone.api(ctx, http.MethodPost, "/keys", reads)
			if err := well(a, err); err != nil {
				return a, err
			}
			var made struct{ Key struct{ ID string } }
			err = a.into(&made)
			s.bot.ID = made.Key.ID
			return a, err
		}},
		{"new phone", "reads a balance through the gate, and is lost", want{200, "", "in a taxi"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "GET", path: "/v1/balance"})
		}},
		{"phone", "looks what removing it would stop", want{200, "", "a session, a passkey, an API key"}, impact},
		{"phone", "removes it without a touch", want{403, "step_up_required", ""}, removes},
		{"phone", "removes it with a touch for it", want{200, "", "refused everywhere, in ms"}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.phone.appTouch(ctx, "devices.remove", s.taxi); well(a, err) != nil {
				return a, err
			}
			a, err := removes(ctx, s)
			var e struct {
				At string `json:"effective_at"`
			}
			if err := well(a, err); err != nil {
				return a, err
			}
			if err := a.into(&e); err == nil && e.At == "" {
				return a, errors.New("it does not say since when")
			}
			return a, nil
		}},
		{"thief", "opens the app on the lost phone", want{401, "session_ended", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.newPhone.api(ctx, http.MethodGet, "/session", nil)
		}},
		{"thief", "uses the API key that lies on it, at the gate", want{401, "AUTH_FAILED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.asBot(ctx, botCall{method: "GET", path: "/v1/balance"})
		}},
		{"thief", "signs in with its passkey, which is none any more", want{404, "key_unknown", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.newPhone.appSignIn(ctx)
		}},
		told(notify.DeviceRemoved),
	}
}
