package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/proof"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

var (
	errProof = edge.E("proof_invalid")
	errNonce = edge.E("use_dpop_nonce")
)

type (
	liveKey  struct{}
	proofKey struct{}
)

// caller is the session behind the request of an account holder.
func caller(ctx context.Context) session.Live { return ctx.Value(liveKey{}).(session.Live) }

// cause says who asks, for the audit event.
func cause(ctx context.Context) store.Cause { return edge.CauseFrom(ctx) }

// admitHolder finds the session of the access token and holds the request to the
// key it is bound to (RFC 9449 §7.1).
func (s *Server) admitHolder(ctx context.Context, r *http.Request) (context.Context, error) {
	cred, err := readAuthorization(r.Header)
	if err != nil {
		return nil, err
	}
	token := ""
	var p proof.Proof
	switch cred.scheme {
	case schemeDPoP:
		token = cred.value
		if p, err = s.proved(r, token); err != nil && !errors.Is(err, session.ErrProofMissing) {
			return nil, err
		}
	case schemeBearer:
		// RFC 9449 §7.2: a bound token sent as a bearer token is refused, also when
		// a proof lies beside it. Check says so, because no proof was looked at.
		token = cred.value
	}
	live, err := s.Sessions.Check(ctx, token, edge.CauseFrom(ctx).Addr, p.JKT)
	switch {
	case err != nil:
		return nil, err
	case live.Kind != session.API:
		// A cookie of the pages, copied out of a browser, is no key to this door.
		return nil, session.ErrNotSignedIn.Because(errors.New("a token of the pages"))
	case p.JKT == "" || live.JKT != p.JKT:
		return nil, session.ErrProofMissing
	}
	if err := s.Limiter.Check(edge.ClassAPI, "account:"+string(live.Account)); err != nil {
		return nil, err
	}
	// Last, because it writes: this proof is used up (RFC 9449 §11.1).
	if err := s.Sessions.SpendProof(ctx, p.JKT, p.JTI); err != nil {
		return nil, err
	}
	ctx = edge.WithDevice(edge.WithActor(ctx, "account:"+string(live.Account)), string(live.Device))
	return context.WithValue(ctx, liveKey{}, live), nil
}

// admitKey reads the proof of a request that begins or renews a session. It is
// not spent here: the flows that take it do that.
func (s *Server) admitKey(ctx context.Context, r *http.Request, needed bool) (context.Context, error) {
	p, err := s.proved(r, "")
	if err != nil && (needed || !errors.Is(err, session.ErrProofMissing)) {
		return nil, err
	}
	return context.WithValue(ctx, proofKey{}, p), nil
}

// proved verifies the DPoP header of a request, and ath when there is a token.
// The address in the proof is the one people type, whatever proxies made of it.
func (s *Server) proved(r *http.Request, token string) (proof.Proof, error) {
	h, err := proof.Header(r.Header)
	switch {
	case errors.Is(err, proof.ErrAbsent):
		return proof.Proof{}, session.ErrProofMissing
	case err != nil:
		return proof.Proof{}, errProof.Because(err)
	}
	now := s.DB.Now()
	p, err := proof.VerifyDPoP(h, proof.Want{
		Method: r.Method, URL: s.set.PublicURL + r.URL.EscapedPath(), AccessToken: token, Nonce: s.nonces.At(now),
	}, now)
	switch {
	case errors.Is(err, proof.ErrNonce):
		return proof.Proof{}, errNonce.Because(err)
	case err != nil:
		return proof.Proof{}, errProof.Because(err)
	}
	return p, nil
}

// from says which app speaks. Its device is recognised by the key it proves, so
// no cookie is needed and none could be stolen: the value is computed here, and
// only the holder of the key can make us compute it.
func (s *Server) from(ctx context.Context, remember bool) signin.From {
	p := ctx.Value(proofKey{}).(proof.Proof)
	return signin.From{
		Cookie: s.deviceOf(p.JKT), Agent: device.Agent(request(ctx).UserAgent()), Addr: cause(ctx).Addr,
		JKT: p.JKT, JTI: p.JTI, Kind: session.API, Remember: remember, Known: s.deviceOf,
	}
}

// deviceOf is the cookie of the app that has this session key.
func (s *Server) deviceOf(jkt string) string {
	id := s.device.Sum(nil, []byte(jkt))
	return base64.RawURLEncoding.EncodeToString(id[:])
}
