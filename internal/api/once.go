package api

import (
	"context"
	"encoding/json"

	"keyward/internal/keyring"
)

// once runs an act of a back end at most once per Idempotency-Key and gives every
// retry the first answer. in is what the key stands for: the same values in
// another spelling or order of fields are the same request, because clients that
// retry may write their JSON anew.
func once[V any](ctx context.Context, s *Server, key string, in any, run func(context.Context) (V, error)) (v V, again string, err error) {
	r := request(ctx)
	if len(r.Header["Idempotency-Key"]) > 1 {
		return v, "", errBadRequest.At("Idempotency-Key", "is there twice")
	}
	said, err := json.Marshal(in)
	if err != nil {
		return v, "", err
	}
	hash := keyring.Hash(r.Method + " " + r.URL.Path + "\n" + string(said))
	a, err := s.Accounts.Once(ctx, s.DB, clientOf(ctx).ID, key, hash, func() (int, []byte, error) {
		// A client that hangs up must not leave the act half asked for: the key
		// would be released although the act may have committed.
		v, err := run(context.WithoutCancel(ctx))
		if err != nil {
			return 0, nil, err
		}
		body, err := json.Marshal(v)
		return 200, body, err
	})
	if err != nil {
		return v, "", err
	}
	if a.Replayed {
		again = "true"
	}
	return v, again, json.Unmarshal(a.Body, &v)
}

// onceCodes are the refusals every such act shares (account.Once gives them).
const onceCodes = " idempotency_key_missing idempotency_body_differs idempotency_in_progress "
