package softkey

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
)

// The COSE algorithms it knows (RFC 9053 §2).
const (
	ES256 int64 = -7
	EdDSA int64 = -8
)

// The names a browser gives to refusals (WebAuthn L3 §5.1.3, §5.1.4).
var (
	ErrNotAllowed   = errors.New("NotAllowedError: no passkey for this site, or the person said no")
	ErrInvalidState = errors.New("InvalidStateError: this authenticator already has a passkey for the account")
	ErrSecurity     = errors.New("SecurityError: the page may not use this relying party id")
	ErrNotSupported = errors.New("NotSupportedError: none of the algorithms asked for")
)

// Statement is the attestation an authenticator gives when it is asked for one.
type Statement int

const (
	None       Statement = iota // what passkey providers give
	Self                        // packed, signed with the new key itself
	X5C                         // packed, signed with a certificate of [Authority]
	AndroidKey                  // android-key, with a chain of the authenticator's Maker
	Unheard                     // a format that no server knows
)

// Authenticator keeps passkeys. The zero value is a passkey provider: ES256,
// synced, no attestation. Set the fields before its first use. It is safe for
// concurrent use.
type Authenticator struct {
	AAGUID    [16]byte
	Algorithm int64     // ES256 when zero
	Statement Statement // used when the site asks for "direct"
	Local     bool      // the keys stay here (BE=0); otherwise they are synced
	Counts    bool      // keeps a signature counter, as security keys do

	Maker *Maker                         // for AndroidKey
	Phone func(challenge []byte) Android // what the phone says of the key

	mu   sync.Mutex // guards keys
	keys []*passkey
}

// passkey is one credential.
type passkey struct {
	id       []byte
	rpID     string
	handle   []byte
	userName string
	key      signer
	counter  uint32
}

// Clone copies the authenticator with its keys and counters, as malware on the
// owner's machine would.
func (a *Authenticator) Clone() *Authenticator {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &Authenticator{AAGUID: a.AAGUID, Algorithm: a.Algorithm, Statement: a.Statement, Local: a.Local, Counts: a.Counts, Maker: a.Maker, Phone: a.Phone}
	for _, k := range a.keys {
		copied := *k
		c.keys = append(c.keys, &copied)
	}
	return c
}

// Handles lists the user handles it has passkeys for, the newest last.
func (a *Authenticator) Handles(rpID string) [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out [][]byte
	for _, k := range a.keys {
		if k.rpID == rpID {
			out = append(out, bytes.Clone(k.handle))
		}
	}
	return out
}

// Accept does what a browser does on signalAllAcceptedCredentials: passkeys of
// this user that the site no longer lists are taken away.
func (a *Authenticator) Accept(rpID string, handle []byte, ids [][]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.keys[:0]
	for _, k := range a.keys {
		if k.rpID != rpID || !bytes.Equal(k.handle, handle) || contains(ids, k.id) {
			kept = append(kept, k)
		}
	}
	a.keys = kept
}

// add makes a new passkey. One per site and user: a second one replaces the
// first, as CTAP2 §6.1.2 has it for discoverable credentials.
func (a *Authenticator) add(rpID string, handle []byte, userName string, k signer) *passkey {
	p := &passkey{id: random(32), rpID: rpID, handle: handle, userName: userName, key: k}
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.keys[:0]
	for _, old := range a.keys {
		if old.rpID != rpID || !bytes.Equal(old.handle, handle) {
			kept = append(kept, old)
		}
	}
	a.keys = append(kept, p)
	return p
}

// choose is the person in front of the list of passkeys: the one for handle, or
// the newest.
func (a *Authenticator) choose(rpID string, handle []byte, allowed [][]byte) *passkey {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.keys) - 1; i >= 0; i-- {
		k := a.keys[i]
		if k.rpID == rpID && (handle == nil || bytes.Equal(k.handle, handle)) && (len(allowed) == 0 || contains(allowed, k.id)) {
			return k
		}
	}
	return nil
}

func (a *Authenticator) holds(ids [][]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.keys {
		if contains(ids, k.id) {
			return true
		}
	}
	return false
}

// count moves the counter of k on.
func (a *Authenticator) count(k *passkey) uint32 {
	if !a.Counts {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	k.counter++
	return k.counter
}

// The flags of authenticator data (WebAuthn L3 §6.1).
const (
	flagUP = 1 << 0
	flagUV = 1 << 2
	flagBE = 1 << 3
	flagBS = 1 << 4
	flagAT = 1 << 6
)

func (a *Authenticator) flags() byte {
	f := byte(flagUP | flagUV)
	if !a.Local {
		f |= flagBE | flagBS
	}
	return f
}

// head is the fixed part of authenticator data.
func head(rpID string, flags byte, counter uint32) []byte {
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), counter)
}

func contains(ids [][]byte, id []byte) bool {
	for _, x := range ids {
		if bytes.Equal(x, id) {
			return true
		}
	}
	return false
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
