package softkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Browser is a page of one origin with an authenticator at hand.
type Browser struct {
	Origin string
	Keys   *Authenticator
}

// answer is what goes back to the site. Tricks change it on its way.
type answer struct {
	keys *Authenticator

	// What the browser claims and the authenticator signs.
	typ         string
	challenge   string
	origin      string
	crossOrigin bool
	topOrigin   string
	rpID        string
	handle      []byte // whose passkey to use; nil: the newest
	id          []byte // the credential id to claim; nil: the real one
	unlisted    bool   // whatever allowCredentials says
	flags       byte
	counter     func(uint32) uint32
	lies        bool // not a browser: claims any origin it likes
	clientData  func(string) string

	// What happens to the bytes before, and after, they are signed.
	authData    func([]byte) []byte
	attestation func([]byte) []byte
	signature   func([]byte) []byte
	userHandle  func([]byte) []byte
	body        func([]byte) []byte
	discovered  bool // credProps.rk
}

// creation are the options of create(), as the site's JSON has them.
type creation struct {
	RP struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"user"`
	Challenge string `json:"challenge"`
	Params    []struct {
		Alg int64 `json:"alg"`
	} `json:"pubKeyCredParams"`
	Exclude     []descriptor `json:"excludeCredentials"`
	Attestation string       `json:"attestation"`
}

// request are the options of get().
type request struct {
	Challenge string       `json:"challenge"`
	RPID      string       `json:"rpId"`
	Allow     []descriptor `json:"allowCredentials"`
}

type descriptor struct {
	ID string `json:"id"`
}

// Create is navigator.credentials.create() followed by toJSON(). The person says
// yes and is recognised, unless a trick says otherwise.
func (b *Browser) Create(options []byte, tricks ...Trick) ([]byte, error) {
	var o creation
	if err := readOptions(options, &o); err != nil {
		return nil, err
	}
	a := b.answer("webauthn.create", o.Challenge, o.RP.ID, tricks)
	if err := a.mayUse(o.RP.ID); err != nil {
		return nil, err
	}
	alg := a.keys.Algorithm
	if alg == 0 {
		alg = ES256
	}
	if !slices.ContainsFunc(o.Params, func(p struct {
		Alg int64 `json:"alg"`
	}) bool {
		return p.Alg == alg
	}) {
		return nil, ErrNotSupported
	}
	if a.keys.holds(ids(o.Exclude)) {
		return nil, ErrInvalidState
	}
	handle, err := decode(o.User.ID)
	if err != nil || len(handle) == 0 {
		return nil, fmt.Errorf("TypeError: user.id %q", o.User.ID)
	}
	key := newSigner(alg)
	p := a.keys.add(o.RP.ID, handle, o.User.Name, key)
	if a.id != nil {
		p.id = a.id
	}

	client := a.clientDataJSON()
	auth := head(a.rpID, a.flags|flagAT, a.counter(0))
	auth = append(auth, a.keys.AAGUID[:]...)
	auth = append(auth, byte(len(p.id)>>8), byte(len(p.id)))
	auth = append(append(auth, p.id...), key.cose()...)
	auth = a.authData(auth)

	statement := None
	if o.Attestation == "direct" || o.Attestation == "enterprise" {
		statement = a.keys.Statement
	}
	object := a.attestation(a.keys.attest(statement, key, auth, client, a.signature))
	return a.body(mustJSON(map[string]any{
		"id": encode(p.id), "rawId": encode(p.id), "type": "public-key",
		"authenticatorAttachment": "platform",
		"clientExtensionResults":  map[string]any{"credProps": map[string]bool{"rk": a.discovered}},
		"response": map[string]any{
			"clientDataJSON": encode(client), "attestationObject": encode(object),
			"authenticatorData": encode(auth), "publicKeyAlgorithm": alg,
			"transports": []string{"internal", "hybrid"},
		},
	})), nil
}

// Get is navigator.credentials.get() followed by toJSON().
func (b *Browser) Get(options []byte, tricks ...Trick) ([]byte, error) {
	var o request
	if err := readOptions(options, &o); err != nil {
		return nil, err
	}
	a := b.answer("webauthn.get", o.Challenge, o.RPID, tricks)
	if err := a.mayUse(o.RPID); err != nil {
		return nil, err
	}
	if a.unlisted {
		o.Allow = nil
	}
	p := a.keys.choose(o.RPID, a.handle, ids(o.Allow))
	if p == nil {
		return nil, ErrNotAllowed
	}
	client := a.clientDataJSON()
	auth := a.authData(head(a.rpID, a.flags, a.counter(a.keys.count(p))))
	hash := sha256.Sum256(client)
	signed := append(bytes.Clone(auth), hash[:]...)
	response := map[string]any{
		"clientDataJSON": encode(client), "authenticatorData": encode(auth),
		"signature": encode(a.signature(p.key.sign(signed))),
	}
	if h := a.userHandle(p.handle); h != nil {
		response["userHandle"] = encode(h)
	}
	return a.body(mustJSON(map[string]any{
		"id": encode(p.id), "rawId": encode(p.id), "type": "public-key",
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{},
		"response": response,
	})), nil
}

func (b *Browser) answer(typ, challenge, rpID string, tricks []Trick) *answer {
	same := func(x []byte) []byte { return x }
	a := &answer{
		keys: b.Keys, typ: typ, challenge: challenge, origin: b.Origin, rpID: rpID, flags: b.Keys.flags(),
		counter: func(n uint32) uint32 { return n }, clientData: func(s string) string { return s },
		authData: same, attestation: same, signature: same, userHandle: same, body: same, discovered: true,
	}
	for _, t := range tricks {
		t(a)
	}
	return a
}

// mayUse is the rule that makes passkeys phishing-resistant: a page may use the
// relying party ids of its own domain and its parents only (WebAuthn L3 §5.1.3
// step 8). What claims another origin than its own is no browser, and is not
// held to it.
func (a *answer) mayUse(rpID string) error {
	if a.lies || strings.HasPrefix(a.origin, "android:") {
		return nil
	}
	u, err := url.Parse(a.origin)
	if err != nil {
		return ErrSecurity
	}
	host := u.Hostname()
	if host != rpID && !strings.HasSuffix(host, "."+rpID) {
		return ErrSecurity
	}
	return nil
}

// clientDataJSON is written in the order of WebAuthn L3 §5.8.1.1.
func (a *answer) clientDataJSON() []byte {
	s := `{"type":` + quote(a.typ) + `,"challenge":` + quote(a.challenge) + `,"origin":` + quote(a.origin) + `,"crossOrigin":`
	if a.crossOrigin {
		s += "true"
	} else {
		s += "false"
	}
	if a.topOrigin != "" {
		s += `,"topOrigin":` + quote(a.topOrigin)
	}
	return []byte(a.clientData(s + "}"))
}

// readOptions takes the options as parse…FromJSON does, or wrapped in the
// "publicKey" that the call itself has.
func readOptions(b []byte, v any) error {
	var wrapped struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}
	if err := json.Unmarshal(b, &wrapped); err != nil {
		return fmt.Errorf("TypeError: %w", err)
	}
	if wrapped.PublicKey != nil {
		b = wrapped.PublicKey
	}
	return json.Unmarshal(b, v)
}

func ids(list []descriptor) (out [][]byte) {
	for _, d := range list {
		if id, err := decode(d.ID); err == nil {
			out = append(out, id)
		}
	}
	return out
}

func quote(s string) string { return string(mustJSON(s)) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
