package gatekit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

type contextKey struct{}

// FromContext is the decision that Middleware checked; false outside of it.
func FromContext(ctx context.Context) (Decision, bool) {
	d, ok := ctx.Value(contextKey{}).(Decision)
	return d, ok
}

// Reasons of Middleware itself, for Refused.
var (
	ErrNoToken     = errors.New("gatekit: no decision header")
	ErrHeaderTwice = errors.New("gatekit: a header of the gate stands there twice")
	ErrBodySize    = errors.New("gatekit: the body is larger than the limit")
	ErrBodyLost    = errors.New("gatekit: the body could not be read")
)

// repeated are the headers that say again what the token says.
var repeated = [...]string{HeaderAccount, HeaderSub, HeaderKey, HeaderScopes}

// Middleware lets a request through to next when it carries exactly one decision and that is about this request. The
// decision is then in the context, the body is read and can be read again, and the headers that repeat the decision
// say what it says.
//
// Bodies are read up to limit bytes, and only once the token holds. What is refused gets 401 and the same
// application/problem+json, whatever the reason: a caller that is no gate learns nothing. Two refusals are not about
// who is calling and say so, both to callers with a good token: 413 for a larger body, and 503 with Retry-After when
// RememberFor has no room.
func (v *Verifier) Middleware(next http.Handler, limit int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, body, err := v.read(r, limit)
		if err != nil {
			if v.Refused != nil {
				v.Refused(r, err)
			}
			refuse(w, err)
			return
		}
		in := r.WithContext(context.WithValue(r.Context(), contextKey{}, d))
		in.Header = r.Header.Clone()
		for i, value := range [...]string{d.Account, d.Sub, d.Credential, d.Scopes} {
			// A neighbour with one decision of its own must not put another's account beside it.
			in.Header.Del(repeated[i])
			if value != "" {
				in.Header.Set(repeated[i], value)
			}
		}
		in.Body, in.ContentLength, in.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		next.ServeHTTP(w, in)
	})
}

// read checks the request, what is cheap first.
func (v *Verifier) read(r *http.Request, limit int64) (d Decision, body []byte, err error) {
	// Of two headers a proxy may have judged the first and we the last.
	for _, name := range [...]string{Header, HeaderAccount, HeaderSub, HeaderKey, HeaderScopes, HeaderStale, HeaderRequestID} {
		if len(r.Header.Values(name)) > 1 {
			return d, nil, ErrHeaderTwice
		}
	}
	token := r.Header.Get(Header)
	if token == "" {
		return d, nil, ErrNoToken
	}
	// RequestURI is the target as it stood on the wire. URL is what Go read out of it, and two texts can read alike.
	if d, err = v.open(token, r.Method, r.RequestURI, v.now()); err != nil {
		return d, nil, err
	}
	if r.Body != nil {
		if body, err = io.ReadAll(io.LimitReader(r.Body, max(limit, 0)+1)); err != nil {
			return d, nil, errors.Join(ErrBodyLost, err)
		}
	}
	if int64(len(body)) > max(limit, 0) {
		return d, nil, ErrBodySize
	}
	return d, body, v.finish(&d, body, v.now())
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func refuse(w http.ResponseWriter, err error) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case errors.Is(err, ErrBodySize):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, `{"type":"about:blank","title":"Content Too Large","status":413,"code":"body_too_large"}`+"\n")
	case errors.Is(err, ErrFull):
		h.Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"decisions_full"}`+"\n")
	default:
		// RFC 9110 §11.6.1 wants a challenge with a 401; the scheme says where a request has to come through.
		h.Set("WWW-Authenticate", "Keyward-Decision")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"type":"about:blank","title":"Unauthorized","status":401,"code":"no_decision","detail":"This service takes requests through its gate."}`+"\n")
	}
}
