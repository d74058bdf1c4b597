package keyring_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/keyring/vaulttest"
)

// transitTo is a KEK in a vault.
func transitTo(t *testing.T, v *vaulttest.Vault, login keyring.TransitLogin, now func() time.Time) *keyring.Transit {
	t.Helper()
	k, err := keyring.OpenTransit(keyring.TransitOptions{Address: v.Address, CAFile: v.CAFile, Mount: "transit", Key: "keyward", Login: login, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func byToken(t *testing.T, token string) keyring.TransitLogin {
	t.Helper()
	return keyring.TransitLogin{Kind: keyring.LoginToken, TokenFile: vaulttest.Write(t, token)}
}

// One vault for all of it: a start takes a second.
func TestTransitInARealVault(t *testing.T) {
	v := vaulttest.Start(t)
	t.Run("what it wraps opens for its purpose and for no other", func(t *testing.T) {
		k := transitTo(t, v, byToken(t, v.Token("keyward", nil)), time.Now)
		wrapped, err := k.Wrap(t.Context(), []byte("root"), []byte("purpose"))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := k.Unwrap(t.Context(), wrapped, []byte("purpose")); err != nil || string(plain) != "root" {
			t.Errorf("gave back %q, %v", plain, err)
		}
		for name, try := range map[string]func() ([]byte, error){
			"another purpose": func() ([]byte, error) { return k.Unwrap(t.Context(), wrapped, []byte("other")) },
			"no purpose":      func() ([]byte, error) { return k.Unwrap(t.Context(), wrapped, nil) },
			"a changed letter": func() ([]byte, error) {
				bad := bytes.Clone(wrapped)
				bad[20] ^= 1
				return k.Unwrap(t.Context(), bad, []byte("purpose"))
			},
			"a version that is not there": func() ([]byte, error) {
				return k.Unwrap(t.Context(), bytes.Replace(wrapped, []byte(":v1:"), []byte(":v7:"), 1), []byte("purpose"))
			},
		} {
			plain, err := try()
			if err == nil || errors.Is(err, keyring.ErrKEKUnavailable) || errors.Is(err, keyring.ErrKEKRefused) {
				t.Errorf("%s: %q, %v", name, plain, err)
			}
		}
	})
	t.Run("a deployment lives on it, and survives a rotation of the key", func(t *testing.T) {
		shelf, c := new(keyringtest.Shelf), newClock()
		k := transitTo(t, v, byToken(t, v.Token("keyward", nil)), c.now)
		a := keyringtest.Open(t, k, shelf, c.now)
		v.Do("POST", "transit/keys/keyward/rotate", nil)
		agree(t, a, keyringtest.Open(t, k, shelf, c.now))
		if name, _, err := keyring.WrappedBy(t.Context(), shelf); err != nil || name != "transit:transit/keyward" {
			t.Errorf("remembered as %q, %v", name, err)
		}
		// The old version is archived: what it wrapped opens no more, and the canary tells.
		v.Do("POST", "transit/keys/keyward/config", map[string]any{"min_decryption_version": 2})
		defer v.Do("POST", "transit/keys/keyward/config", map[string]any{"min_decryption_version": 1})
		if err := a.Contact(t.Context()); err == nil {
			t.Error("the version that wrapped the root was switched off, and the ring still has contact")
		}
		if _, err := keyring.Open(t.Context(), k, shelf, c.now); !errors.Is(err, keyring.ErrKeyForeign) {
			t.Errorf("a start: %v", err)
		}
	})
	t.Run("sealed for ten minutes, then for twenty", func(t *testing.T) {
		shelf, c := new(keyringtest.Shelf), newClock()
		k := transitTo(t, v, byToken(t, v.Token("keyward", nil)), time.Now)
		ring := keyringtest.Open(t, k, shelf, c.now)
		sealed, err := ring.Seal([]byte("secret of a bot"), "t", "r", "c")
		if err != nil {
			t.Fatal(err)
		}
		v.Seal()
		c.pass(10 * time.Minute)
		if err := ring.Contact(t.Context()); !errors.Is(err, keyring.ErrKEKUnavailable) {
			t.Errorf("contact with a sealed vault: %v", err)
		}
		if _, err := ring.Open(sealed, "t", "r", "c"); err != nil {
			t.Errorf("what was sealed before: %v", err)
		}
		if _, err := ring.Seal([]byte("new"), "t", "r", "c"); !errors.Is(err, keyring.ErrNothingNew) {
			t.Errorf("a new secret: %v", err)
		}
		if _, err := keyring.Open(t.Context(), k, shelf, c.now); !errors.Is(err, keyring.ErrKEKUnavailable) {
			t.Errorf("a process that starts now: %v", err)
		}
		c.pass(10 * time.Minute)
		if _, err := ring.Open(sealed, "t", "r", "c"); !errors.Is(err, keyring.ErrShut) {
			t.Errorf("after twenty minutes: %v", err)
		}
		v.Unseal()
		if err := ring.Contact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if plain, err := ring.Open(sealed, "t", "r", "c"); err != nil || string(plain) != "secret of a bot" {
			t.Errorf("after it is back: %q, %v", plain, err)
		}
	})
	t.Run("a policy without decrypt is refused, with the path it needs", func(t *testing.T) {
		v.Policy("wraps-only", `path "transit/encrypt/keyward" { capabilities = ["update"] }`)
		k := transitTo(t, v, byToken(t, v.Token("wraps-only", nil)), time.Now)
		_, err := keyring.Open(t.Context(), k, new(keyringtest.Shelf), time.Now)
		if !errors.Is(err, keyring.ErrKEKRefused) || !bytes.Contains([]byte(err.Error()), []byte("transit/decrypt/keyward")) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a key that binds nothing makes no root", func(t *testing.T) {
		v.Do("POST", "transit/keys/rsa", map[string]any{"type": "rsa-2048"})
		v.Policy("rsa", `path "transit/+/rsa" { capabilities = ["update"] }`)
		k, err := keyring.OpenTransit(keyring.TransitOptions{Address: v.Address, CAFile: v.CAFile, Mount: "transit", Key: "rsa", Login: byToken(t, v.Token("rsa", nil)), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		shelf := new(keyringtest.Shelf)
		if _, err := keyring.Open(t.Context(), k, shelf, time.Now); err == nil {
			t.Error("a deployment began under a key without associated data")
		}
		if len(shelf.Records()) != 0 {
			t.Error("and it kept something")
		}
	})
	t.Run("a key that is not there", func(t *testing.T) {
		v.Policy("no-such", `path "transit/+/no-such" { capabilities = ["update"] }`)
		k, err := keyring.OpenTransit(keyring.TransitOptions{Address: v.Address, CAFile: v.CAFile, Mount: "transit", Key: "no-such", Login: byToken(t, v.Token("no-such", nil)), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Wrap(t.Context(), []byte("root"), []byte("p")); !errors.Is(err, keyring.ErrKEKRefused) || !strings.Contains(err.Error(), "make the key") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("another CA is refused before anything is said", func(t *testing.T) {
		k, err := keyring.OpenTransit(keyring.TransitOptions{Address: v.Address, Mount: "transit", Key: "keyward", Login: byToken(t, v.Root), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Wrap(t.Context(), []byte("root"), nil); !errors.Is(err, keyring.ErrKEKUnavailable) || !bytes.Contains([]byte(err.Error()), []byte("ca_file")) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestWaysIntoARealVault(t *testing.T) {
	v := vaulttest.Start(t)
	works := func(t *testing.T, k *keyring.Transit) {
		t.Helper()
		wrapped, err := k.Wrap(t.Context(), []byte("root"), []byte("p"))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := k.Unwrap(t.Context(), wrapped, []byte("p")); err != nil || string(plain) != "root" {
			t.Fatalf("gave back %q, %v", plain, err)
		}
	}
	refuses := func(t *testing.T, k *keyring.Transit) {
		t.Helper()
		if _, err := k.Wrap(t.Context(), []byte("root"), []byte("p")); !errors.Is(err, keyring.ErrKEKRefused) {
			t.Fatalf("error is %v", err)
		}
	}
	t.Run("a token file that is written anew is taken at once", func(t *testing.T) {
		login := byToken(t, v.Token("keyward", nil))
		k := transitTo(t, v, login, time.Now)
		works(t, k)
		v.Do("POST", "auth/token/revoke", map[string]any{"token": read(t, login.TokenFile)})
		refuses(t, k)
		if err := os.WriteFile(login.TokenFile, []byte(v.Token("keyward", nil)), 0o600); err != nil {
			t.Fatal(err)
		}
		works(t, k)
	})
	t.Run("a token is kept alive at half of its life", func(t *testing.T) {
		c := newClock()
		token := v.Token("keyward", map[string]any{"ttl": "100s"})
		k := transitTo(t, v, byToken(t, token), c.now)
		works(t, k)
		ttl := func() float64 {
			data, _ := v.Do("POST", "auth/token/lookup", map[string]any{"token": token})["data"].(map[string]any)
			n, _ := data["ttl"].(float64)
			return n
		}
		time.Sleep(2100 * time.Millisecond)
		if n := ttl(); n > 98 {
			t.Fatalf("%v s are left already", n)
		}
		works(t, k)
		if n := ttl(); n > 98 {
			t.Errorf("renewed before half of its life: %v s", n)
		}
		c.pass(51 * time.Second)
		works(t, k)
		if n := ttl(); n < 99 {
			t.Errorf("not renewed: %v s are left", n)
		}
	})
	t.Run("AppRole logs in, keeps its token, and comes in again when it is revoked", func(t *testing.T) {
		role, secret := v.AppRole(map[string]any{"token_ttl": "100s"})
		login := keyring.TransitLogin{Kind: keyring.LoginAppRole, Mount: "approle", RoleID: role, SecretIDFile: vaulttest.Write(t, secret)}
		c := newClock()
		k := transitTo(t, v, login, c.now)
		works(t, k)
		v.Do("POST", "sys/leases/revoke-prefix/auth/approle", nil)
		works(t, k)
		c.pass(60 * time.Second)
		works(t, k)
		c.pass(2 * time.Hour) // its end is long over: a new login
		works(t, k)
		if err := os.WriteFile(login.SecretIDFile, []byte("00000000-0000-0000-0000-000000000000"), 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, transitTo(t, v, login, c.now))
	})
}

// Kubernetes answers whether it knows a pod's word: that part alone is played.
func TestAPodComesIntoARealVault(t *testing.T) {
	v := vaulttest.Start(t)
	const word = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwia3ViZXJuZXRlcy5pbyI6eyJuYW1lc3BhY2UiOiJleGNoYW5nZSIsInNlcnZpY2VhY2NvdW50Ijp7Im5hbWUiOiJrZXl3YXJkIiwidWlkIjoidTEifX19.c2ln"
	cluster := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{"authenticated":true,"user":{"username":"system:serviceaccount:exchange:keyward","uid":"u1","groups":["system:serviceaccounts"]}}}`))
	}))
	defer cluster.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw}))
	v.Do("POST", "sys/auth/kubernetes", map[string]any{"type": "kubernetes"})
	v.Do("POST", "auth/kubernetes/config", map[string]any{"kubernetes_host": cluster.URL, "disable_local_ca_jwt": true, "kubernetes_ca_cert": ca, "token_reviewer_jwt": word})
	v.Do("POST", "auth/kubernetes/role/keyward", map[string]any{
		"bound_service_account_names": []string{"keyward"}, "bound_service_account_namespaces": []string{"exchange"}, "token_policies": []string{"keyward"}, "token_ttl": "1h",
	})
	login := keyring.TransitLogin{Kind: keyring.LoginKubernetes, Mount: "kubernetes", Role: "keyward", JWTFile: vaulttest.Write(t, word)}
	if err := os.Chmod(login.JWTFile, 0o644); err != nil { // as it is mounted
		t.Fatal(err)
	}
	ring := keyringtest.Open(t, transitTo(t, v, login, time.Now), new(keyringtest.Shelf), time.Now)
	if err := ring.Contact(t.Context()); err != nil {
		t.Error(err)
	}
	login.Role = "another"
	if _, err := transitTo(t, v, login, time.Now).Wrap(t.Context(), []byte("root"), nil); !errors.Is(err, keyring.ErrKEKRefused) {
		t.Errorf("a role that is not there: %v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}
