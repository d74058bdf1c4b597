package exchange

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// party is our side of OpenID Connect: discovery, requests to the token endpoint, and
// the verification of what Keyward signs.
type party struct {
	cfg    Config
	client *http.Client

	mu    sync.Mutex // guards what follows
	found *found
	nonce string // the DPoP nonce of the last answer (RFC 9449 §8)
}

// found is what Keyward says of itself.
type found struct {
	provider *oidc.Provider
	Token    string `json:"token_endpoint"`
	Auth     string `json:"authorization_endpoint"`
	PAR      string `json:"pushed_authorization_request_endpoint"`
	Leave    string `json:"end_session_endpoint"`
}

// find asks once, and again until there was an answer.
func (p *party) find() (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// The provider keeps this context to fetch keys later, so it is no request's.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), p.client), p.cfg.Keyward)
	if err != nil {
		return nil, err
	}
	f := &found{provider: provider}
	if err := provider.Claims(f); err != nil {
		return nil, err
	}
	p.found = f
	return f, nil
}

// tokens is an answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	URI     string `json:"request_uri"` // of a pushed request
	Error   string `json:"error"`
}

// oauthError is what an endpoint of OAuth said (RFC 6749 §5.2).
type oauthError struct{ code, status string }

func (e *oauthError) Error() string { return "keyward says " + e.code + " (" + e.status + ")" }

// call posts a form to the token or PAR endpoint: with our assertion and, when there is
// a key to bind to, with its proof, once more when the server wants another nonce.
func (p *party) call(ctx context.Context, endpoint string, form url.Values, bind *ecdsa.PrivateKey) (out tokens, err error) {
	for range 2 {
		assertion, err := p.assertion()
		if err != nil {
			return out, err
		}
		form.Set("client_id", p.cfg.Client)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
		if err != nil {
			return out, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if bind != nil {
			p.mu.Lock()
			nonce := p.nonce
			p.mu.Unlock()
			proof, err := prove(bind, http.MethodPost, endpoint, nonce, "")
			if err != nil {
				return out, err
			}
			req.Header.Set("DPoP", proof)
		}
		res, err := p.client.Do(req)
		if err != nil {
			return out, err
		}
		out = tokens{}
		err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&out)
		res.Body.Close()
		if n := res.Header.Get("DPoP-Nonce"); n != "" {
			p.mu.Lock()
			p.nonce = n
			p.mu.Unlock()
		}
		switch {
		case err != nil:
			return out, fmt.Errorf("%s: %w", res.Status, err)
		case out.Error == "use_dpop_nonce":
			continue
		case out.Error != "":
			return out, &oauthError{out.Error, res.Status}
		}
		return out, nil
	}
	return out, &oauthError{out.Error, "twice"}
}

// assertion says who we are (RFC 7523). Its audience is the issuer, so that it is good
// nowhere else (FAPI 2.0 §5.3.3.1).
func (p *party) assertion() (string, error) {
	now := time.Now()
	return sign(p.cfg.Key, map[jose.HeaderKey]any{"kid": p.cfg.KeyID}, map[string]any{
		"iss": p.cfg.Client, "sub": p.cfg.Client, "aud": p.cfg.Keyward, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": random(),
	})
}

// prove is a DPoP proof (RFC 9449 §4.2), for an access token when there is one.
func prove(key *ecdsa.PrivateKey, method, address, nonce, access string) (string, error) {
	claims := map[string]any{"htm": method, "htu": address, "iat": time.Now().Unix(), "jti": random()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if access != "" {
		claims["ath"] = hashOf(access)
	}
	return sign(key, map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: key.Public()}}, claims)
}

func sign(key *ecdsa.PrivateKey, head map[jose.HeaderKey]any, claims any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{ExtraHeaders: head})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func hashOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
