package device

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"keyward/internal/attest"
	"keyward/internal/store"
)

// trust is what statements are judged by, at one moment. The zero value trusts
// nobody.
type trust struct {
	google    []*x509.Certificate
	appleRoot *x509.Certificate
	lists     Lists
	at        time.Time // when the chain was made
	now       time.Time // when the lists are asked, where that is another time
}

// judgeStatement says what an attestation statement is worth (§7.1 steps 21–24).
//
// An error refuses the registration, and only what was tampered with earns it: a
// signature over this very key that does not hold, or certificates that would cost too
// much. Whatever we merely cannot check, or whose maker we do not know, registers with
// the lowest grade: the key is as good as one without a statement, and its owner must
// not be locked out because of how their phone was made.
func (st site) judgeStatement(cd clientData, r *response) (Evidence, error) {
	obj, err := parseAttestation(r.attestation)
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{Format: obj.Format, At: store.Micros(st.trust.at)}
	if !formats[obj.Format] {
		e.fault(attest.FaultUnchecked)
		return e, nil
	}
	switch err := weighStatement(obj.Statement); {
	case errors.Is(err, errOtherKind):
		e.fault(attest.FaultUnchecked)
		return e, nil
	case err != nil:
		return Evidence{}, err
	}
	ad, err := parseAuthData(obj.AuthData)
	if err != nil {
		return Evidence{}, err
	}
	hash := sha256.Sum256(r.clientData)
	s := statement{obj: obj, auth: ad, signed: slices.Concat(obj.AuthData, hash[:]), clientHash: hash}
	if err := loose.Unmarshal(obj.Statement, &s.parts); obj.Format != "none" && obj.Format != "compound" && err != nil {
		return Evidence{}, fmt.Errorf("attestation statement: %w", err)
	}
	if obj.Format == "android-key" {
		err := st.trust.android(&e, s)
		st.trust.lists.Rules.judge(&e, ad.aaguid)
		return e, err
	}
	if err := st.library(cd, r); err != nil {
		return e, s.unverified(&e, err)
	}
	st.trust.model(&e, s)
	st.trust.lists.Rules.judge(&e, ad.aaguid)
	return e, nil
}

// statement is an attestation statement with what it is about.
type statement struct {
	obj        attestationObject
	auth       authData
	signed     []byte // authenticator data ‖ hash of client data
	clientHash [32]byte
	parts      struct {
		Algorithm int64    `cbor:"alg"`
		Signature []byte   `cbor:"sig"`
		Chain     [][]byte `cbor:"x5c"`
		Version   string   `cbor:"ver"`
		CertInfo  []byte   `cbor:"certInfo"`
		PubArea   []byte   `cbor:"pubArea"`
	}
}

// unverified decides on a statement that the library did not take. packed with a
// chain is signed by the chain's key, which is checked here once more: then the fault
// lies in the certificates, which are their maker's business. Of the others, tpm,
// apple and compound fail for what their maker does as well as for a broken signature,
// and nothing they could gain is given.
func (s *statement) unverified(e *Evidence, why error) error {
	switch s.obj.Format {
	case "tpm", "apple", "compound":
	case "packed":
		if len(s.parts.Chain) == 0 || s.signedByLeaf() != nil {
			return why
		}
	default:
		return why
	}
	e.fault(attest.FaultUnchecked)
	return nil
}

// android judges WebAuthn's android-key (§8.4), by our own reader. The library's takes
// a root by its certificate, reads the clock, knows no status list and no levels.
func (t trust) android(e *Evidence, s statement) error {
	if len(s.parts.Chain) == 0 {
		return errors.New("android-key without certificates")
	}
	if err := s.signedByLeaf(); err != nil {
		return err
	}
	if err := s.leafIsTheKey(); err != nil {
		return err
	}
	v, err := attest.VerifyAndroid(s.parts.Chain, attest.AndroidPolicy{Roots: t.google, Revoked: t.lists.Revoked, Challenge: s.clientHash[:], OldestPatch: t.lists.Rules.oldestPatch(t.asked())}, t.at)
	switch {
	case errors.Is(err, attest.ErrNoRoot):
		e.fault(attest.FaultUnknownMaker)
		return nil
	case err != nil:
		e.fault(attest.FaultUnchecked)
		return nil
	}
	e.Speaker, e.Kept, e.AuthPerUse, e.Faults = Google, v.Level.String(), v.AuthPerUse, v.Faults
	if p := v.Description.Hardware.OSPatchLevel; p != nil {
		e.Patch = *p
	}
	if !v.ListKnown {
		e.fault(faultNoList)
	}
	if m, ok := t.lists.MDS.Model(s.auth.aaguid); ok {
		e.judgedBy(t.lists.MDS, m, t.asked())
	}
	return nil
}

