package demo

import (
	"context"
	"encoding/json"
	"net/http"

	"keyward/internal/softkey"
)

// appAtGate reads the balance with the app's token and a proof of a key.
func (s *story) appAtGate(ctx context.Context, key *softkey.BindingKey) (*answer, error) {
	const path = "/v1/balance"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Gate+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "DPoP "+s.wallet.access)
	r.Header.Set("DPoP", key.Proof(softkey.DPoP{Method: http.MethodGet, URL: s.GateName + path, Token: s.wallet.access}, s.Now()))
	a, err := s.toGate(r, "")
	if err == nil && a.status >= 400 && a.Code == "" {
		var told struct{ Error string } // of RFC 6750
		err = json.Unmarshal(a.body, &told)
		a.Code = told.Error
	}
	return a, err
}
