package device

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// site is who we are to authenticators, and the whole judgement of what they
// answer. It knows no database and no clock: the vectors of the specification run
// through it as they are. Steps are numbered as in WebAuthn L3 §7.1 and §7.2;
// docs/standards/webauthn-l3.md maps each one.
type site struct {
	rpID    string
	origins []string
	trust   trust

	// unverified lets answers without UV pass, which many of the published
	// vectors are. Tests alone set it (TestOnlyTestsWaiveUserVerification).
	unverified bool
}

func (s *ceremonies) site() site {
	t := trust{google: s.cfg.AndroidRoots, appleRoot: s.cfg.AppleRoot, at: s.cfg.Now()}
	if l := s.lists.Load(); l != nil {
		t.lists = *l
	}
	return site{rpID: s.cfg.RPID, origins: s.cfg.Origins, trust: t}
}

// created is a verified registration.
type created struct {
	authData
	alg      int64
	format   string
	evidence Evidence
}

// create verifies a registration (§7.1 steps 5–25). The part that costs, and
// that a stranger has composed, runs on the bench.
func (st site) create(ctx context.Context, b bench, challenge []byte, cd clientData, r *response) (created, error) {
	c, err := st.readKey(challenge, cd, r)
	if err != nil {
		return created{}, err
	}
	err = b.sit(ctx, func() (err error) { c.evidence, err = st.judgeStatement(cd, r); return err })
	return c, err
}

// readKey is all of it but the attestation statement.
func (st site) readKey(challenge []byte, cd clientData, r *response) (created, error) {
	if err := st.checkClient("webauthn.create", challenge, cd); err != nil {
		return created{}, err
	}
	if r.residentNo {
		return created{}, errors.New("the authenticator did not keep the key, so it could not be found at sign-in")
	}
	obj, err := parseAttestation(r.attestation)
	if err != nil {
		return created{}, err
	}
	ad, err := parseAuthData(obj.AuthData)
	if err != nil {
		return created{}, err
	}
	if err := st.checkAuthData(ad); err != nil {
		return created{}, err
	}
	switch {
	case !ad.has(flagAT):
		return created{}, errors.New("no key in the attestation")
	case len(ad.credentialID) < minCredentialID:
		return created{}, fmt.Errorf("credential id of %d bytes", len(ad.credentialID))
	case !bytes.Equal(ad.credentialID, r.id):
		return created{}, errors.New("the browser reports another credential than the authenticator made")
	}
	alg, err := checkKey(ad.publicKey)
	if err != nil {
		return created{}, err
	}
	return created{authData: ad, alg: alg, format: obj.Format}, nil
}

// get verifies an assertion made with a stored key (§7.2 steps 10–21).
func (st site) get(challenge []byte, cd clientData, r *response, publicKey []byte, be bool) (authData, error) {
	if err := st.checkClient("webauthn.get", challenge, cd); err != nil {
		return authData{}, err
	}
	ad, err := parseAuthData(r.authData)
	if err != nil {
		return authData{}, err
	}
	if err := st.checkAuthData(ad); err != nil {
		return authData{}, err
	}
	switch {
	case ad.has(flagAT):
		return authData{}, errors.New("a new key in an assertion (§6.1: AT is for registrations)")
	case ad.has(flagBE) != be:
		return authData{}, errors.New("backup eligibility changed, which no honest authenticator does (§6.1.3)")
	}
	in := protocol.CredentialAssertionResponse{PublicKeyCredential: outer(r.id)}
	in.AssertionResponse.ClientDataJSON = r.clientData
	in.AssertionResponse.AuthenticatorData = r.authData
	in.AssertionResponse.Signature = r.signature
	parsed, err := in.Parse()
	if err != nil {
		return authData{}, detail(err)
	}
	err = parsed.Verify(encode(cd.challenge), st.rpID, "", []string{cd.origin}, []string{cd.origin}, nil,
		protocol.TopOriginExplicitVerificationMode, false, !st.unverified, true, publicKey, protocol.SignaturePolicy{})
	return ad, detail(err)
}

