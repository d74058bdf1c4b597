package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/keyring"
)

// client is a back end of the exchange as the configuration knows it.
type client struct {
	config.Backend
	secret [32]byte // SHA-256
}

var (
	errClient = edge.E("client_unauthenticated")
	// The caller is known, so it may hear exactly what is missing.
	errNoPower = edge.E("not_found")
)

func clientsOf(all []config.Backend) map[string]client {
	m := make(map[string]client, len(all))
	for _, b := range all {
		c := client{Backend: b}
		// config has checked the form; anything else could never match, and must
		// not match the zero value either.
		if n, err := hex.Decode(c.secret[:], []byte(b.SecretSHA256)); err != nil || n != len(c.secret) {
			continue
		}
		m[b.ID] = c
	}
	return m
}

type clientKey struct{}

// clientOf is the back end behind a request.
func clientOf(ctx context.Context) client { return ctx.Value(clientKey{}).(client) }

// admitClient authenticates a back end (RFC 7617). Whatever is wrong, the answer
// is the same.
//
// Only failures count against an address: a back end asks about sessions as often
// as its own visitors come, from one address, and its secret was just seen to be
// right. Making accounts and tickets counts against itself; redeeming and ending
// do not, for they are as many as its visitors, and on the worst day most.
func (s *Server) admitClient(ctx context.Context, r *http.Request, op operation) (context.Context, error) {
	c, id, ok := s.authenticate(r.Header)
	if !ok {
		if err := s.Limiter.CheckAddr(edge.ClassSignInFinish, edge.CauseFrom(ctx).Addr); err != nil {
			return nil, err
		}
		return nil, errClient.About(id)
	}
	if r.Method == http.MethodPost && op.power == config.MayProvision {
		if err := s.Limiter.Check(op.limit, "client:"+c.ID); err != nil {
			return nil, err
		}
	}
	ctx = context.WithValue(edge.WithActor(ctx, "client:"+c.ID), clientKey{}, c)
	if op.power != "" {
		if err := able(ctx, op.power); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}

// authenticate compares hashes in constant time, with a hash that nothing has
// when the id is unknown, so that neither answer nor time tells ids apart.
func (s *Server) authenticate(h http.Header) (c client, claimed string, ok bool) {
	cred, err := readAuthorization(h)
	if err != nil || cred.scheme != schemeBasic {
		return client{}, "none", false
	}
	claimed, secret, ok := readBasic(cred.value)
	if !ok {
		return client{}, "none", false
	}
	c, known := s.clients[claimed]
	sum := keyring.Hash(secret)
	same := keyring.Equal(sum[:], c.secret[:])
	if !known {
		return client{}, "unknown", false // not the claimed id: an attacker chose it
	}
	return c, c.ID, same
}

// able refuses what the configuration did not give. The text names the power and
// where it is given.
func able(ctx context.Context, powers ...string) error {
	c := clientOf(ctx)
	var missing []string
	for _, p := range powers {
		if !c.Can(p) {
			missing = append(missing, p)
		}
	}
	if missing == nil {
		return nil
	}
	return errNoPower.With("needs", missing).At("", "this back end was not given the power \""+strings.Join(missing, "\", \"")+"\" (backends: may)")
}
