package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"keyward/rs"
)

// TypProof is the typ of a confirmation. An access token or an ID token, which the same key signs, is none.
const TypProof = "kw-confirmation+jwt"

var (
	// ErrProof: the proof is not good: another issuer, another audience, another form, not signed, not the person's.
	ErrProof = errors.New("executor: the proof is not accepted")
	// ErrExpired: it was good, and is too old.
	ErrExpired = errors.New("executor: the proof has expired")
	// ErrDifferent: it is about another withdrawal than the wanted one. Somebody changed something on the way.
	ErrDifferent = errors.New("executor: the owner approved another withdrawal")
	// ErrSpent: it was used before.
	ErrSpent = errors.New("executor: the proof was used before")
	// ErrUnavailable: keys or the memory of used proofs could not be asked. Nothing is known; try again.
	ErrUnavailable = errors.New("executor: cannot judge now")
)

// Config says whose proofs are accepted. Issuer, Audience, RPID and Origins are needed.
type Config struct {
	Issuer   string   // Keyward's own address
	Audience string   // the id of the back end that asked, in Keyward's configuration
	RPID     string   // the domain of the passkeys (rp.id)
	Origins  []string // exact (rp.origins)

	JWKSURL    string       // by default what the issuer's metadata say
	HTTPClient *http.Client // fetches the keys; redirects are never followed

	// Once remembers what was carried out; by default in the memory of this process.
	Once Once

	// Pinned, when set, says whether a public key (COSE_Key) is known here to be one of the account's. It is for who
	// keeps the keys of owners apart from Keyward, so that a Keyward that was taken over cannot bring one of its own.
	// When nil, Keyward's signature vouches for whose key it is.
	Pinned func(ctx context.Context, account string, key []byte) (bool, error)

	// Now is the clock that the issuer's keys age by; time.Now by default.
	Now func() time.Time
}

// Verifier decides on proofs. It is safe for concurrent use.
type Verifier struct {
	conf   Config
	issuer *rs.Issuer
}

// New checks the configuration; nothing is fetched before the first proof.
func New(c Config) (*Verifier, error) {
	if c.Audience == "" || c.RPID == "" || len(c.Origins) == 0 {
		return nil, errors.New("executor: Audience, RPID and Origins are needed")
	}
	if c.Once == nil {
		c.Once = new(Memory)
	}
	c.Origins = slices.Clone(c.Origins)
	issuer, err := rs.NewIssuer(rs.IssuerConfig{Issuer: c.Issuer, JWKSURL: c.JWKSURL, HTTPClient: c.HTTPClient, Now: c.Now})
	if err != nil {
		return nil, err
	}
	return &Verifier{c, issuer}, nil
}

// Confirmation is an approval that was verified, and is spent.
type Confirmation struct {
	Intent   Intent
	Approved time.Time
	Kind     string // of the key: webauthn, phone
	Key      []byte // the person's public key (COSE_Key): keep it beside the payment
	Grade    string // what is known of where that key lives: synced, claimed, hardware
	Rule     string // why the approval was enough: hardware, second_device, small
}

// Verify decides whether the owner approved want, and spends the proof: the same proof is good once. Everything that is
// sent comes from want. Whatever differs, in any byte, is refused.
func (v *Verifier) Verify(ctx context.Context, token string, want Withdrawal, now time.Time) (Confirmation, error) {
	if err := want.Check(); err != nil {
		return Confirmation{}, err
	}
	body, err := v.issuer.Open(ctx, token, TypProof)
	if err != nil {
		var refused *rs.Error
		if errors.As(err, &refused) && refused.Status >= http.StatusInternalServerError {
			return Confirmation{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return Confirmation{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	c, err := v.read(body, want, now)
	if err != nil {
		return Confirmation{}, err
	}
	if v.conf.Pinned != nil {
		known, err := v.conf.Pinned(ctx, want.Account, c.Key)
		if err != nil {
			return Confirmation{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if !known {
			return Confirmation{}, fmt.Errorf("%w: the key is not pinned for this account", ErrProof)
		}
	}
	// Last: a proof that was refused is not used up.
	until := time.Unix(c.Intent.Expires, 0).Add(MaxLife + 2*clockSkew)
	switch first, err := v.conf.Once.Spend(ctx, c.Intent.ID, until, now); {
	case err != nil:
		return Confirmation{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !first:
		return Confirmation{}, ErrSpent
	}
	return c, nil
}

// read judges the claims of a token whose signature is good.
func (v *Verifier) read(body []byte, want Withdrawal, now time.Time) (Confirmation, error) {
	bad := func(why string) (Confirmation, error) { return Confirmation{}, fmt.Errorf("%w: %s", ErrProof, why) }
	m, err := readObject(body)
	if err != nil {
		return bad("not an object")
	}
	iss, _ := m.text("iss")
	aud, _ := m.text("aud")
	sub, _ := m.text("sub")
	id, _ := m.text("jti")
	issued, ok1 := m.seconds("iat")
	expires, ok2 := m.seconds("exp")
	approved, ok3 := m.seconds("approved")
	raw, ok4 := m.bytes("intent")
	nonce, ok5 := m.bytes("nonce")
	switch {
	case iss != v.conf.Issuer:
		return bad("another issuer")
	case aud != v.conf.Audience:
		return bad("for another audience")
	case !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || len(nonce) != NonceSize:
		return bad("a claim is missing")
	}
	intent, err := ParseIntent(raw)
	if err != nil {
		return bad("the intent is not in its one form")
	}
	// What is wanted, in the place of what was approved: the same bytes or none.
	mine := intent
	mine.Withdrawal = want
	if string(mine.CBOR()) != string(raw) || sub != want.Account || id != intent.ID || !details(m["authorization_details"], want) {
		return Confirmation{}, ErrDifferent
	}
	kind, key, err := v.person(m["evidence"], Challenge(raw, [NonceSize]byte(nonce)), id)
	if err != nil {
		return Confirmation{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	skew := int64(clockSkew.Seconds())
	at := now.Unix()
	switch {
	case approved < intent.Created || approved > intent.Expires || expires > approved+int64(MaxLife.Seconds()) || issued < approved:
		return bad("its times do not fit together")
	case issued > at+skew:
		return bad("it is from the future")
	case at >= expires:
		return Confirmation{}, ErrExpired
	}
	grade, _ := m.text("grade")
	rule, _ := m.text("rule")
	return Confirmation{Intent: intent, Approved: time.Unix(approved, 0).UTC(), Kind: kind, Key: key, Grade: grade, Rule: rule}, nil
}

// details reports whether authorization_details (RFC 9396) say what is wanted, and nothing else.
func details(raw json.RawMessage, w Withdrawal) bool {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) != 1 {
		return false
	}
	m, err := readObject(list[0])
	if err != nil {
		return false
	}
	fields := map[string]string{
		"type": "keyward_withdrawal", "asset": w.Asset, "network": w.Network, "amount": w.Amount, "max_fee": w.MaxFee, "address": w.Address, "memo": w.Memo,
	}
	for name := range m {
		if _, known := fields[name]; !known {
			return false
		}
	}
	for name, value := range fields {
		got, isText := m.text(name)
		if _, there := m[name]; there && !isText || got != value { // an empty one may be left out, and is never a number
			return false
		}
	}
	return true
}
