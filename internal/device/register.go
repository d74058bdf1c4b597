package device

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"keyward/internal/account"
)

// RegisterFor says for whom a key is made.
type RegisterFor struct {
	Account     account.ID // "" at sign-up, whose account is made with the key
	Handle      []byte     // the account's WebAuthn user handle
	UserName    string     // shown by passkey managers to tell accounts apart
	DisplayName string     // shown next to it, may be empty
	Exclude     [][]byte   // credential ids the account has: no two in one manager
	App         bool       // an app asks, by a door at which each request is proved; only there a phone may answer
	JKT         string     // the key that the session which begins with it is bound to; "" when none begins
}

// BeginRegister makes the options for navigator.credentials.create(), in the
// form of PublicKeyCredential.parseCreationOptionsFromJSON. bind ties the
// ceremony to the browser that begins it. Nothing is stored.
func (s *Service) BeginRegister(f RegisterFor, bind string) ([]byte, error) {
	return s.creationOptions(f, registering(f, bind))
}

// creationOptions are the options of a registration whose challenge is for p.
func (s *ceremonies) creationOptions(f RegisterFor, p purpose) ([]byte, error) {
	switch {
	case f.UserName == "" || len(f.Handle) == 0 || len(f.Handle) > maxHandle:
		return nil, errors.New("device: a registration needs a user handle and a user name")
	case len(f.Exclude) > maxExclude:
		return nil, errors.New("device: too many credentials to exclude")
	}
	if err := checkBind(p.bind); err != nil {
		return nil, err
	}
	type entity struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName,omitempty"`
	}
	type param struct {
		Type string `json:"type"`
		Alg  int64  `json:"alg"`
	}
	type user struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	}
	var o struct {
		RP        entity       `json:"rp"`
		User      user         `json:"user"`
		Challenge string       `json:"challenge"`
		Params    []param      `json:"pubKeyCredParams"`
		Timeout   int64        `json:"timeout"`
		Exclude   []descriptor `json:"excludeCredentials"`
		Selection struct {
			ResidentKey        string `json:"residentKey"`
			RequireResidentKey bool   `json:"requireResidentKey"`
			UserVerification   string `json:"userVerification"`
		} `json:"authenticatorSelection"`
		Attestation string          `json:"attestation"`
		Extensions  map[string]bool `json:"extensions"`
	}
	o.RP = entity{ID: s.cfg.RPID, Name: s.cfg.RPName}
	o.User = user{ID: encode(f.Handle), Name: f.UserName, DisplayName: f.DisplayName}
	if o.User.DisplayName == "" {
		o.User.DisplayName = f.UserName
	}
	o.Challenge = encode(s.issue(p))
	for _, a := range algorithms {
		o.Params = append(o.Params, param{"public-key", a})
	}
	o.Timeout = ceremonyTimeout.Milliseconds()
	o.Exclude = make([]descriptor, 0, len(f.Exclude))
	for _, id := range f.Exclude {
		o.Exclude = append(o.Exclude, descriptor{"public-key", encode(id), nil})
	}
	// Discoverable, so that sign-in never has to send a list of credentials; user
	// verified, so that a found phone is not a found account.
	o.Selection.ResidentKey, o.Selection.RequireResidentKey, o.Selection.UserVerification = "required", true, "required"
	o.Attestation = s.cfg.Ask // stored whole, so that it can be judged again
	o.Extensions = map[string]bool{"credProps": true}
	return json.Marshal(o)
}

// descriptor is a PublicKeyCredentialDescriptorJSON (WebAuthn L3 §5.8.3).
type descriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

// Attestation is a verified registration that has not become a key yet.
type Attestation struct {
	kind         Kind
	account      account.ID // "" at sign-up
	handle       []byte
	ticket       ticket
	credentialID []byte
	publicKey    []byte
	alg          int64
	aaguid       [16]byte
	be, bs       bool
	counter      uint32
	transports   string
	elsewhere    bool
	object       []byte
	clientHash   [32]byte
	format       string
	evidence     Evidence
	jkt          string // Phone: thumbprint of its session key
	appKey       []byte // Phone of Apple's: public half of its App Attest key (COSE_Key)
}

