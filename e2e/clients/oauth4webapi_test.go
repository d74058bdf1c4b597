package clients

import (
	"testing"

	"keyward/e2e/e2etest"
)

func TestOAuth4WebAPIIsRefusedByTheBook(t *testing.T) {
	node(t)
	auth := map[string]string{"app": "none", "backend": "private_key_jwt", "other": "private_key_jwt", "secretive": "client_secret_basic"}
	t.Run("Keyward", func(t *testing.T) {
		s := e2etest.NewKeyward(t)
		clients := map[string]client{}
		for name, method := range auth {
			clients[name] = add(t, s, name, method)
		}
		s.Start()
		runScript(t, "oauth4webapi.mjs", plan{Issuer: s.Origin, Scope: scope, Clients: clients}, through(t, s))
	})
	t.Run("oidc-provider", func(t *testing.T) {
		clients, there := atProvider(t, auth)
		issuer := startProvider(t, there)
		runScript(t, "oauth4webapi.mjs", plan{Issuer: issuer, Scope: scope, Burns: true, Clients: clients, Lacks: otherwise}, clicking(t, issuer))
	})
}

// otherwise are the rows in which oidc-provider does something else than Keyward,
// and may.
var otherwise = map[string]string{
	"authorize: a scope that nobody knows":                            "it leaves out what it does not know (RFC 6749 §3.3 allows both)",
	"client assertion: for the token endpoint and not for the issuer": "RFC 7523 allows it, FAPI 2.0 does not",
	"client assertion: for a list of servers":                         "RFC 7523 allows it, FAPI 2.0 does not",
	"a public client with a secret":                                   "it does not look at it",
	"code: a DPoP proof that is ten minutes old":                      "where it gives nonces, it does not look at the time (RFC 9449 §11.1)",
	"code: a DPoP proof from the future":                              "where it gives nonces, it does not look at the time (RFC 9449 §11.1)",
	"grant: a public client for itself":                               "it has no client credentials switched on",
	"introspection: by a public client":                               "it lets public clients ask about their own tokens",
}
