package rs

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Token is what a verified access token says. The same Token is handed out for each request that shows the
// same text, so treat it as read-only.
type Token struct {
	ID       string // jti
	Subject  string // the account
	ClientID string
	Scopes   []string
	Issued   time.Time
	Expires  time.Time

	// How and when the person signed in; empty for a client that acts for itself.
	ACR      string
	AMR      []string
	AuthTime time.Time

	SID   string // session that the token comes from (claim sid)
	Grant string // grant that it comes from (claim grant_id)
	JKT   string // thumbprint of the key that it is bound to; "" for a bearer token

	Details json.RawMessage // authorization_details (RFC 9396), nil when there are none

	early time.Time // nbf
}

// Confirmed reports whether the token is bound to a key. Check has seen that key's proof on this request then.
func (t *Token) Confirmed() bool { return t.JKT != "" }

// Has reports whether the token has a scope.
func (t *Token) Has(scope string) bool { return slices.Contains(t.Scopes, scope) }

// timely is the part of the check that a remembered token has to pass again.
func (t *Token) timely(now time.Time) *Error {
	switch {
	case !now.Before(t.Expires.Add(clockSkew)):
		return errTokenExpired
	case t.Issued.Sub(now) > clockSkew || t.early.Sub(now) > clockSkew:
		return errTokenEarly
	}
	return nil
}

// signed is a compact JWS whose head is acceptable and whose signature nobody has looked at yet.
type signed struct {
	kid             string
	body            string
	text, signature string
}

func (s signed) by(key *issuerKey) bool { return key.verify(s.text, s.signature) }

// open reads the head of a JWS. Keys that a token brings along or points to (jwk, jku, x5c, x5u) are not
// looked at: a key comes from the issuer's set, by its kid, or not at all. The caller has bounded the size.
func open(text string, goodType func(typ string) bool) (signed, *Error) {
	headText, body, text, signature, ok := splitJWS(text)
	if !ok || body == "" {
		return signed{}, errTokenForm
	}
	raw, ok := decodeText(headText)
	if !ok {
		return signed{}, errTokenForm
	}
	var room [8]member
	head, ok := readObject(raw, room[:0])
	if !ok {
		return signed{}, errTokenForm
	}
	// One algorithm, ours and not the token's choice: "none" and the HMAC family, which would verify against a
	// public key as the shared secret, never come near a key (RFC 8725 §3.1).
	if alg, _, ok := head.text("alg"); !ok || alg != algES256 {
		return signed{}, errTokenAlg
	}
	if typ, _, _ := head.text("typ"); !goodType(typ) {
		return signed{}, errTokenType
	}
	if head.has("crit") || head.has("b64") {
		return signed{}, errTokenCrit // RFC 7515 §4.1.11
	}
	kid, _, ok := head.text("kid")
	if !ok || !goodID(kid, 1) {
		return signed{}, errTokenKey
	}
	return signed{kid: kid, body: body, text: text, signature: signature}, nil
}

// accessToken is the typ of RFC 9068 §4, a media type and so without case. An id_token or a proof, which the
// same issuer or client signs, is none.
func accessToken(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// readClaims reads the claims of RFC 9068 §2.2 and checks those that can be checked without a key.
func (v *Verifier) readClaims(text string, now time.Time) (*Token, *Error) {
	raw, ok := decodeText(text)
	if !ok {
		return nil, errTokenForm
	}
	var room [24]member
	c, ok := readObject(raw, room[:0])
	if !ok {
		return nil, errTokenForm
	}
	t := &Token{}
	var good [5]bool
	iss, _, isText := c.text("iss")
	t.Subject, _, good[0] = c.text("sub")
	t.ClientID, _, good[1] = c.text("client_id")
	t.ID, _, good[2] = c.text("jti")
	t.Issued, _, good[3] = c.seconds("iat")
	t.Expires, _, good[4] = c.seconds("exp")
	audience, _ := c.raw("aud")
	aud, isList := audience.texts(true)
	if !isText || !isList || good != [5]bool{true, true, true, true, true} ||
		t.Subject == "" || t.ClientID == "" || t.ID == "" {
		return nil, errTokenClaims
	}
	if iss != v.conf.Issuer {
		return nil, errTokenIssuer
	}
	if !slices.Contains(aud, v.conf.Audience) {
		return nil, errTokenAud
	}
	if !t.readOptional(c) {
		return nil, errTokenClaims
	}
	if confirmation, there := c.raw("cnf"); there {
		// RFC 7800 §3.1: one who cannot check a confirmation must not take the token for an unbound one.
		var room [4]member
		cnf, ok := readObject(confirmation.text, room[:0])
		if !ok || len(cnf) != 1 {
			return nil, errTokenConf
		}
		if t.JKT, _, ok = cnf.text("jkt"); !ok || len(t.JKT) != 43 {
			return nil, errTokenConf
		}
	}
	if life := t.Expires.Sub(t.Issued); life <= 0 || life > maxLife {
		return nil, errTokenLife
	}
	return t, t.timely(now)
}

// readOptional reads the claims that may be missing; false when one is there and of the wrong kind.
func (t *Token) readOptional(c members) bool {
	ok := true
	text := func(name string, to *string) {
		v, present, isText := c.text(name)
		if *to = v; present && !isText {
			ok = false
		}
	}
	at := func(name string, to *time.Time) {
		v, present, isTime := c.seconds(name)
		if *to = v; present && !isTime {
			ok = false
		}
	}
	var scope string
	text("scope", &scope)
	text("acr", &t.ACR)
	text("sid", &t.SID)
	text("grant_id", &t.Grant)
	at("auth_time", &t.AuthTime)
	at("nbf", &t.early)
	if amr, there := c.raw("amr"); there {
		list, isList := amr.texts(false)
		t.AMR, ok = list, ok && isList
	}
	if details, there := c.raw("authorization_details"); there {
		ok = ok && details.kind == 'a'
		t.Details = json.RawMessage(details.text)
	}
	t.Scopes = strings.FieldsFunc(scope, func(c rune) bool { return c == ' ' }) // RFC 6749 §3.3: this space and no other
	return ok
}
