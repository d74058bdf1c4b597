package device

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"keyward/internal/attest"
	"keyward/internal/keyring"
)

// ceremonies makes challenges and judges answers for one relying party. It needs
// a clock and a MAC key, and no database.
type ceremonies struct {
	cfg       Config
	challenge *keyring.MAC
	judges    bench
	lists     *atomic.Pointer[Lists]
}

func newCeremonies(cfg Config, challenge *keyring.MAC) (ceremonies, error) {
	if err := cfg.check(); err != nil {
		return ceremonies{}, fmt.Errorf("device: %w", err)
	}
	cfg.Origins = slices.Clone(cfg.Origins)
	if cfg.AndroidRoots == nil {
		cfg.AndroidRoots = attest.GoogleRoots()
	}
	if cfg.AppleRoot == nil {
		cfg.AppleRoot = attest.AppleRoot()
	}
	if cfg.Ask == "" {
		cfg.Ask = AskDirect
	}
	return ceremonies{cfg: cfg, challenge: challenge, judges: make(bench, judgesPerCPU*runtime.GOMAXPROCS(0)), lists: new(atomic.Pointer[Lists])}, nil
}

// Verifier is the same judgement for passkeys that are nobody's devices: those of
// operators, who live on another relying party and in other tables. It keeps
// nothing, so whoever uses it stores the keys, spends the tickets and checks that
// a key is live, in the transaction that acts.
type Verifier struct{ of ceremonies }

// NewVerifier refuses a configuration that no browser could meet. The MAC must be
// of the caller's own: a challenge of one verifier is nothing to another.
func NewVerifier(cfg Config, challenge *keyring.MAC) (*Verifier, error) {
	c, err := newCeremonies(cfg, challenge)
	if err != nil {
		return nil, err
	}
	return &Verifier{c}, nil
}

// Purpose is what a challenge of a Verifier is bound to. An answer is good for the
// purpose it was asked for and for no other.
type Purpose struct {
	Subject string // who touches; "" at sign-in, where nobody is known yet
	Act     Act
	Bind    string // the session or link that began it
}

// Ticket is a challenge that was ours and is still open. Who acts on it remembers
// Hash until Until, and refuses a hash it remembers.
type Ticket struct {
	Hash  [32]byte
	Until time.Time
}

// Forget is when the row that remembers a spent ticket may go: later than the
// ticket could be used, so that no clock difference reopens it.
func (t Ticket) Forget() time.Time { return t.Until.Add(spentMargin) }

// Registration is a verified new passkey.
type Registration struct {
	Ticket       Ticket
	Handle       []byte
	CredentialID []byte
	PublicKey    []byte // COSE_Key as the authenticator wrote it
	Algorithm    int64
	AAGUID       [16]byte
	Grade        Grade
	BE, BS       bool
	Counter      uint32
	Transports   string // JSON
	Object       []byte // the whole attestation object, to be judged again
	ClientHash   [32]byte
	Format       string
	Evidence     Evidence
}

// CreateOptions are the options for navigator.credentials.create().
func (v *Verifier) CreateOptions(f RegisterFor, p Purpose) ([]byte, error) {
	return v.of.creationOptions(f, p.of("create", f.Handle))
}

// Registered verifies what the browser answered to CreateOptions for the same
// person and purpose.
func (v *Verifier) Registered(ctx context.Context, f RegisterFor, p Purpose, answer []byte) (Registration, error) {
	a, err := v.of.registered(ctx, f, p.of("create", f.Handle), answer)
	if err != nil {
		return Registration{}, err
	}
	return Registration{
		Ticket: Ticket{a.ticket.hash, a.ticket.expires}, Handle: a.handle, CredentialID: a.credentialID, PublicKey: a.publicKey, Algorithm: a.alg,
		AAGUID: a.aaguid, Grade: a.grade(), BE: a.be, BS: a.bs, Counter: a.counter, Transports: a.transports,
		Object: a.object, ClientHash: a.clientHash, Format: a.format, Evidence: a.evidence,
	}, nil
}

// GetOptions are the options for navigator.credentials.get(). As everywhere there
// is no list of allowed credentials.
func (v *Verifier) GetOptions(p Purpose) ([]byte, error) {
	if p.Act.Kind == "" || (p.Subject == "") != (p.Act.Kind == ActSignIn) {
		return nil, errors.New("device: a sign-in is for nobody yet, and every other act is for one person")
	}
	if p.Subject != "" {
		if err := checkBind(p.Bind); err != nil {
			return nil, err
		}
	}
	return v.of.requestOptions(p.of("get", nil))
}

// Stored is what a signature is checked against.
type Stored struct {
	Handle    []byte // the person's WebAuthn user handle
	PublicKey []byte
	BE        bool
	Name      string // for the counters of refusals: an id, never a secret
}

// Asserted is a verified signature that has proved nothing yet.
type Asserted struct {
	Ticket   Ticket
	BackedUp bool
	Counter  uint32
}

// Asserted verifies a signature. find looks a credential id up and answers
// [store.ErrNoRows] when nobody has it. Whatever is wrong, the answer is
// ErrNotAccepted, and the reason is for the log.
func (v *Verifier) Asserted(ctx context.Context, p Purpose, answer []byte, find func(context.Context, []byte) (Stored, error)) (Asserted, error) {
	ad, t, err := v.of.asserted(ctx, p.of("get", nil), answer, find)
	if err != nil {
		return Asserted{}, err
	}
	return Asserted{Ticket: Ticket{t.hash, t.expires}, BackedUp: ad.has(flagBS), Counter: ad.counter}, nil
}

// of adds the handle to a registration: a key made for one person must not become
// another's.
func (p Purpose) of(ceremony string, handle []byte) purpose {
	act := p.Act
	if ceremony == "create" {
		act.Object += "/" + encode(handle)
	}
	return purpose{ceremony: ceremony, subject: p.Subject, act: act, bind: p.Bind}
}
