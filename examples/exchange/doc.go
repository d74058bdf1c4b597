// Package exchange is a demo exchange that lets Keyward say who is signed in. Of
// Keyward it imports package rs alone; the rest it learns by OAuth 2.1 and OpenID
// Connect, as an exchange's own engineers would write it.
//
// Its web server is an OpenID Connect client with PKCE, private_key_jwt and DPoP. It
// keeps a cookie and a session of its own, with the tokens behind it, so no token ever
// reaches a browser; back-channel logout ends it. Its API takes access tokens, those of
// its own web server and of any other app, and asks nobody about a single one: rs
// verifies them and follows the tail, so that "end this session" at Keyward is refused
// here at once.
package exchange
