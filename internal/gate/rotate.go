package gate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// ofItself is what a bot needs to replace its own key.
var ofItself = route{method: http.MethodPost, takes: TakesKey, need: apikey.Need{Scope: apikey.RotateSelf, Class: apikey.ClassKey}}

const (
	beforeID = "/v1/keys/"
	afterID  = "/rotate"
)

// rotates reports whether a request asks the gate to replace the key that signed it. Not
// where a front kept the body: what it would be answered never reached the client.
func rotates(a *asked) bool {
	if a.method != http.MethodPost || a.unseen || !strings.HasPrefix(a.target, beforeID) || !strings.HasSuffix(a.target, afterID) {
		return false
	}
	id := a.target[len(beforeID):max(len(beforeID), len(a.target)-len(afterID))]
	return id != "" && !strings.ContainsAny(id, "/?")
}

// rotate answers POST /v1/keys/{id}/rotate itself. The request was let in, so its key
// signed it and may do this; what is left is what it asks for.
func (g *Gate) rotate(w http.ResponseWriter, r *http.Request, a *asked, gr granted) {
	id, err := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(a.target, beforeID), afterID))
	t, ok := apikey.ParseSelfTurn(id, a.body)
	if err != nil || !ok {
		g.notRotated(w, a, http.StatusBadRequest, "ROTATE_BAD", "The body is one JSON object with version and, as the key signs, public_key and proof or seal_to.", nil)
		return
	}
	cause := store.Cause{Actor: "key:" + string(gr.Key.ID), Request: a.id, Addr: a.peer.Unmap()}
	out, err := g.BotKeys.RotateSelf(r.Context(), cause, g.Authority, gr.Decision, t)
	if err != nil {
		g.unrotated(w, r, a, err)
		return
	}
	h := g.answers(w, a)
	gr.Key.Expires = out.Expires
	gr.until(h)
	said := map[string]any{"key": out.Name, "version": out.N, "expires_at": out.Expires.UTC()}
	if !out.OldEnds.IsZero() {
		said["old_version_ends_at"] = out.OldEnds.UTC()
	}
	if out.Sealed != nil {
		said["sealed_secret"] = base64.RawURLEncoding.EncodeToString(out.Sealed)
	}
	_ = json.NewEncoder(w).Encode(said) // the client is gone: it asks again and gets the same
}

func (g *Gate) answers(w http.ResponseWriter, a *asked) http.Header {
	h := w.Header()
	stamp(h, g.Now())
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", a.id)
	return h
}

// unrotated says why not. The signature held, so the bot may know.
func (g *Gate) unrotated(w http.ResponseWriter, r *http.Request, a *asked, err error) {
	for _, row := range []struct {
		is     error
		status int
		code   string
		says   string
	}{
		{apikey.ErrRotateElsewhere, http.StatusNotImplemented, "ROTATE_ELSEWHERE", "This gate may not change keys; send the same to one that may, or ask the key's owner."},
		{apikey.ErrReplacing, http.StatusConflict, "ROTATE_BUSY", "Another version is replacing this one already; sign with what you have until it ends, or ask the key's owner."},
		{apikey.ErrChanged, http.StatusConflict, "ROTATE_VERSION", "That is not the next version; take the one that is named."},
		{apikey.ErrOwnerRotates, http.StatusForbidden, "ROTATE_OWNER", "Only its owner replaces what signs for this key; ask them."},
		{apikey.ErrHeld, http.StatusForbidden, "ROTATE_HELD", "The account takes no new keys for now; its owner knows why."},
		{apikey.ErrRotateProof, http.StatusBadRequest, "ROTATE_PROOF", "The new key did not sign the text that it has to; see the documentation of rotation."},
		{apikey.ErrPublic, http.StatusBadRequest, "ROTATE_KEY", "That is no key to go on with, or one that this key had before."},
		{apikey.ErrUnknown, http.StatusForbidden, "ROTATE_OTHER", "A key replaces itself only; the path names another one."},
	} {
		if errors.Is(err, row.is) {
			var e *edge.Error
			var next any
			if errors.As(err, &e) {
				next = e.Extra("next")
			}
			g.notRotated(w, a, row.status, row.code, row.says, next)
			return
		}
	}
	g.Logger.WarnContext(r.Context(), "a key was not replaced", "cause", err)
	g.refuse(w, a, &refused{code: apikey.Unavailable, facts: apikey.Facts{RetryAfter: time.Second}}, same)
}

func (g *Gate) notRotated(w http.ResponseWriter, a *asked, status int, code, says string, next any) {
	g.answers(w, a)
	w.WriteHeader(status)
	said := map[string]any{"code": code, "message": says, "request_id": a.id, "server_ts": g.Now().UnixMilli()}
	if next != nil {
		said["next"] = next
	}
	_ = json.NewEncoder(w).Encode(said) // the client is gone: nobody is left to tell
}
