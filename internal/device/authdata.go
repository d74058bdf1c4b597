package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// The flags of authenticator data (WebAuthn L3 §6.1). Reserved bits are ignored.
const (
	flagUP = 1 << 0 // the user was present
	flagUV = 1 << 2 // the user was verified
	flagBE = 1 << 3 // the key may be backed up; never changes
	flagBS = 1 << 4 // it is backed up right now
	flagAT = 1 << 6 // a new key follows
	flagED = 1 << 7 // extension outputs follow
)

// strict is CBOR as CTAP2 §8 writes it: no name twice, no indefinite lengths, no
// tags, nothing after the item, shallow and small. Two readers of one signed
// byte string must not be able to see two different keys in it.
var strict = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	IndefLength:       cbor.IndefLengthForbidden,
	TagsMd:            cbor.TagsForbidden,
	MaxNestedLevels:   8,
	MaxArrayElements:  64,
	MaxMapPairs:       64,
	UTF8:              cbor.UTF8RejectInvalid,
	ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
}.DecMode())

// loose is the same, and takes members that no specification has: a maker's own
// word in a statement is no reason to refuse a key.
var loose = must(cbor.DecOptions{
	DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
	MaxNestedLevels: 8, MaxArrayElements: 64, MaxMapPairs: 64, UTF8: cbor.UTF8RejectInvalid, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
}.DecMode())

// canonical writes what we store as authenticators would.
var canonical = func() cbor.EncMode {
	m, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

func must(m cbor.DecMode, err error) cbor.DecMode {
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}

// authData is authenticator data taken apart.
type authData struct {
	rpIDHash [32]byte
	flags    byte
	counter  uint32

	// With flagAT only.
	aaguid       [16]byte
	credentialID []byte
	publicKey    []byte // COSE_Key, the bytes the authenticator wrote
}

func (a authData) has(flag byte) bool { return a.flags&flag != 0 }

// parseAuthData accounts for every byte.
func parseAuthData(b []byte) (a authData, err error) {
	if len(b) < 37 || len(b) > maxAuthData {
		return a, fmt.Errorf("authenticator data of %d bytes", len(b))
	}
	copy(a.rpIDHash[:], b)
	a.flags = b[32]
	a.counter = binary.BigEndian.Uint32(b[33:37])
	rest := b[37:]
	if a.has(flagAT) {
		if rest, err = a.readKey(rest); err != nil {
			return a, err
		}
	}
	if a.has(flagED) {
		var outputs map[string]any
		if rest, err = strict.UnmarshalFirst(rest, &outputs); err != nil {
			return a, fmt.Errorf("extension outputs: %w", err)
		}
	}
	if len(rest) != 0 {
		return a, fmt.Errorf("%d bytes after the authenticator data", len(rest))
	}
	return a, nil
}

// readKey reads attested credential data (§6.5.1).
func (a *authData) readKey(b []byte) (rest []byte, err error) {
	if len(b) < 18 {
		return nil, errors.New("attested credential data is cut off")
	}
	copy(a.aaguid[:], b)
	n := int(binary.BigEndian.Uint16(b[16:18]))
	if b = b[18:]; n > maxCredentialID || n > len(b) {
		return nil, fmt.Errorf("credential id of %d bytes", n)
	}
	a.credentialID, b = b[:n], b[n:]
	var key map[int64]any
	if rest, err = strict.UnmarshalFirst(b, &key); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	a.publicKey = b[:len(b)-len(rest)]
	return rest, nil
}

// attestationObject is the outer map of §6.5.4. The statement stays unread here;
// that it has no name twice is checked all the same.
type attestationObject struct {
	Format    string          `cbor:"fmt"`
	Statement cbor.RawMessage `cbor:"attStmt"`
	AuthData  []byte          `cbor:"authData"`
}

func parseAttestation(b []byte) (o attestationObject, err error) {
	if len(b) > maxAttestation {
		return o, fmt.Errorf("attestation of %d bytes", len(b))
	}
	if err = strict.Unmarshal(b, &o); err != nil {
		return o, fmt.Errorf("attestation object: %w", err)
	}
	var statement any
	if err = strict.Unmarshal(o.Statement, &statement); err != nil {
		return o, fmt.Errorf("attestation statement: %w", err)
	}
	// §8.1: at most 32 characters that can be printed. What we do not know is not
	// refused: a statement is extra, and the key in it is as honest as any.
	if len(o.Format) == 0 || len(o.Format) > maxFormat || strings.IndexFunc(o.Format, func(r rune) bool { return r < '!' || r > '~' }) >= 0 {
		return o, fmt.Errorf("attestation format %.40q", o.Format)
	}
	return o, nil
}
