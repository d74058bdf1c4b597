package keyring

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Ways into a vault.
const (
	LoginToken      = "token"      // a file that somebody else keeps fresh
	LoginAppRole    = "approle"    // a role id, and a file with its secret id
	LoginKubernetes = "kubernetes" // the word of the pod's service account
)

// TransitLogin is one of them.
type TransitLogin struct {
	Kind         string
	Mount        string // of the auth method: approle, kubernetes
	TokenFile    string
	RoleID       string
	SecretIDFile string
	Role         string // of Kubernetes
	JWTFile      string
}

// pass is the token at hand.
type pass struct {
	token string
	renew time.Time // when half of its life is over; zero: it has no end
	end   time.Time
	lives bool // may be renewed
}

// token gives one that is good, and a fresh one when the vault refused the last. Files are read anew each
// time: whoever replaces what is in them has replaced it.
func (t *Transit) token(ctx context.Context, fresh bool) (string, error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	if t.o.Login.Kind == LoginToken {
		return t.tokenOfFile(ctx)
	}
	now := t.o.Now()
	if !fresh && t.pass.token != "" && (t.pass.renew.IsZero() || now.Before(t.pass.renew)) {
		return t.pass.token, nil
	}
	if !fresh && t.pass.lives && now.Before(t.pass.end) && t.renewed(ctx) {
		return t.pass.token, nil
	}
	if err := t.login(ctx); err != nil {
		// Half of a life is left to try again in.
		if !fresh && t.pass.token != "" && now.Before(t.pass.end) {
			return t.pass.token, nil
		}
		return "", err
	}
	return t.pass.token, nil
}

// tokenOfFile keeps a token alive that can be kept alive. What cannot is for whoever writes the file.
func (t *Transit) tokenOfFile(ctx context.Context) (string, error) {
	token, err := readSecret("kek.transit.token_file", t.o.Login.TokenFile, true)
	if err != nil {
		return "", err
	}
	now := t.o.Now()
	switch {
	case token != t.pass.token:
		t.pass = pass{token: token}
		// A policy without this right is no reason to stop: the token may still do what it is for.
		status, body, err := t.call(ctx, http.MethodGet, "auth/token/lookup-self", token, nil)
		if err == nil && status == http.StatusOK {
			if g, err := readLookup(body); err == nil {
				t.pass = passOf(granted{token, g.life, g.renewable}, now)
			}
		}
	case t.pass.lives && !t.pass.renew.IsZero() && !now.Before(t.pass.renew):
		t.renewed(ctx)
	}
	return token, nil
}

// renewed asks for another life of the token at hand.
func (t *Transit) renewed(ctx context.Context) bool {
	status, body, err := t.call(ctx, http.MethodPost, "auth/token/renew-self", t.pass.token, map[string]string{})
	if err != nil || status != http.StatusOK {
		return false
	}
	g, err := readLogin(body)
	// A life that got shorter than what was left is the end of what may be renewed (max_ttl).
	if err != nil || g.token != t.pass.token {
		return false
	}
	now := t.o.Now()
	next := passOf(g, now)
	if !t.pass.end.IsZero() && !next.end.After(t.pass.end) {
		return false
	}
	t.pass = next
	return true
}

func passOf(g granted, now time.Time) pass {
	p := pass{token: g.token, lives: g.renewable}
	if g.life > 0 {
		p.renew, p.end = now.Add(g.life/2), now.Add(g.life)
	}
	return p
}

// login comes in anew.
func (t *Transit) login(ctx context.Context) error {
	l := t.o.Login
	var arguments map[string]string
	switch l.Kind {
	case LoginAppRole:
		secret, err := readSecret("kek.transit.secret_id_file", l.SecretIDFile, true)
		if err != nil {
			return err
		}
		arguments = map[string]string{"role_id": l.RoleID, "secret_id": secret}
	case LoginKubernetes:
		// Kubernetes mounts it readable for all of the pod.
		jwt, err := readSecret("kek.transit.jwt_file", l.JWTFile, false)
		if err != nil {
			return err
		}
		arguments = map[string]string{"role": l.Role, "jwt": jwt}
	default:
		return fmt.Errorf("%w: kek.transit.login: %q is no way into a vault", ErrKEKSettings, l.Kind)
	}
	status, body, err := t.call(ctx, http.MethodPost, "auth/"+l.Mount+"/login", "", arguments)
	switch {
	case err != nil:
		return err
	case status == http.StatusBadRequest, status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fmt.Errorf("%w: the vault does not know us by %s: look at the role, and whether the secret or the service account is still good", ErrKEKRefused, l.Kind)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: the vault has no login at auth/%s: enable it there, or set kek.transit.login_mount", ErrKEKRefused, l.Mount)
	case status != http.StatusOK:
		return t.refusal(status, "login")
	}
	defer clear(body)
	g, err := readLogin(body)
	if err != nil {
		return err
	}
	t.pass = passOf(g, t.o.Now())
	return nil
}
