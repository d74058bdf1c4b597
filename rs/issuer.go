package rs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Issuer opens what Keyward signs besides access tokens, with the keys it publishes: package executor reads
// confirmations with it. It says that the issuer signed the text as this type, and nothing about the claims.
type Issuer struct{ keys keys }

// IssuerConfig says whose keys. Issuer is needed.
type IssuerConfig struct {
	Issuer     string
	JWKSURL    string           // by default what the issuer's metadata say (RFC 8414)
	HTTPClient *http.Client     // by default one with a timeout; redirects are never followed
	Now        func() time.Time // time.Now by default
	Log        *slog.Logger     // nothing by default
}

// NewIssuer checks the configuration. Nothing is fetched before the first text.
func NewIssuer(c IssuerConfig) (*Issuer, error) {
	if err := trustworthy(c.Issuer); err != nil {
		return nil, fmt.Errorf("rs: Issuer %q: %w", c.Issuer, err)
	}
	if c.JWKSURL != "" {
		if err := trustworthy(c.JWKSURL); err != nil {
			return nil, fmt.Errorf("rs: JWKSURL %q: %w", c.JWKSURL, err)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	i := &Issuer{}
	i.keys.issuer, i.keys.url, i.keys.client, i.keys.now, i.keys.log = c.Issuer, c.JWKSURL, still(c.HTTPClient), c.Now, c.Log
	return i, nil
}

// Open returns the payload of a compact JWS that the issuer signed with this exact typ. The error is an *Error, whose
// Status is 503 when the keys could not be had.
func (i *Issuer) Open(ctx context.Context, text, typ string) ([]byte, error) {
	if len(text) > maxSigned {
		return nil, errTokenSize
	}
	if strings.ContainsAny(text, " ,\t\"\r\n") {
		return nil, errTokenForm
	}
	jws, e := open(text, func(got string) bool { return got == typ })
	if e != nil {
		return nil, e
	}
	key, e := i.keys.find(ctx, jws.kid)
	if e != nil {
		return nil, e
	}
	if !jws.by(key) {
		return nil, errTokenSig
	}
	body, ok := decodeText(jws.body)
	if !ok {
		return nil, errTokenForm
	}
	return []byte(body), nil
}
