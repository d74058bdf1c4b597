package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/keyring"
)

// openKEK is the key that wraps the root, as it is configured. It asks nobody yet.
func openKEK(cfg config.Config, now func() time.Time) (keyring.KEK, error) {
	switch k := cfg.KEK; k.Kind {
	case "transit":
		t := k.Transit
		return keyring.OpenTransit(keyring.TransitOptions{
			Address: t.Address, CAFile: t.CAFile, Namespace: t.Namespace, Mount: t.Mount, Key: t.Key, Now: now,
			Login: keyring.TransitLogin{
				Kind: t.Login, Mount: t.LoginMount, TokenFile: t.TokenFile, RoleID: t.RoleID, SecretIDFile: t.SecretIDFile, Role: t.Role, JWTFile: t.JWTFile,
			},
		})
	case "pkcs11":
		return keyring.OpenHSM(keyring.HSMOptions{Module: k.PKCS11.Module, Token: k.PKCS11.Token, Key: k.PKCS11.Key, PINFile: k.PKCS11.PINFile})
	}
	return keyring.OpenKeyFile(cfg.KeyFile, cfg.KeyFileGroupReadable)
}

// followKEK asks until ctx ends whether the key still opens what it wrapped, and says
// in the log what follows from the answer.
func followKEK(ctx context.Context, ring *keyring.Ring, logger *slog.Logger) {
	ring.FollowKEK(ctx, keyring.KEKEvery, tellOfKEK(ctx, ring, logger))
}

func tellOfKEK(ctx context.Context, ring *keyring.Ring, logger *slog.Logger) func(error) {
	return func(err error) {
		switch {
		case err == nil:
			logger.InfoContext(ctx, "the key that wraps keys is back", "key", ring.KEK())
		case errors.Is(ring.Standing(), keyring.ErrShut):
			logger.ErrorContext(ctx, "the key that wraps keys is out of reach for too long: everything is refused until it is back", "key", ring.KEK(), "cause", err)
		default:
			logger.WarnContext(ctx, "the key that wraps keys is out of reach: nothing new is sealed, and everything stops soon", "key", ring.KEK(), "after", keyring.KEKGrace, "cause", err)
		}
	}
}

// keysOpen is what /readyz asks. An outage that is not over its time yet is for the log
// and for alarms: a balancer that took every process out would make it worse.
func keysOpen(ring *keyring.Ring, now func() time.Time) func(context.Context) error {
	return func(context.Context) error {
		if !ring.Usable(now()) {
			return keyring.ErrShut
		}
		return nil
	}
}

// whileOpen lets requests in while the ring is usable. What is refused needs no list: a
// session, a code and a mail link rest on the same root as the secret of a bot. Styles and
// scripts are in the binary, and the page that says so needs them.
func whileOpen(ring *keyring.Ring, now func() time.Time, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ring.Usable(now()) && !strings.HasPrefix(r.URL.Path, "/static/") {
			edge.Fail(w, r, keyring.ErrShut)
			return
		}
		next.ServeHTTP(w, r)
	})
}
