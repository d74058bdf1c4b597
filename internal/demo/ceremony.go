package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"keyward/internal/keyring"
	"keyward/internal/softkey"
)

// What the scripts of our pages do, with a software authenticator in the place
// of the system dialog (internal/web/static/passkey.js).

// begun is an answer that opens a ceremony.
type begun struct {
	Options json.RawMessage `json:"options"`
}

// begin asks for options. A refusal comes back as the answer, with ok false.
func (v *visitor) begin(ctx context.Context, path string, body any) (options []byte, a *answer, ok bool, err error) {
	a, err = v.do(ctx, call{method: http.MethodPost, path: path, json: body})
	if err != nil || a.status != http.StatusOK {
		return nil, a, false, err
	}
	var b begun
	if err := a.into(&b); err != nil {
		return nil, a, false, err
	}
	return b.Options, a, true, nil
}

func (v *visitor) browser() *softkey.Browser { return &softkey.Browser{Origin: v.origin, Keys: v.keys} }

// signUp makes an account with its first passkey.
func (v *visitor) signUp(ctx context.Context, mail string) (*answer, error) {
	options, a, ok, err := v.begin(ctx, "/signup/begin", map[string]string{"mail": mail})
	if !ok {
		return a, err
	}
	credential, err := v.browser().Create(options)
	if err != nil {
		return nil, err
	}
	return v.do(ctx, call{method: http.MethodPost, path: "/signup/finish", json: map[string]any{"credential": json.RawMessage(credential)}, prove: true})
}

// signIn answers with a passkey; tricks make the answer wrong.
func (v *visitor) signIn(ctx context.Context, tricks ...softkey.Trick) (*answer, error) {
	options, a, ok, err := v.begin(ctx, "/signin/begin", struct{}{})
	if !ok {
		return a, err
	}
	credential, err := v.browser().Get(options, tricks...)
	if err != nil {
		return nil, err
	}
	return v.do(ctx, call{method: http.MethodPost, path: "/signin/finish", prove: true, json: map[string]any{
		"credential": json.RawMessage(credential), "remember": false, "to": "/",
	}})
}

// touch gives the touch for one named act.
func (v *visitor) touch(ctx context.Context, act, object string) (*answer, error) {
	options, a, ok, err := v.begin(ctx, "/stepup/begin", map[string]string{"act": act, "object": object})
	if !ok {
		return a, err
	}
	credential, err := v.browser().Get(options)
	if err != nil {
		return nil, err
	}
	return v.do(ctx, call{method: http.MethodPost, path: "/stepup/finish", prove: true, json: map[string]any{
		"act": act, "object": object, "credential": json.RawMessage(credential), "to": "/",
	}})
}

// forge makes a passkey that nobody asked for, with a challenge out of thin air,
// and sends it as if the server had.
func (v *visitor) forge(ctx context.Context, c call) (*answer, error) {
	u, err := url.Parse(v.origin)
	if err != nil {
		return nil, err
	}
	options, err := json.Marshal(map[string]any{
		"rp": map[string]string{"id": u.Hostname()}, "challenge": keyring.Secret(), "pubKeyCredParams": []any{map[string]int64{"alg": softkey.ES256}},
		"user": map[string]string{"id": keyring.Secret(), "name": "me"},
	})
	if err != nil {
		return nil, err
	}
	credential, err := (&softkey.Browser{Origin: v.origin, Keys: &softkey.Authenticator{}}).Create(options)
	if err != nil {
		return nil, err
	}
	c.method, c.path = http.MethodPost, "/passkeys/finish"
	c.json = struct {
		Name       string          `json:"name"`
		Credential json.RawMessage `json:"credential"`
	}{"Mine", credential}
	return v.do(ctx, c)
}

// renew turns the refresh cookie over.
func (v *visitor) renew(ctx context.Context) (*answer, error) {
	return v.do(ctx, call{method: http.MethodPost, path: "/session/renew", prove: true})
}

// post sends a form of a page.
func (v *visitor) post(ctx context.Context, path string, form map[string]string) (*answer, error) {
	values := map[string][]string{}
	for k, x := range form {
		values[k] = []string{x}
	}
	return v.do(ctx, call{method: http.MethodPost, path: path, form: values, page: true})
}

func (v *visitor) get(ctx context.Context, path string) (*answer, error) {
	return v.do(ctx, call{method: http.MethodGet, path: path})
}

// well turns an answer that should have been good into an error.
func well(a *answer, err error) error {
	if err != nil {
		return err
	}
	if a.status >= 400 {
		return fmt.Errorf("%s %s: %d %s", a.sent.Method, a.sent.URL.Path, a.status, a.Code)
	}
	return nil
}
