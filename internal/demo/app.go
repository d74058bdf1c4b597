package demo

import (
	"context"
	"encoding/json"
	"net/http"

	"keyward/internal/softkey"
)

// What an app does at /api/v1: tokens instead of cookies, and a proof of its key
// with every call.

// tokens are what the API hands out.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Session string `json:"session"`
}

// api makes a call with the access token.
func (v *visitor) api(ctx context.Context, method, path string, body any) (*answer, error) {
	return v.do(ctx, call{method: method, path: "/api/v1" + path, json: body, token: true})
}

// take keeps the tokens of an answer.
func (v *visitor) take(a *answer, err error) (*answer, error) {
	if err != nil || a.status >= 300 {
		return a, err
	}
	var t tokens
	if err := a.into(&t); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.access, v.refresh = t.Access, t.Refresh
	v.keep("access", t.Access)
	v.keep("refresh", t.Refresh)
	return a, nil
}

// appSignIn signs an app in with the passkey.
func (v *visitor) appSignIn(ctx context.Context, tricks ...softkey.Trick) (*answer, error) {
	options, a, ok, err := v.begin(ctx, "/api/v1/sign-in", struct{}{})
	if !ok {
		return a, err
	}
	credential, err := v.browser().Get(options, tricks...)
	if err != nil {
		return nil, err
	}
	return v.take(v.do(ctx, call{method: http.MethodPost, path: "/api/v1/sign-in/finish", json: map[string]any{"credential": json.RawMessage(credential)}, prove: true}))
}

// appTouch gives the touch for one named act; the session gets new tokens.
func (v *visitor) appTouch(ctx context.Context, act, object string) (*answer, error) {
	purpose := map[string]any{"act": act}
	if object != "" {
		purpose["object"] = object
	}
	a, err := v.api(ctx, http.MethodPost, "/step-up", purpose)
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	var b begun
	if err := a.into(&b); err != nil {
		return nil, err
	}
	credential, err := v.browser().Get(b.Options)
	if err != nil {
		return nil, err
	}
	purpose["credential"] = json.RawMessage(credential)
	return v.take(v.api(ctx, http.MethodPost, "/step-up/finish", purpose))
}

// list reads the items of a list.
func (v *visitor) list(ctx context.Context, path string, items any) (*answer, error) {
	a, err := v.api(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	var out struct {
		Items json.RawMessage `json:"items"`
	}
	if err := a.into(&out); err != nil {
		return a, err
	}
	return a, json.Unmarshal(out.Items, items)
}
