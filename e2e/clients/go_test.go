package clients

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"keyward/e2e/e2etest"
)

// A Go back end as most are written: x/oauth2 for the flow, go-oidc for the ID
// token, a secret, bearer tokens.
func TestGoOIDCSignsInWithASecret(t *testing.T) {
	t.Run("Keyward", func(t *testing.T) {
		s := e2etest.NewKeyward(t)
		c := add(t, s, "Go back end", "client_secret_basic")
		s.Start()
		goBackEnd(t, s.Origin, c, through(t, s))
	})
	t.Run("oidc-provider", func(t *testing.T) {
		node(t)
		clients, there := atProvider(t, map[string]string{"backend": "client_secret_basic"})
		issuer := startProvider(t, there)
		goBackEnd(t, issuer, clients["backend"], clicking(t, issuer))
	})
}

func goBackEnd(t *testing.T, issuer string, c client, visit func(address string, agree bool) error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, issuer) // refuses a document of another issuer
	if err != nil {
		t.Fatal(err)
	}
	back, redirect := door(t)
	conf := oauth2.Config{
		ClientID: c.ID, ClientSecret: c.Secret, Endpoint: provider.Endpoint(), RedirectURL: redirect,
		Scopes: []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, "email", "read"},
	}
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	verifier := oauth2.GenerateVerifier()
	if err := visit(conf.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce-1"), oauth2.SetAuthURLParam("prompt", "consent")), true); err != nil {
		t.Fatal(err)
	}
	var answer url.Values
	select {
	case answer = <-back:
	case <-ctx.Done():
		t.Fatal("nobody came back")
	}
	if answer.Get("state") != "state-1" || answer.Get("iss") != issuer {
		t.Fatalf("came back with %v", answer)
	}
	tokens, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if !tokens.Valid() || tokens.Type() != "Bearer" || tokens.RefreshToken == "" || time.Until(tokens.Expiry) > 5*time.Minute {
		t.Errorf("tokens: %s, until %s, refresh %v", tokens.Type(), tokens.Expiry, tokens.RefreshToken != "")
	}

	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: c.ID, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(ctx, raw)
	if err != nil {
		t.Fatalf("ID token: %v", err)
	}
	if id.Nonce != "nonce-1" || id.Subject == "" || !slices.Equal(id.Audience, []string{c.ID}) {
		t.Errorf("ID token: %+v", id)
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
			t.Error(err)
		}
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "somebody-else"}).Verify(ctx, raw); err == nil {
		t.Error("the ID token is good for another client")
	}
	who, err := provider.UserInfo(ctx, conf.TokenSource(ctx, tokens))
	if err != nil || who.Subject != id.Subject {
		t.Fatalf("userinfo: %+v, %v", who, err)
	}

	// The library refreshes by itself once the access token is over.
	renewed := tokens
	for range 2 {
		old := *renewed
		old.Expiry = time.Now().Add(-time.Minute)
		if renewed, err = conf.TokenSource(ctx, &old).Token(); err != nil {
			t.Fatalf("refresh: %v", err)
		}
		if renewed.AccessToken == old.AccessToken {
			t.Error("refresh gave the same access token")
		}
	}
	if who, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(renewed)); err != nil || who.Subject != id.Subject {
		t.Errorf("userinfo after refresh: %+v, %v", who, err)
	}
	if _, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("the code was good twice")
	} else if e, ok := err.(*oauth2.RetrieveError); !ok || e.ErrorCode != "invalid_grant" {
		t.Errorf("the code again: %v", err)
	}
}

// door listens on this machine for one answer, as a native app does.
func door(t *testing.T) (answers <-chan url.Values, redirect string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan url.Values, 1)
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>App</title><p>You can go back to the app.`)
		if r.URL.Path == "/callback" {
			select {
			case got <- r.URL.Query():
			default:
			}
		}
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return got, "http://" + l.Addr().String() + "/callback"
}
