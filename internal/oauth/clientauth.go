package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"keyward/internal/keyring"
	"keyward/internal/session"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2

// Credentials are what came with a request to prove an app. Unverified.
type Credentials struct {
	Basic        bool // an Authorization header of scheme Basic came
	ID, Secret   string
	ClientID     string // client_id of the form
	AssertionTyp string
	Assertion    string
	FormSecret   bool // client_secret in the form: never taken
}

// BasicCredentials undoes the form encoding that RFC 6749 §2.3.1 puts on both parts.
func BasicCredentials(user, password string) (id, secret string, ok bool) {
	id, err := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	return id, secret, err == nil && err2 == nil
}

// Authenticate finds the app and makes sure it is the one. Every failure is
// invalid_client in the same words: which part was wrong is nobody's business.
func (s *Service) Authenticate(ctx context.Context, in Credentials) (Client, error) {
	id := in.ClientID
	ways := 0
	for _, used := range []bool{in.Basic, in.Assertion != "" || in.AssertionTyp != "", in.FormSecret} {
		if used {
			ways++
		}
	}
	if ways > 1 || in.FormSecret {
		return Client{}, errClient.because(errors.New("more than one way, or a secret in the form")) // RFC 6749 §2.3
	}
	if in.Basic {
		if in.ClientID != "" && in.ClientID != in.ID {
			return Client{}, errClient.because(errors.New("two client ids"))
		}
		id = in.ID
	}
	var claims assertionClaims
	if in.Assertion != "" {
		// Whose it claims to be, to find the key. Nothing else of it is believed yet.
		c, err := peekAssertion(in.Assertion)
		if err != nil || in.AssertionTyp != assertionType || in.ClientID != "" && in.ClientID != c.Subject {
			return Client{}, errClient.because(err)
		}
		claims, id = c, c.Subject
	}
	c, err := s.Client(ctx, id)
	if errors.Is(err, ErrNoClient) {
		return Client{}, errClient.because(err)
	}
	if err != nil {
		return Client{}, err
	}
	switch c.Auth {
	case AuthNone:
		if ways != 0 {
			return Client{}, errClient.because(errors.New("a public client has no secret"))
		}
	case AuthSecret:
		h := keyring.Hash(in.Secret)
		if !in.Basic || in.Secret == "" || !keyring.Equal(h[:], c.secret) {
			return Client{}, errClient.because(errors.New("secret"))
		}
	case AuthKey:
		if in.Assertion == "" {
			return Client{}, errClient.because(errors.New("no assertion"))
		}
		if err := s.assertion(ctx, c, in.Assertion, claims); err != nil {
			return Client{}, err
		}
	default:
		return Client{}, errClient
	}
	return c, nil
}

// assertionClaims are what a client says of itself (RFC 7523 §3).
type assertionClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Expires   int64           `json:"exp"`
	NotBefore int64           `json:"nbf"`
	Issued    int64           `json:"iat"`
	ID        string          `json:"jti"`
}

var assertionAlgs = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA} // FAPI 2.0 §5.4; RS256 and any MAC do not parse

func peekAssertion(token string) (assertionClaims, error) {
	var c assertionClaims
	if len(token) > 8<<10 {
		return c, errors.New("too long")
	}
	jws, err := jose.ParseSignedCompact(token, assertionAlgs)
	if err != nil {
		return c, err
	}
	// Exact names, and none twice: encoding/json would take the last of two aud, or an
	// AUD, and an intermediary that reads the other one would have looked at another
	// assertion (RFC 7519 §4).
	return c, josejson.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c)
}

func (s *Service) assertion(ctx context.Context, c Client, token string, claims assertionClaims) error {
	bad := func(why string) error { return errClient.because(errors.New("assertion: " + why)) }
	jws, err := jose.ParseSignedCompact(token, assertionAlgs)
	if err != nil {
		return bad("form")
	}
	h := jws.Signatures[0].Protected
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(c.JWKS), &set); err != nil {
		return err
	}
	// The key is ours to know: jku, x5u and jwk of the header are never read (RFC
	// 8725 §3.10), and the algorithm must be that of the key, not of the header.
	verified := false
	for _, k := range set.Keys {
		if h.KeyID != "" && k.KeyID != h.KeyID || algOf(k) != h.Algorithm {
			continue
		}
		if _, err := jws.Verify(k.Key); err == nil {
			verified = true
			break
		}
	}
	if !verified {
		return bad("signature")
	}
	var aud string
	// FAPI 2.0 §5.3.2.1-8: the issuer, as one string. A list, or the address of an
	// endpoint, is how an assertion for one server is used at another.
	if json.Unmarshal(claims.Audience, &aud) != nil || aud != s.mint.Issuer() {
		return bad("aud")
	}
	now := s.db.Now()
	exp := time.Unix(claims.Expires, 0)
	switch {
	case claims.Issuer != claims.Subject || claims.Subject != string(c.ID):
		return bad("iss or sub")
	case claims.Expires == 0 || !now.Before(exp) || exp.After(now.Add(assertionLife+clockAhead)):
		return bad("exp")
	case claims.NotBefore != 0 && time.Unix(claims.NotBefore, 0).After(now.Add(clockAhead)):
		return bad("nbf")
	case claims.Issued != 0 && time.Unix(claims.Issued, 0).After(now.Add(clockAhead)):
		return bad("iat")
	case claims.ID == "" || len(claims.ID) > 256:
		return bad("jti")
	}
	// Used once (RFC 7523 §3 item 7), across processes.
	if err := s.sessions.SpendUntil(ctx, "assertion", string(c.ID)+"\x00"+claims.ID, exp); err != nil {
		if errors.Is(err, session.ErrProofReplayed) {
			return bad("jti used before")
		}
		return err
	}
	return nil
}

// algOf is the one algorithm a key is good for; "" for a kind we do not take.
func algOf(k jose.JSONWebKey) string {
	var alg jose.SignatureAlgorithm
	switch key := k.Key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			alg = jose.ES256
		}
	case ed25519.PublicKey:
		alg = jose.EdDSA
	}
	if k.Algorithm != "" && k.Algorithm != string(alg) || k.Use != "" && k.Use != "sig" {
		return ""
	}
	return string(alg)
}

// keyMembers looks at what go-jose leaves aside: members that only a private or a shared key has (RFC 7518 §6), also
// where the rest is a public one, and what the key is meant for (RFC 7517 §4.3).
func keyMembers(raw json.RawMessage) error {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return err
	}
	for _, k := range set.Keys {
		for _, name := range []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth"} {
			if _, has := k[name]; has {
				return errors.New("a key has the private member " + name)
			}
		}
		if ops, has := k["key_ops"]; has {
			var list []string
			if json.Unmarshal(ops, &list) != nil || len(list) != 1 || list[0] != "verify" {
				return errors.New("key_ops of a key is something else than verify")
			}
		}
	}
	return nil
}
