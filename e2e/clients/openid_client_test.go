package clients

import (
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keyward/e2e/e2etest"
)

const scope = "openid email offline_access read"

func TestOpenIDClientGoesTheWholeWay(t *testing.T) {
	node(t)
	t.Run("Keyward", func(t *testing.T) {
		s := e2etest.NewKeyward(t)
		clients := map[string]client{"backend": add(t, s, "Back end", "private_key_jwt")}
		s.Start()
		runScript(t, "openid-client.mjs", plan{Issuer: s.Origin, Scope: scope, JWTAccessTokens: true, Clients: clients}, through(t, s))
	})
	t.Run("oidc-provider", func(t *testing.T) {
		clients, there := atProvider(t, map[string]string{"backend": "private_key_jwt"})
		issuer := startProvider(t, there)
		runScript(t, "openid-client.mjs", plan{Issuer: issuer, Scope: scope, MailConfirmed: true, Clients: clients}, clicking(t, issuer))
	})
}

// atProvider makes clients for oidc-provider: as a script knows them, and as the
// provider does. They are native there, because a native client's port is free.
func atProvider(t *testing.T, auth map[string]string) (clients map[string]client, there []map[string]any) {
	t.Helper()
	clients = map[string]client{}
	for name, method := range auth {
		c := client{ID: name}
		m := map[string]any{
			"client_id": name, "application_type": "native", "redirect_uris": []string{"http://127.0.0.1/callback", "http://127.0.0.1/"}, "response_types": []string{"code"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": method, "id_token_signed_response_alg": "ES256", "scope": scope,
		}
		switch method {
		case "private_key_jwt":
			c.Key = newKey(t, name)
			m["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{c.Key.Public()}}
		case "client_secret_basic":
			c.Secret = "secret of " + name
			m["client_secret"] = c.Secret
		}
		clients[name] = c
		there = append(there, m)
	}
	return clients, there
}
