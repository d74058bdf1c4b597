package oauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assert signs claims with a key.
func assert(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(claims)
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestClientAssertions(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	weak, _ := rsa.GenerateKey(rand.Reader, 2048)
	each(t, func(t *testing.T, s *shop) {
		jwks, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
		c := s.app(func(n *oauth.NewClient) { n.Auth, n.JWKS = oauth.AuthKey, jwks })
		n := 0
		claims := func(change ...any) map[string]any {
			n++
			now := s.DB.Now()
			m := map[string]any{"iss": string(c.ID), "sub": string(c.ID), "aud": signintest.Origin, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "jti": time.Duration(n).String()}
			for i := 0; i < len(change); i += 2 {
				if change[i+1] == nil {
					delete(m, change[i].(string))
				} else {
					m[change[i].(string)] = change[i+1]
				}
			}
			return m
		}
		try := func(token string) error {
			_, err := s.oauth.Authenticate(context.Background(), oauth.Credentials{AssertionTyp: jwtBearer, Assertion: token})
			return err
		}
		once := assert(t, jose.ES256, key, "k1", claims())
		s.Must(try(once))
		now := s.DB.Now()
		for _, row := range []struct{ name, token string }{
			{"the same once more", once},
			{"another key", assert(t, jose.ES256, other, "k1", claims())},
			{"another key id", assert(t, jose.ES256, key, "k2", claims())},
			{"RS256", assert(t, jose.RS256, weak, "k1", claims())},
			{"HS256 with the public key as the secret", assert(t, jose.HS256, []byte(jwks), "k1", claims())},
			{"for the token endpoint instead of the issuer", assert(t, jose.ES256, key, "k1", claims("aud", signintest.Origin+"/oauth/token"))},
			{"for a list of audiences", assert(t, jose.ES256, key, "k1", claims("aud", []string{signintest.Origin}))},
			{"for nobody", assert(t, jose.ES256, key, "k1", claims("aud", nil))},
			{"without a subject", assert(t, jose.ES256, key, "k1", claims("sub", nil))},
			{"of another issuer", assert(t, jose.ES256, key, "k1", claims("iss", "somebody"))},
			{"run out", assert(t, jose.ES256, key, "k1", claims("exp", now.Add(-time.Second).Unix()))},
			{"without an end", assert(t, jose.ES256, key, "k1", claims("exp", nil))},
			{"good for an hour", assert(t, jose.ES256, key, "k1", claims("exp", now.Add(time.Hour).Unix()))},
			{"not good yet", assert(t, jose.ES256, key, "k1", claims("nbf", now.Add(time.Minute).Unix()))},
			{"made tomorrow", assert(t, jose.ES256, key, "k1", claims("iat", now.Add(24*time.Hour).Unix()))},
			{"without an id", assert(t, jose.ES256, key, "k1", claims("jti", nil))},
			{"no token at all", "e30.e30.e30"},
			{"signed by nobody", "eyJhbGciOiJub25lIn0." + "eyJzdWIiOiJ4In0."},
		} {
			t.Run(row.name, func(t *testing.T) {
				s.In(t)
				s.refused(try(row.token), "invalid_client")
			})
		}
		_, err := s.oauth.Authenticate(t.Context(), oauth.Credentials{ClientID: string(c.ID)})
		s.refused(err, "invalid_client")
		_, err = s.oauth.Authenticate(t.Context(), oauth.Credentials{AssertionTyp: jwtBearer, Assertion: assert(t, jose.ES256, key, "k1", claims()), Basic: true, ID: string(c.ID), Secret: "x"})
		s.refused(err, "invalid_client")
		private, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "k1"}}})
		if _, _, err := s.oauth.Register(t.Context(), operator, oauth.NewClient{Name: "x", Owner: "y", Auth: oauth.AuthKey, JWKS: private, Redirects: []string{back}}); err == nil {
			t.Error("a private key was registered")
		}
	})
}

func TestClientSecrets(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		c, secret, err := s.oauth.Register(t.Context(), operator, oauth.NewClient{Name: "Back end", Owner: "us", Auth: oauth.AuthSecret, Scopes: []string{"read"}, FirstParty: true})
		s.Must(err)
		public := s.app()
		good := oauth.Credentials{Basic: true, ID: string(c.ID), Secret: secret}
		found, err := s.oauth.Authenticate(t.Context(), good)
		s.Must(err)
		tok, err := s.oauth.Token(t.Context(), operator, found, oauth.TokenAsk{Grant: "client_credentials", Scope: "read"})
		s.Must(err)
		in, err := s.oauth.Introspect(t.Context(), found, tok.Access)
		s.Must(err)
		if !in.Active || in.Subject != string(c.ID) || in.ACR != "" || tok.Refresh != "" {
			t.Errorf("%+v", in)
		}
		_, err = s.oauth.Token(t.Context(), operator, found, oauth.TokenAsk{Grant: "client_credentials", Scope: "trade"})
		s.refused(err, "invalid_scope")
		_, err = s.oauth.Token(t.Context(), operator, public, oauth.TokenAsk{Grant: "client_credentials"})
		s.refused(err, "unauthorized_client")
		_, err = s.oauth.Token(t.Context(), operator, found, oauth.TokenAsk{Grant: "password"})
		s.refused(err, "unsupported_grant_type")
		for name, in := range map[string]oauth.Credentials{
			"a wrong secret":                      {Basic: true, ID: string(c.ID), Secret: secret + "x"},
			"no secret":                           {Basic: true, ID: string(c.ID)},
			"only a name":                         {ClientID: string(c.ID)},
			"the secret in the form":              {ClientID: string(c.ID), FormSecret: true},
			"an app nobody knows":                 {Basic: true, ID: "app_x", Secret: secret},
			"two names":                           {Basic: true, ID: string(c.ID), Secret: secret, ClientID: string(public.ID)},
			"a secret for an app that keeps none": {Basic: true, ID: string(public.ID), Secret: secret},
		} {
			_, err := s.oauth.Authenticate(t.Context(), in)
			t.Log(name)
			s.refused(err, "invalid_client")
		}
		_, err = s.oauth.TurnOff(t.Context(), operator, c.ID)
		s.Must(err)
		_, err = s.oauth.Authenticate(t.Context(), good)
		s.refused(err, "invalid_client")
		if in, err := s.oauth.Introspect(t.Context(), s.app(func(n *oauth.NewClient) { n.Auth = oauth.AuthSecret }), tok.Access); err != nil || in.Active {
			t.Errorf("a token of an app that is off: %+v %v", in, err)
		}
	})
}