// grade: BE=0 is a claim by the authenticator and no evidence; Hardware needs a
// statement judged against trusted roots.
func (a *Attestation) grade() Grade { return a.evidence.grade(a.be) }

// Evidence is what was found about where the key lives.
func (a *Attestation) Evidence() Evidence { return a.evidence }

// SessionKey is the thumbprint of a phone's session key; "" of a passkey.
func (a *Attestation) SessionKey() string { return a.jkt }

// Grade is the grade the key will have.
func (a *Attestation) Grade() Grade { return a.grade() }

// Elsewhere reports that the key was made in a phone that stood beside the browser
// that asked (WebAuthn L3 §5.4.5 "cross-platform", over "hybrid"): it is not on the
// device of that browser, and must not go when that one is removed. The browser's
// own word; it decides in whose list the key stands and nothing else.
func (a *Attestation) Elsewhere() bool { return a.elsewhere }

// Provider is who keeps the key, in words; "" when unknown.
func (a *Attestation) Provider() string { return providerName(a.aaguid) }

// ParseRegister verifies what the browser or the phone answered to BeginRegister for the same
// account, handle and bind. It touches no row and is called outside any transaction.
func (s *Service) ParseRegister(ctx context.Context, f RegisterFor, bind string, answer []byte) (*Attestation, error) {
	if fromPhone(answer) {
		return s.enrolled(ctx, f, registering(f, bind), answer)
	}
	return s.registered(ctx, f, registering(f, bind), answer)
}

func (s *ceremonies) registered(ctx context.Context, f RegisterFor, p purpose, answer []byte) (*Attestation, error) {
	r, cd, t, err := s.open(p, answer)
	if err != nil {
		return nil, err
	}
	c, err := s.site().create(ctx, s.judges, cd.challenge, cd, r)
	if ctx.Err() != nil {
		return nil, ctx.Err() // it is not the passkey's fault
	}
	if err != nil {
		return nil, ErrNotAccepted.Because(err)
	}
	return &Attestation{
		kind: Passkey, account: f.Account, handle: f.Handle, ticket: t, credentialID: c.credentialID, publicKey: c.publicKey, alg: c.alg, aaguid: c.aaguid,
		be: c.has(flagBE), bs: c.has(flagBS), counter: c.counter, transports: r.transports, elsewhere: r.elsewhere,
		object: r.attestation, clientHash: sha256.Sum256(r.clientData), format: c.format, evidence: c.evidence,
	}, nil
}

// registering is the purpose of a registration challenge. The handle is part of
// it: at sign-up there is no account to bind to yet.
func registering(f RegisterFor, bind string) purpose {
	return purpose{ceremony: "create", subject: string(f.Account), act: Act{ActKeysAdd, encode(f.Handle)}, bind: bind}
}

// open reads an answer and checks its challenge, before anything that costs more
// than a hash.
func (s *ceremonies) open(p purpose, answer []byte) (*response, clientData, ticket, error) {
	r, err := parseResponse(answer, p.ceremony)
	if err != nil {
		return nil, clientData{}, ticket{}, ErrNotAccepted.Because(err)
	}
	cd, err := parseClientData(r.clientData)
	if err != nil {
		return nil, clientData{}, ticket{}, ErrNotAccepted.Because(err)
	}
	t, err := s.check(p, cd.challenge)
	return r, cd, t, err
}

// checkBind: without a bind, a challenge begun in the thief's browser would be
// good in the owner's, and the other way round.
func checkBind(bind string) error {
	if bind == "" || len(bind) > maxBind {
		return fmt.Errorf("device: a ceremony is bound to the browser that begins it (bind of %d bytes)", len(bind))
	}
	return nil
}