// checkClient judges what the browser says it did.
func (st site) checkClient(typ string, challenge []byte, cd clientData) error {
	switch {
	case cd.typ != typ:
		return fmt.Errorf("type %q instead of %q", cd.typ, typ)
	case len(challenge) < nonceSize || !bytes.Equal(cd.challenge, challenge):
		return errors.New("another challenge")
	case !slices.Contains(st.origins, cd.origin):
		// Exact bytes, no suffix rule: evil-example.com must not pass for
		// example.com, nor a forgotten subdomain for the sign-in page.
		return fmt.Errorf("origin %q is not ours", cd.origin)
	case cd.crossOrigin:
		return errors.New("asked from inside a page of another origin")
	case cd.topOrigin:
		return errors.New("a top origin is named, so another site's page was around ours")
	}
	return nil
}

// checkAuthData judges what both ceremonies have in common.
func (st site) checkAuthData(ad authData) error {
	switch {
	case ad.rpIDHash != sha256.Sum256([]byte(st.rpID)):
		return errors.New("made for another relying party")
	case !ad.has(flagUP):
		return errors.New("the user was not present")
	case !ad.has(flagUV) && !st.unverified:
		return errors.New("the user was not verified")
	case ad.has(flagBS) && !ad.has(flagBE):
		return errors.New("backed up without being eligible for it (§6.1.3)")
	}
	return nil
}

// checkKey refuses keys we did not ask for and keys that are none, so that what
// is stored can verify.
func checkKey(cose []byte) (alg int64, err error) {
	// §6.5.1: the parameters the key type requires, alg, and no others.
	var params map[int64]any
	if err := strict.Unmarshal(cose, &params); err != nil {
		return 0, err
	}
	for label := range params {
		if label != 1 && label != 3 && (label < -3 || label > -1) {
			return 0, fmt.Errorf("a public key with parameter %d", label)
		}
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return 0, detail(err)
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		if alg = k.Algorithm; alg != algES256 || k.Curve != int64(webauthncose.P256) {
			return 0, fmt.Errorf("an elliptic curve key with algorithm %d on curve %d", alg, k.Curve)
		}
		pub, err := k.ToECDSA()
		if err != nil {
			return 0, detail(err)
		}
		if _, err := pub.ECDH(); err != nil {
			return 0, errors.New("the public key is not a point of the curve")
		}
	case webauthncose.OKPPublicKeyData:
		if alg = k.Algorithm; alg != algEdDSA || k.Curve != int64(webauthncose.Ed25519) || len(k.XCoord) != 32 {
			return 0, fmt.Errorf("an Edwards key with algorithm %d on curve %d", alg, k.Curve)
		}
	case webauthncose.RSAPublicKeyData:
		if alg = k.Algorithm; alg != algRS256 {
			return 0, fmt.Errorf("an RSA key with algorithm %d", alg)
		}
		if err := checkRSA(k.Modulus, k.Exponent); err != nil {
			return 0, err
		}
	default:
		return 0, fmt.Errorf("a key of type %T", key)
	}
	return alg, nil
}

func checkRSA(modulus, exponent []byte) error {
	n := bytes.TrimLeft(modulus, "\x00")
	if len(n) == 0 {
		return errors.New("an RSA key without a modulus")
	}
	bits := len(n) * 8
	for top := n[0]; top < 0x80; top <<= 1 {
		bits--
	}
	switch {
	case len(exponent) == 0 || len(exponent) > 4:
		return fmt.Errorf("an RSA key with the exponent %x", exponent)
	}
	var e uint64
	for _, b := range exponent {
		e = e<<8 | uint64(b)
	}
	return checkRSASize(bits, e)
}

// asked are the algorithms of the options, in the library's words.
var asked = func() (out []protocol.CredentialParameter) {
	for _, a := range algorithms {
		out = append(out, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(a)})
	}
	return out
}()

func outer(id []byte) protocol.PublicKeyCredential {
	return protocol.PublicKeyCredential{Credential: protocol.Credential{ID: encode(id), Type: "public-key"}, RawID: id}
}

// detail takes the operator's words out of the library's error, so that its type
// does not travel further.
func detail(err error) error {
	if err == nil {
		return nil
	}
	var e *protocol.Error
	if errors.As(err, &e) {
		return errors.New(e.Details + ": " + e.DevInfo)
	}
	return errors.New(err.Error())
}
