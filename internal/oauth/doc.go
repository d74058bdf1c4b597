// Package oauth owns who may ask in the name of an app and how it is asked: clients,
// the authorization request, one-time codes, client authentication and the token
// endpoint's decisions (OAuth 2.1 by RFC 6749 and RFC 9700, PKCE, DPoP, OpenID
// Connect Core).
//
// It never keeps a refresh token and never mints a token: grants, their chains and
// every signature are session's. It never signs anybody in: signin does. It knows no
// pages and writes no HTTP: web and api do.
//
// # Errors
//
// [Error] has the form of RFC 6749 §5.2. What is wrong with a client or its redirect
// address is a [PageError]: nobody is redirected to an address that was not proved to
// be the app's (RFC 9700 §4.11).
package oauth
