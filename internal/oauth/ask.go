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
	// Only what ReadAsk reads, and no token: who puts one into an address, or anything
	// else of theirs, does not get it kept here.
	kept := url.Values{}
	for _, name := range askParams {
		if q.Has(name) {
			kept.Set(name, q.Get(name))
		}
	}
	if a.Subject != "" {
		kept.Set(subjectParam, a.Subject)
	}
	query := kept.Encode()
	if len(query) > maxAsk {
		return "", refuse("invalid_request", "the request is too long")
	}
	handle = "kwq_" + keyring.Secret()
	h := keyring.Hash(handle)
	life := askLife
	if pushed {
		life = pushedLife
	}
	err = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(sqlKeepAsk, h[:], string(a.Client.ID), query, pushed, store.Micros(tx.Now.Add(life)))
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
	subject := q.Get(subjectParam)
	q.Del(subjectParam)
	a, err := s.ReadAsk(ctx, q)
	a.handle, a.Subject = h, subject
	return a, err
}

// askParams are what a request is kept by. id_token_hint is a token: of it only the
// account is kept, under a name that no request can bring along.
var askParams = []string{"response_type", "response_mode", "client_id", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method",
	"nonce", "dpop_jkt", "prompt", "max_age", "acr_values", "ui_locales", "login_hint", "authorization_details"}

const subjectParam = " subject"

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
