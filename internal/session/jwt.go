package session

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/executor"
	"keyward/internal/keyring"
)

// Mint makes and reads the JSON Web Tokens that leave the house: access tokens for
// resource servers (RFC 9068), ID tokens and logout tokens (OpenID Connect). ES256
// only, under the ring's signing keys.
type Mint struct {
	ring   *keyring.Ring
	issuer string
	now    func() time.Time
	known  readTokens
}

// NewMint wires a mint. issuer is the origin of the deployment, exactly as clients
// know it (RFC 8414 §2).
func NewMint(ring *keyring.Ring, issuer string, now func() time.Time) *Mint {
	return &Mint{ring: ring, issuer: issuer, now: now}
}

// Issuer is the iss of every token.
func (m *Mint) Issuer() string { return m.issuer }

// The typ of each kind of token: one kind must never pass for another (RFC 8725 §3.11).
const (
	TypAccess = "at+jwt"     // RFC 9068 §2.1
	TypID     = "JWT"        // OIDC Core does not name one
	TypLogout = "logout+jwt" // OIDC Back-Channel Logout §2.4

	TypIntrospection = "token-introspection+jwt" // RFC 9701 §5
)

// Confirmation binds a token to a key (RFC 7800, RFC 9449 §6.1).
type Confirmation struct {
	JKT string `json:"jkt"`
}

// AccessClaims are what an access token says (RFC 9068 §2.2). Times are seconds.
type AccessClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"` // account id; the client's own id for its own tokens
	Audience string          `json:"aud"`
	ClientID string          `json:"client_id"`
	Expires  int64           `json:"exp"`
	Issued   int64           `json:"iat"`
	ID       string          `json:"jti"`
	Scope    string          `json:"scope,omitempty"`
	ACR      string          `json:"acr,omitempty"`
	AMR      []string        `json:"amr,omitempty"`
	AuthTime int64           `json:"auth_time,omitempty"`
	SID      string          `json:"sid,omitempty"`
	Grant    string          `json:"grant_id,omitempty"`
	Confirm  *Confirmation   `json:"cnf,omitempty"`
	Details  json.RawMessage `json:"authorization_details,omitempty"`
}

// IDClaims are what an ID token says (OIDC Core §2).
type IDClaims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      string   `json:"aud"`
	Expires       int64    `json:"exp"`
	Issued        int64    `json:"iat"`
	AuthTime      int64    `json:"auth_time"`
	Nonce         string   `json:"nonce,omitempty"`
	ACR           string   `json:"acr"`
	AMR           []string `json:"amr"`
	SID           string   `json:"sid"`
	AccessHash    string   `json:"at_hash,omitempty"`
	Email         string   `json:"email,omitempty"`
	EmailVerified *bool    `json:"email_verified,omitempty"`
}

// AccessOf mints the access token of a grant. Call it outside any transaction:
// signing is slow beside a row.
func (m *Mint) AccessOf(g Grant, scope string, life time.Duration) (token string, exp time.Time, err error) {
	now := m.now()
	exp = now.Add(life)
	if g.AbsExp.Before(exp) {
		exp = g.AbsExp
	}
	c := AccessClaims{
		Subject: string(g.Account), Audience: g.Audience, ClientID: g.Client, Scope: scope, ACR: g.ACR, AMR: g.AMR,
		AuthTime: g.AuthTime.Unix(), SID: string(g.Session), Grant: string(g.ID),
	}
	if g.JKT != "" {
		c.Confirm = &Confirmation{g.JKT}
	}
	if g.Details != "" {
		c.Details = json.RawMessage(g.Details)
	}
	token, err = m.access(c, now, exp)
	return token, exp, err
}

// AccessOfClient mints a token for an app itself (RFC 6749 §4.4): no person stands
// behind it, so it says nothing of one.
func (m *Mint) AccessOfClient(client, audience, scope, jkt string, life time.Duration) (string, time.Time, error) {
	now := m.now()
	c := AccessClaims{Subject: client, Audience: audience, ClientID: client, Scope: scope}
	if jkt != "" {
		c.Confirm = &Confirmation{jkt}
	}
	token, err := m.access(c, now, now.Add(life))
	return token, now.Add(life), err
}

func (m *Mint) access(c AccessClaims, now, exp time.Time) (string, error) {
	c.Issuer, c.Issued, c.Expires, c.ID = m.issuer, now.Unix(), exp.Unix(), keyring.NewID("atk_", now)
	return m.sign(TypAccess, c)
}

// ID mints an ID token. The caller fills in what it is about.
func (m *Mint) ID(c IDClaims, life time.Duration) (string, error) {
	now := m.now()
	c.Issuer, c.Issued, c.Expires = m.issuer, now.Unix(), now.Add(life).Unix()
	return m.sign(TypID, c)
}

// logoutClaims are what a logout token says (OIDC Back-Channel Logout §2.4). There is
// no nonce, so that none passes for an ID token.
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience string              `json:"aud"`
	Expires  int64               `json:"exp"`
	Issued   int64               `json:"iat"`
	ID       string              `json:"jti"`
	SID      string              `json:"sid"`
	Events   map[string]struct{} `json:"events"`
}

