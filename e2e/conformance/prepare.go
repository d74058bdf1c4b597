package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

// prepare gives each client that proves itself by a key one of its own. None lies in
// the repository: everybody could be the client of whoever registers it.
func prepare(clients, out string) error {
	if out == "" {
		return errors.New("say where: -out")
	}
	raw, err := os.ReadFile(clients)
	if err != nil {
		return err
	}
	var file struct {
		Clients []map[string]any `json:"clients"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return err
	}
	private := map[string]jose.JSONWebKeySet{}
	for _, c := range file.Clients {
		if c["auth"] != "private_key_jwt" {
			continue
		}
		name := fmt.Sprint(c["name"])
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		k := jose.JSONWebKey{Key: key, KeyID: name, Algorithm: "ES256", Use: "sig"}
		private[name] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k}}
		c["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.Public()}}
	}
	return errors.Join(write(out, "clients.json", file), write(out, "keys.json", private))
}

// plans writes what the suite's form takes, one file per plan.
func plans(dir, issuer string) error {
	var registered []struct {
		Name   string `json:"name"`
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	var keys map[string]json.RawMessage
	if err := errors.Join(read(dir, "registered.json", &registered), read(dir, "keys.json", &keys)); err != nil {
		return err
	}
	if issuer == "" || len(registered) != 4 {
		return errors.New("-issuer, and the four clients in registered.json")
	}
	server := map[string]string{"discoveryUrl": issuer + "/.well-known/openid-configuration"}
	var as []map[string]any
	for _, r := range registered {
		c := map[string]any{"client_id": r.ID, "scope": "openid email offline_access"}
		if key, ok := keys[r.Name]; ok {
			c["jwks"], c["dpop_signing_alg"] = key, "ES256"
		} else {
			c["client_secret"] = r.Secret
		}
		as = append(as, c)
	}
	return errors.Join(
		write(dir, "oidcc-config.json", map[string]any{"alias": "keyward", "server": server}),
		write(dir, "oidcc-basic.json", map[string]any{"alias": "keyward", "server": server, "client": as[0], "client2": as[1]}),
		write(dir, "fapi2-security-profile-final.json", map[string]any{
			"alias": "keyward", "server": server, "client": as[2], "client2": as[3], "resource": map[string]string{"resourceUrl": issuer + "/oauth/userinfo"},
		}))
}

func read(dir, name string, v any) error {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

func write(dir, name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), append(raw, '\n'), 0o600)
}
