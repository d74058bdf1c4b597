package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/audit"
)

// An engine with a socket server of its own keeps its clients and asks here. It is known
// twice: by its address, as every front that speaks for clients, and by the key that it
// shares with the gate. Package gatekit is its side.

// maxOpening bounds what an engine asks.
const maxOpening = 32 << 10

// engine checks who asks, and signs what is answered.
func (g *Gate) engine(method string, answer func(r *http.Request, body []byte) (int, []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		front := peerOf(r)
		known := slices.ContainsFunc(g.Peers, func(p netip.Prefix) bool { return p.Contains(front.Unmap()) })
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOpening))
		ask, signed := g.Key.CheckAsk(r, r.RequestURI, body, g.Now())
		if err != nil || !known || !signed || r.Method != method {
			g.Logger.WarnContext(r.Context(), "an engine that is not known asked about a stream", "addr", front)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		status, said := answer(r, body)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set(gatekit.HeaderAnswer, g.Key.SignAnswer(ask, status, said))
		w.WriteHeader(status)
		_, _ = w.Write(said) // the engine is gone: nobody is left to tell
	})
}

// Ask answers POST /gate/stream: whether a client may open a stream at an engine, or
// whether one that it opened may go on.
func (g *Gate) Ask() http.Handler {
	return g.engine(http.MethodPost, func(r *http.Request, body []byte) (int, []byte) {
		var in struct {
			gatekit.Opening
			Stream *gatekit.Standing `json:"stream"`
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil || dec.More() {
			return http.StatusBadRequest, nil
		}
		var out gatekit.Asked
		var ok bool
		if in.Stream != nil {
			out, ok = g.standing(in.Stream)
		} else {
			out, ok = g.opening(r, &in.Opening)
		}
		said, err := json.Marshal(out)
		if !ok || err != nil {
			return http.StatusBadRequest, nil
		}
		return http.StatusOK, said
	})
}

func (g *Gate) opening(r *http.Request, o *gatekit.Opening) (out gatekit.Asked, ok bool) {
	a := &asked{method: http.MethodGet, target: o.Target, header: http.Header{}, stream: true, id: requestID(g)}
	var err error
	if a.peer, err = netip.ParseAddr(o.Peer); err != nil {
		return out, false
	}
	for name, values := range o.Header {
		a.header[http.CanonicalHeaderKey(name)] = append(a.header[http.CanonicalHeaderKey(name)], values...)
	}
	if claims(a.header) || misleads(a.header) {
		return out, false
	}
	refuse := func(no *refused) (gatekit.Asked, bool) {
		no.facts.RequestID, no.facts.ServerAt = a.id, g.Now()
		out := gatekit.Asked{Code: string(no.code), Close: closePolicy, Reason: "the login was refused"}
		if no.code == apikey.Unavailable || no.code == apikey.Starting || no.code == apikey.RateLimited {
			out.Close = closeLater
		}
		if a.login != nil {
			out.Answer = string(a.login.Refusal(no.code, no.facts))
		} else {
			told := apikey.Tell(no.profile, no.code, no.facts)
			out.Answer, out.Status = told.Body, told.Status
		}
		return out, true
	}
	if o.Message != "" {
		// A handshake that is signed and a login beside it would be two people.
		if a.login, ok = apikey.ReadLogin([]byte(o.Message)); !ok || signs(a.header) {
			g.charge(a)
			a.login = nil
			return refuse(&refused{code: apikey.BadRequest, profile: apikey.Native})
		}
	} else if !signs(a.header) {
		return refuse(&refused{code: apikey.AuthFailed, profile: apikey.Native})
	}
	gr, no := g.decide(r.Context(), a)
	if no != nil {
		return refuse(no)
	}
	if gr.public {
		return out, false // nobody has to ask
	}
	out = gatekit.Asked{Allowed: true, Decision: gr.token, Stream: &gatekit.Standing{
		Key: string(gr.Key.ID), Account: string(gr.Key.Account), Version: gr.Version, Scopes: gr.Scopes.String(), ExitOnly: gr.ExitOnly,
		Peer: a.peer.Unmap().String(), Until: gr.Key.Expires.UnixMilli(),
	}}
	if a.login != nil {
		out.Answer = string(a.login.Welcome(&gr.Decision))
	}
	return out, true
}

// standing judges a stream again. What it stood on is the engine's word, which is under
// the key of both: a lie would be told to itself.
func (g *Gate) standing(s *gatekit.Standing) (out gatekit.Asked, ok bool) {
	peer, err := netip.ParseAddr(s.Peer)
	scopes, known := apikey.ParseScopes(s.Scopes)
	if err != nil || !known || scopes == 0 || scopes&^apikey.Reading != 0 {
		return out, false
	}
	d := apikey.Decision{Key: apikey.Key{ID: apikey.ID(s.Key)}, Version: s.Version, Scopes: scopes, ExitOnly: s.ExitOnly}
	// The engine may have asked about a change that this process has not heard of yet: its
	// tail is read when it asks, and ours ten times a second.
	until, code := g.stands(&d, peer, false)
	switch code {
	case "":
		now := *s
		now.Until = until.UnixMilli()
		return gatekit.Asked{Allowed: true, Stream: &now}, true
	case apikey.Unavailable:
		return gatekit.Asked{Code: string(code), Close: closeLater, Reason: "nobody can know right now"}, true
	}
	return gatekit.Asked{Code: string(code), Close: closePolicy, Reason: reasons[code]}, true
}

// Tail answers GET /gate/tail: one poll of an engine's watch.
func (g *Gate) Tail() http.Handler {
	return g.engine(http.MethodGet, func(r *http.Request, _ []byte) (int, []byte) {
		q := r.URL.Query()
		after, err := int64(0), error(nil)
		if q.Get("lease") != "" {
			after, err = strconv.ParseInt(q.Get("after"), 10, 63)
		}
		if err != nil {
			return http.StatusBadRequest, nil
		}
		lines, err := g.BotKeys.Tail(r.Context(), q.Get("lease"), after)
		switch {
		case errors.Is(err, audit.ErrHistory):
			return http.StatusGone, nil
		case err != nil:
			g.Logger.WarnContext(r.Context(), "the tail of the log was not read", "cause", err)
			return http.StatusServiceUnavailable, nil
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		for _, l := range lines {
			if err := enc.Encode(l); err != nil {
				return http.StatusServiceUnavailable, nil
			}
		}
		return http.StatusOK, b.Bytes()
	})
}