// Logout mints the token that tells an app that a session is over.
func (m *Mint) Logout(l Left) (string, error) {
	now := m.now()
	return m.sign(TypLogout, logoutClaims{
		Issuer: m.issuer, Subject: string(l.Account), Audience: l.Client, Expires: now.Add(logoutLife).Unix(), Issued: now.Unix(),
		ID: keyring.NewID("lgt_", now), SID: string(l.Session), Events: map[string]struct{}{"http://schemas.openid.net/event/backchannel-logout": {}},
	})
}

// Introspection signs what an app is told about a token (RFC 9701 §5), for that app.
// No sub and no exp on the outside, so that it passes for no other kind of token.
func (m *Mint) Introspection(client string, about any) (string, error) {
	return m.sign(TypIntrospection, struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		Issued   int64  `json:"iat"`
		About    any    `json:"token_introspection"`
	}{m.issuer, client, m.now().Unix(), about})
}

// MoneyClaims are what the proof of a confirmed withdrawal says (package executor reads it). Times are seconds.
type MoneyClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"` // the account
	Audience string          `json:"aud"` // the back end that asked
	ID       string          `json:"jti"` // the intent
	Issued   int64           `json:"iat"`
	Expires  int64           `json:"exp"`
	Approved int64           `json:"approved"`
	Details  any             `json:"authorization_details"` // RFC 9396
	Intent   string          `json:"intent"`                // base64url of its CBOR
	Nonce    string          `json:"nonce"`
	Grade    string          `json:"grade"`
	Rule     string          `json:"rule"`
	Evidence json.RawMessage `json:"evidence"` // the person's own signature
}

// Money signs the proof of a confirmed withdrawal. The caller fills in what it is about and when it ends.
func (m *Mint) Money(c MoneyClaims) (string, error) {
	c.Issuer, c.Issued = m.issuer, m.now().Unix()
	return m.sign(executor.TypProof, c)
}

func (m *Mint) sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	// Written out (RFC 7515 §7.1): a signer made for each token costs as much again as
	// its signature. Neither typ nor a kid has anything to escape.
	signer := m.ring.Signer()
	text := base64.RawURLEncoding.AppendEncode(make([]byte, 0, 2*len(payload)+256), []byte(`{"alg":"ES256","kid":"`+signer.KID()+`","typ":"`+typ+`"}`))
	text = base64.RawURLEncoding.AppendEncode(append(text, '.'), payload)
	sig, err := signer.SignPayload(text, jose.ES256)
	if err != nil {
		return "", err
	}
	return string(base64.RawURLEncoding.AppendEncode(append(text, '.'), sig)), nil
}

// errForeign: not one of our tokens. Why is for the log alone.
var errForeign = errors.New("session: not a token of ours")

// maxJWT bounds what is parsed at all.
const maxJWT = 16 << 10

// Access reads one of our own access tokens that came back. It checks everything
// but what can change after minting: whether the grant still stands is GrantByID's.
func (m *Mint) Access(token string) (AccessClaims, error) {
	hash := keyring.Hash(token)
	c, kid, known := m.known.find(hash)
	if _, good := m.ring.VerifyKey(kid); !known || !good { // a key may have been withdrawn since
		c = AccessClaims{}
		kid, err := m.read(token, TypAccess, &c)
		if err != nil {
			return AccessClaims{}, err
		}
		m.known.keep(hash, kid, c)
	}
	if c.Issuer != m.issuer || !m.now().Before(time.Unix(c.Expires, 0)) {
		return AccessClaims{}, errForeign
	}
	return c, nil
}

// ReadID reads one of our own ID tokens, expired or not: as a hint of who was
// signed in (OIDC Core §3.1.2.1 id_token_hint) its age does not matter.
func (m *Mint) ReadID(token string) (IDClaims, error) {
	var c IDClaims
	if _, err := m.read(token, TypID, &c); err != nil {
		return IDClaims{}, err
	}
	if c.Issuer != m.issuer {
		return IDClaims{}, errForeign
	}
	return c, nil
}

func (m *Mint) read(token, typ string, into any) (kid string, err error) {
	payload, err := verified(token, typ, func(id string) (*ecdsa.PublicKey, bool) { kid = id; return m.ring.VerifyKey(id) })
	if err != nil || json.Unmarshal(payload, into) != nil {
		return "", errForeign
	}
	return kid, nil
}

// verified is the payload of a token that one of the keys has signed, found by its kid.
func verified(token, typ string, keyOf func(kid string) (*ecdsa.PublicKey, bool)) ([]byte, error) {
	if len(token) > maxJWT {
		return nil, errForeign
	}
	// The algorithm is ours to say and not the token's (RFC 8725 §3.1): "none" and a
	// MAC keyed with our public key do not even parse.
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, errForeign
	}
	h := jws.Signatures[0].Protected
	if got, _ := h.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, errForeign
	}
	key, ok := keyOf(h.KeyID)
	if !ok {
		return nil, errForeign
	}
	return jws.Verify(key)
}
