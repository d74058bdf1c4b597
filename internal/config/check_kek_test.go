package config

import (
	"errors"
	"strings"
	"testing"
)

func TestTheKeyThatWrapsTheRoot(t *testing.T) {
	vault := func(edit func(*KEKTransit)) func(*Config) {
		return func(c *Config) {
			c.KEK.Kind = "transit"
			c.KEK.Transit = KEKTransit{Address: "https://vault.internal:8200", Key: "keyward", Login: "token", TokenFile: "/run/token"}
			edit(&c.KEK.Transit)
		}
	}
	hsm := func(edit func(*KEKPKCS11)) func(*Config) {
		return func(c *Config) {
			c.KEK.Kind = "pkcs11"
			c.KEK.PKCS11 = KEKPKCS11{Module: "/usr/lib/x.so", Token: "t", Key: "k", PINFile: "/etc/pin"}
			edit(&c.KEK.PKCS11)
		}
	}
	for _, c := range []struct {
		name string
		edit func(*Config)
		key  string // of the one fault; "" means fine
	}{
		{"nothing said: the key file", func(*Config) {}, ""},
		{"a key file", func(c *Config) { c.KEK.Kind, c.KeyFile = "file", "/etc/keyward.key" }, ""},
		{"a vault by token", vault(func(*KEKTransit) {}), ""},
		{"a vault by AppRole", vault(func(t *KEKTransit) {
			t.Login, t.TokenFile, t.RoleID, t.SecretIDFile = "approle", "", "r", "/etc/secret-id"
		}), ""},
		{"a vault by Kubernetes", vault(func(t *KEKTransit) { t.Login, t.TokenFile, t.Role = "kubernetes", "", "keyward" }), ""},
		{"its agent on this machine", vault(func(t *KEKTransit) { t.Address = "http://127.0.0.1:8200" }), ""},
		{"a mount with a slash", vault(func(t *KEKTransit) { t.Mount = "team/transit" }), ""},
		{"an HSM", hsm(func(*KEKPKCS11) {}), ""},
		{"a kind that is not there", func(c *Config) { c.KEK.Kind = "vault" }, "kek.kind"},
		{"a key file beside a vault", func(c *Config) { vault(func(*KEKTransit) {})(c); c.KeyFile = "/etc/keyward.key" }, "key_file"},
		{"a vault that is not the kind", func(c *Config) { c.KEK.Transit.Key = "keyward" }, "kek.transit"},
		{"an HSM that is not the kind", func(c *Config) { c.KEK.PKCS11.Key = "root" }, "kek.pkcs11"},
		{"a vault without an address", vault(func(t *KEKTransit) { t.Address = "" }), "kek.transit.address"},
		{"a vault in the clear", vault(func(t *KEKTransit) { t.Address = "http://vault.internal:8200" }), "kek.transit.address"},
		{"an address with a path", vault(func(t *KEKTransit) { t.Address += "/v1" }), "kek.transit.address"},
		{"an address with a password", vault(func(t *KEKTransit) { t.Address = "https://me:CANARY@vault" }), "kek.transit.address"},
		{"no key", vault(func(t *KEKTransit) { t.Key = "" }), "kek.transit.key"},
		{"a key that is a way out", vault(func(t *KEKTransit) { t.Key = "../../sys/seal" }), "kek.transit.key"},
		{"a key with a slash", vault(func(t *KEKTransit) { t.Key = "a/b" }), "kek.transit.key"},
		{"a mount with a query", vault(func(t *KEKTransit) { t.Mount = "transit?x" }), "kek.transit.mount"},
		{"a namespace with a line in it", vault(func(t *KEKTransit) { t.Namespace = "a b" }), "kek.transit.namespace"},
		{"no login", vault(func(t *KEKTransit) { t.Login, t.TokenFile = "", "" }), "kek.transit.login"},
		{"a token without its file", vault(func(t *KEKTransit) { t.TokenFile = "" }), "kek.transit.token_file"},
		{"a secret id beside a token", vault(func(t *KEKTransit) { t.SecretIDFile = "/etc/secret-id" }), "kek.transit.secret_id_file"},
		{"an HSM without a PIN", hsm(func(p *KEKPKCS11) { p.PINFile = "" }), "kek.pkcs11.pin_file"},
		{"a library from wherever we are", hsm(func(p *KEKPKCS11) { p.Module = "libx.so" }), "kek.pkcs11.module"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{PublicURL: "http://localhost:7480"}
			c.edit(&cfg)
			_, err := cfg.Complete()
			var faults Faults
			errors.As(err, &faults)
			switch {
			case c.key == "" && err != nil:
				t.Error(err)
			case c.key != "" && (len(faults) != 1 || faults[0].Key != c.key || faults[0].Fix == ""):
				t.Errorf("want one fault of %s with its fix: %v", c.key, err)
			}
			if err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the fault repeats a password: %v", err)
			}
		})
	}
}
