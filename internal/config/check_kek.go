package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// kekDefaults: the key file has a default only where it is what wraps the root, so that one that is named
// beside a vault is seen.
func (c *Config) kekDefaults() {
	k := &c.KEK
	or(&k.Kind, "file")
	switch k.Kind {
	case "transit":
		or(&k.Transit.Mount, "transit")
		if k.Transit.Login != "token" {
			or(&k.Transit.LoginMount, k.Transit.Login)
		}
		if k.Transit.Login == "kubernetes" {
			or(&k.Transit.JWTFile, "/var/run/secrets/kubernetes.io/serviceaccount/token")
		}
	case "pkcs11":
	default:
		or(&c.KeyFile, "/var/lib/keyward/keyward.key")
	}
}

// vaultPath is a mount or a name in one: what stands in a URL without being written otherwise there, so that
// no setting reaches another path than it names.
var vaultPath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*)*$`)

func (k *checker) kek(c Config) {
	k.oneOf("kek.kind", c.KEK.Kind, "file", "transit", "pkcs11")
	if (c.KEK.Kind == "transit" || c.KEK.Kind == "pkcs11") && c.KeyFile != "" {
		k.fault("key_file", "is set, but kek.kind is "+c.KEK.Kind, "one key wraps the root: the file would be kept and guarded for nothing", "remove key_file once `keyward kek rewrap` has moved the root, or kek.kind: file")
	}
	if c.KEK.Kind != "transit" && c.KEK.Transit != (KEKTransit{}) {
		k.fault("kek.transit", "is set, but kek.kind is "+c.KEK.Kind, "the vault would not be asked", "kek.kind: transit, or remove kek.transit")
	}
	if c.KEK.Kind != "pkcs11" && c.KEK.PKCS11 != (KEKPKCS11{}) {
		k.fault("kek.pkcs11", "is set, but kek.kind is "+c.KEK.Kind, "the HSM would not be asked", "kek.kind: pkcs11, or remove kek.pkcs11")
	}
	switch c.KEK.Kind {
	case "transit":
		k.transit(c.KEK.Transit)
	case "pkcs11":
		k.pkcs11(c.KEK.PKCS11)
	}
}

func (k *checker) transit(t KEKTransit) {
	u, err := url.Parse(t.Address)
	switch {
	case t.Address == "":
		k.fault("kek.transit.address", "is not set", "the root is wrapped there, and nothing starts without it", "kek.transit.address: https://vault.internal:8200")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		// The address stays out: somebody may have written a password into it.
		k.fault("kek.transit.address", "is not a URL with https and a host, and nothing else", "", "kek.transit.address: https://vault.internal:8200")
	case u.Scheme == "http" && !isLocalhost(u.Hostname()) && !isLoopback(u.Hostname()+":1"):
		k.fault("kek.transit.address", "http is only for a vault, or its agent, on this machine", "the root secret would cross the network in the clear", "kek.transit.address: https://"+u.Host)
	}
	for _, p := range []struct{ key, value string }{{"mount", t.Mount}, {"key", t.Key}, {"login_mount", t.LoginMount}, {"namespace", t.Namespace}} {
		switch {
		case p.value == "" && p.key == "key":
			k.fault("kek.transit.key", "is not set", "", "kek.transit.key: keyward, which `bao write -f transit/keys/keyward` makes")
		case p.value != "" && !vaultPath.MatchString(p.value) || p.key == "key" && strings.Contains(p.value, "/") || len(p.value) > 80:
			k.fault("kek.transit."+p.key, fmt.Sprintf("%q is not a name in a path", p.value), "it would reach another place than it says", "letters, digits, - and _, at most 80, without a slash at either end")
		}
	}
	k.oneOf("kek.transit.login", t.Login, "token", "approle", "kubernetes")
	for _, f := range []struct{ key, value, login, fix string }{
		{"token_file", t.TokenFile, "token", "/run/keyward/vault-token"},
		{"role_id", t.RoleID, "approle", "what `bao read auth/approle/role/keyward/role-id` prints"},
		{"secret_id_file", t.SecretIDFile, "approle", "/etc/keyward/secret-id"},
		{"role", t.Role, "kubernetes", "keyward"},
		{"jwt_file", t.JWTFile, "kubernetes", "/var/run/secrets/kubernetes.io/serviceaccount/token"},
	} {
		switch {
		case t.Login == f.login && f.value == "":
			k.fault("kek.transit."+f.key, "is not set", "login by "+f.login+" needs it", "kek.transit."+f.key+": "+f.fix)
		case t.Login != f.login && f.value != "":
			k.fault("kek.transit."+f.key, "is set, but kek.transit.login is "+t.Login, "it belongs to "+f.login+" and would not be used", "kek.transit.login: "+f.login+", or remove it")
		}
	}
	if t.Login == "token" && t.LoginMount != "" {
		k.fault("kek.transit.login_mount", "is set, but kek.transit.login is token", "a token needs no login", "remove it")
	}
}

func (k *checker) pkcs11(p KEKPKCS11) {
	for _, f := range []struct{ key, value, fix string }{
		{"module", p.Module, "/usr/lib/softhsm/libsofthsm2.so"},
		{"token", p.Token, "keyward"},
		{"key", p.Key, "root"},
		{"pin_file", p.PINFile, "/etc/keyward/hsm-pin"},
	} {
		if f.value == "" {
			k.fault("kek.pkcs11."+f.key, "is not set", "the key is found by library, token and label, and opened with the PIN", "kek.pkcs11."+f.key+": "+f.fix)
		} else if len(f.value) > 200 {
			k.fault("kek.pkcs11."+f.key, "is longer than 200 letters", "", "kek.pkcs11."+f.key+": "+f.fix)
		}
	}
	if p.Module != "" && !strings.HasPrefix(p.Module, "/") {
		k.fault("kek.pkcs11.module", fmt.Sprintf("%q is not a whole path", p.Module), "a library is code that runs here: where it comes from must not depend on where we are started", "kek.pkcs11.module: /usr/lib/softhsm/libsofthsm2.so")
	}
}
