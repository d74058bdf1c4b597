package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"keyward/internal/notify"
)

// newDevices: a new phone shows a code, the phone that is signed in takes it in. A
// thief relays one from afar, and hears no more than that it is over.
func newDevices() []step {
	shows := func(of func(*story) *visitor) func(context.Context, *story) (*answer, error) {
		return func(ctx context.Context, s *story) (*answer, error) {
			a, err := of(s).do(ctx, call{method: http.MethodPost, path: "/api/v1/join", prove: true})
			if err := well(a, err); err != nil {
				return a, err
			}
			var c struct{ Code string }
			err = a.into(&c)
			s.code = c.Code
			s.names.of(of(s).name, "code", c.Code)
			return a, err
		}
	}
	begins := func(of func(*story) *visitor) func(context.Context, *story) (*answer, error) {
		return func(ctx context.Context, s *story) (*answer, error) {
			return of(s).do(ctx, call{method: http.MethodPost, path: "/api/v1/join/begin", prove: true})
		}
	}
	types := func(same bool) func(context.Context, *story) (*answer, error) {
		return func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.api(ctx, http.MethodPost, "/joins", map[string]string{"code": s.code})
			if err := well(a, err); err != nil {
				return a, err
			}
			var j struct {
				ID          string
				SameNetwork bool `json:"same_network"`
			}
			if err := a.into(&j); err != nil {
				return a, err
			}
			if s.join = j.ID; j.SameNetwork != same {
				err = errors.New("the networks are told wrong")
			}
			return a, err
		}
	}
	says := func(ctx context.Context, s *story) (*answer, error) {
		return s.phone.api(ctx, http.MethodPost, "/joins/"+s.join+"/admit", nil)
	}
	newPhone := func(s *story) *visitor { return s.newPhone }
	relay := func(s *story) *visitor { return s.relay }
	return []step{
		{"thief", "shows a code of their own and sends it to Mina", want{201, "", "a code"}, shows(relay)},
		{"phone", "types it: another device, on another network", want{201, "", "shown beside her own"}, types(false)},
		{"phone", "says no", want{204, "", "for good"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.api(ctx, http.MethodDelete, "/joins/"+s.join, nil)
		}},
		told(notify.JoinRefused),
		{"thief", "makes a passkey all the same", want{410, "join_gone", ""}, begins(relay)},
		{"new phone", "shows a code", want{201, "", "a code"}, shows(newPhone)},
		{"phone", "types it: a device on the same network", want{201, "", "shown beside her own"}, types(true)},
		{"new phone", "makes a passkey before anybody said yes", want{409, "join_waiting", ""}, begins(newPhone)},
		{"phone", "says yes without a touch", want{403, "step_up_required", ""}, says},
		{"phone", "says yes with a touch for it", want{200, "", "five minutes, one passkey"}, func(ctx context.Context, s *story) (*answer, error) {
			if a, err := s.phone.appTouch(ctx, "devices.admit", s.join); well(a, err) != nil {
				return a, err
			}
			return says(ctx, s)
		}},
		told(notify.JoinAdmitted),
		{"thief", "who read the code along makes a passkey", want{410, "join_gone", ""}, begins(relay)},
		{"new phone", "makes its passkey and is signed in", want{201, "", "withdrawals held for a day"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := begins(newPhone)(ctx, s)
			if err := well(a, err); err != nil {
				return a, err
			}
			var b begun
			if err := a.into(&b); err != nil {
				return a, err
			}
			credential, err := s.newPhone.browser().Create(b.Options)
			if err != nil {
				return nil, err
			}
			return s.newPhone.take(s.newPhone.do(ctx, call{method: http.MethodPost, path: "/api/v1/join/finish", json: map[string]any{"credential": json.RawMessage(credential), "name": "New phone"}, prove: true}))
		}},
		told(notify.KeyJoined),
	}
}