// model judges a statement that holds by FIDO's list of models.
func (t trust) model(e *Evidence, s statement) {
	m, known := t.lists.MDS.Model(s.auth.aaguid)
	switch {
	case s.obj.Format == "none":
		return
	case s.obj.Format == "packed" && len(s.parts.Chain) == 0:
		e.Speaker = ItselfOnly
		return
	case s.obj.Format == "compound":
		e.fault(attest.FaultUnchecked) // its parts speak for themselves, and none is read here
		return
	case s.obj.Format == "apple": // the library has Apple's one root for it
		e.Speaker, e.Kept = Apple, "secure_enclave"
		if known {
			e.judgedBy(t.lists.MDS, m, t.asked())
		}
		return
	case !known: // also every U2F key, which has no AAGUID
		e.fault(attest.FaultUnknownMaker)
		return
	}
	faults, err := m.Judge(s.parts.Chain, t.at)
	if err != nil {
		// Says the name of a model, and the model's maker did not sign it.
		e.fault(attest.FaultUnknownMaker)
		return
	}
	e.Speaker, e.Faults = Maker, faults
	if len(m.KeyProtection) > 0 {
		e.Kept = m.KeyProtection[0]
	}
	e.judgedBy(t.lists.MDS, m, t.asked())
}

// signedByLeaf checks sig with the key of the first certificate (§8.2, §8.4).
func (s *statement) signedByLeaf() error {
	leaf, err := x509.ParseCertificate(s.parts.Chain[0])
	if err != nil {
		return err
	}
	alg := webauthncose.SigAlgFromCOSEAlg(webauthncose.COSEAlgorithmIdentifier(s.parts.Algorithm))
	if alg == x509.UnknownSignatureAlgorithm {
		return fmt.Errorf("a statement signed with algorithm %d", s.parts.Algorithm)
	}
	return leaf.CheckSignature(alg, s.signed, s.parts.Signature)
}

// leafIsTheKey: the certificate must be about the key that is registered (§8.4), or a
// good phone's certificate would vouch for any key beside it.
func (s *statement) leafIsTheKey() error {
	leaf, err := x509.ParseCertificate(s.parts.Chain[0])
	if err != nil {
		return err
	}
	key, err := publicKeyOf(s.auth.publicKey)
	if err != nil {
		return err
	}
	if k, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(key) {
		return errors.New("the certificate is about another key")
	}
	return nil
}

// publicKeyOf reads a COSE key that checkKey has taken.
func publicKeyOf(cose []byte) (crypto.PublicKey, error) {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return nil, detail(err)
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		pub, err := k.ToECDSA()
		return pub, detail(err)
	case webauthncose.OKPPublicKeyData:
		return ed25519.PublicKey(k.XCoord), nil
	case webauthncose.RSAPublicKeyData:
		e := 0
		for _, b := range bytes.TrimLeft(k.Exponent, "\x00") {
			e = e<<8 | int(b)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(k.Modulus), E: e}, nil
	}
	return nil, fmt.Errorf("a key of type %T", key)
}

// library has go-webauthn verify the statement's syntax and signature.
func (st site) library(cd clientData, r *response) error {
	in := protocol.CredentialCreationResponse{PublicKeyCredential: outer(r.id)}
	in.AttestationResponse.ClientDataJSON = r.clientData
	in.AttestationResponse.AttestationObject = r.attestation
	parsed, err := in.Parse()
	if err != nil {
		return detail(err)
	}
	_, err = parsed.Verify(encode(cd.challenge), st.rpID, []string{cd.origin}, []string{cd.origin}, nil,
		protocol.TopOriginExplicitVerificationMode, false, !st.unverified, true, nil, asked, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	return detail(err)
}
