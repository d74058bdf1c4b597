package oauth

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// requestURN is the form of a request_uri (RFC 9126 §2.2).
const requestURN = "urn:ietf:params:oauth:request_uri:"

// ErrAsk: a request that was used, ran out, or never was.
var ErrAsk = edge.E("ask_gone")

// Keep stores a request that was read, for as long as its person may need, and
// returns the handle of it. What is kept is read again whenever it is used.
func (s *Service) Keep(ctx context.Context, a Ask, q url.Values) (handle string, err error) {
	return s.keep(ctx, a, q, false)
}

func (s *Service) keep(ctx context.Context, a Ask, q url.Values, pushed bool) (handle string, err error) {
	handle = "kwq_" + keyring.Secret()
	h := keyring.Hash(handle)
	life := askLife
	if pushed {
		life = pushedLife
	}
	err = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(sqlKeepAsk, h[:], string(a.Client.ID), q.Encode(), pushed, store.Micros(tx.Now.Add(life)))
		return err
	})
	return handle, err
}

// Kept reads a stored request. ErrAsk when it is gone.
func (s *Service) Kept(ctx context.Context, handle string) (Ask, error) {
	h := keyring.Hash(handle)
	var client, query string
	err := s.db.Get(ctx, sqlKeptAsk, h[:], store.Micros(s.db.Now())).Scan(&client, &query)
	if err == store.ErrNoRows {
		return Ask{}, ErrAsk
	}
	if err != nil {
		return Ask{}, err
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return Ask{}, err
	}
	a, err := s.ReadAsk(ctx, q)
	a.handle = h
	return a, err
}

// Push takes a request from the app itself, over a channel that no page has touched
// (RFC 9126 §2). A *Refusal becomes the answer: there is nobody to redirect.
func (s *Service) Push(ctx context.Context, c Client, q url.Values) (uri string, seconds int, err error) {
	if q.Has("request_uri") {
		return "", 0, refuse("invalid_request", "request_uri cannot be pushed") // RFC 9126 §2.1
	}
	if id := q.Get("client_id"); id != "" && id != string(c.ID) {
		return "", 0, refuse("invalid_request", "client_id is another app's")
	}
	q.Set("client_id", string(c.ID))
	for _, credential := range []string{"client_assertion", "client_assertion_type", "client_secret"} {
		q.Del(credential)
	}
	a, err := s.ReadAsk(ctx, q)
	var back *Refusal
	switch {
	case errors.As(err, &back):
		return "", 0, refuse(back.Code, back.Description)
	case errors.Is(err, ErrRedirect):
		return "", 0, refuse("invalid_request", "redirect_uri is not one this app registered")
	case err != nil:
		return "", 0, err
	}
	handle, err := s.keep(ctx, a, q, true)
	return requestURN + handle, int(pushedLife.Seconds()), err
}

// Pushed finds the handle in an authorization request that names one it pushed. Only
// client_id may stand beside it with a meaning (RFC 9126 §4); ok is false when the
// request carries its own parameters.
func (s *Service) Pushed(ctx context.Context, q url.Values) (handle string, ok bool, err error) {
	uri := q.Get("request_uri")
	handle, ok = strings.CutPrefix(uri, requestURN)
	if !ok {
		return "", false, nil
	}
	if len(q["request_uri"]) > 1 || len(q["client_id"]) != 1 {
		return "", true, ErrAsk
	}
	h := keyring.Hash(handle)
	var client, query string
	err = s.db.Get(ctx, sqlPushedAsk, h[:], store.Micros(s.db.Now()), q.Get("client_id")).Scan(&client, &query)
	if err == store.ErrNoRows {
		return "", true, ErrAsk
	}
	return handle, true, err
}
