// Package clients lets OAuth and OpenID Connect clients that nobody here wrote go
// through Keyward: npm's openid-client, oauth4webapi and oidc-client-ts, and Go's
// x/oauth2 with go-oidc. The person in between is a real Chromium with a software
// authenticator (e2e/person).
//
// Each script also runs against npm oidc-provider, a server of somebody else: a
// script that fails there is a wrong script, and nothing it says counts.
package clients
