package softkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"
)

// Maker is a maker of phones whose root nothing outside of tests and the demo
// trusts. It attests keys as Android's and Apple's services do.
type Maker struct {
	Root    *x509.Certificate
	rootKey *ecdsa.PrivateKey
	middle  *x509.Certificate
	key     *ecdsa.PrivateKey
}

// NewMaker makes a root and one certificate authority below it.
func NewMaker() *Maker {
	m := &Maker{rootKey: newP256(), key: newP256()}
	var err error
	if m.Root, err = selfSigned(authority("softkey phone root: trust nothing it signs"), m.rootKey); err != nil {
		panic(err)
	}
	m.middle = sign(authority("softkey phone CA"), m.Root, m.key.Public(), m.rootKey)
	return m
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(8)), Subject: subject(name), NotBefore: notBefore, NotAfter: notAfter,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func newP256() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

// Middle is the certificate of the authority below the root, whose serial number a
// status list can name.
func (m *Maker) Middle() *x509.Certificate { return m.middle }

// leaf issues a certificate with one more extension for a key.
func (m *Maker) leaf(name string, pub crypto.PublicKey, from, to time.Time, id asn1.ObjectIdentifier, value []byte) []byte {
	return sign(&x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(8)), Subject: subject(name), NotBefore: from, NotAfter: to, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{{Id: id, Value: value}},
	}, m.middle, pub, m.key).Raw
}

// Critical issues a certificate with a critical extension of any kind, as the
// certificates of TPMs have.
func (m *Maker) Critical(pub crypto.PublicKey, id asn1.ObjectIdentifier, value []byte) [][]byte {
	leaf := sign(&x509.Certificate{
		SerialNumber: big.NewInt(9), Subject: subject("softkey critical"), NotBefore: notBefore, NotAfter: notAfter,
		ExtraExtensions: []pkix.Extension{{Id: id, Critical: true, Value: value}},
	}, m.middle, pub, m.key)
	return [][]byte{leaf.Raw, m.middle.Raw}
}

// Member is one member of an AuthorizationList: a tag and the DER below it.
type Member struct {
	Tag   int
	Value []byte
}

// Android is what a KeyDescription says. The zero value is what [Phone] fills in.
type Android struct {
	Version, Level       int // levels: 0 software, 1 TEE, 2 StrongBox
	KeyMint, KeyMintRank int
	Challenge            []byte
	Software, Hardware   []Member
}

// The tags of an AuthorizationList that tests change.
const (
	TagPurpose, TagAlgorithm, TagDigest                   = 1, 2, 5
	TagNoAuth, TagUserAuthType, TagAuthTimeout            = 503, 504, 505
	TagAllApplications, TagCreated, TagOrigin             = 600, 701, 702
	TagRootOfTrust, TagOSVersion, TagPatch, TagAppID      = 704, 705, 706, 709
	purposeSign, originGenerated, verified, biometrics    = 2, 0, 0, 2
	androidVersion, strongBox, patchLevel, release, es256 = 300, 2, 202610, 160000, 3
)

// Phone describes a key of a good phone: made in StrongBox, locked, verified, up to
// date, used by one app, and asking for a finger each time.
func Phone(challenge []byte, pkg string, digest [32]byte) Android {
	return Android{
		Version: androidVersion, Level: strongBox, KeyMint: androidVersion, KeyMintRank: strongBox, Challenge: challenge,
		Software: []Member{{TagAppID, AppID(pkg, digest[:])}},
		Hardware: []Member{
			{TagPurpose, Set(Int(purposeSign))}, {TagAlgorithm, Int(es256)}, {TagDigest, Set(Int(4))}, {TagUserAuthType, Int(biometrics)},
			{TagOrigin, Int(originGenerated)}, {TagRootOfTrust, Boot(true, verified)}, {TagOSVersion, Int(release)}, {TagPatch, Int(patchLevel)},
		},
	}
}

// With replaces, adds (in its place) or, with a nil value, removes a member of the
// secure part's list.
func (a Android) With(tag int, value []byte) Android {
	list := slices.DeleteFunc(slices.Clone(a.Hardware), func(m Member) bool { return m.Tag == tag })
	if value != nil {
		at, _ := slices.BinarySearchFunc(list, tag, func(m Member, tag int) int { return m.Tag - tag })
		list = slices.Insert(list, at, Member{tag, value})
	}
	a.Hardware = list
	return a
}

// DER writes the extension.
func (a Android) DER() []byte {
	return tlv(0x30, slices.Concat(Int(a.Version), Enum(a.Level), Int(a.KeyMint), Enum(a.KeyMintRank), Octets(a.Challenge), Octets(nil),
		list(a.Software), list(a.Hardware)))
}

// Android attests a key; the chain is complete, the leaf first.
func (m *Maker) Android(pub crypto.PublicKey, a Android) [][]byte {
	return [][]byte{m.leaf("Android Keystore Key", pub, notBefore, notAfter, oidAndroid, a.DER()), m.middle.Raw, m.Root.Raw}
}

// Forge is the attack on attest keys: whoever holds key, which chain attests, issues
// a certificate below it with a description of their own.
func Forge(chain [][]byte, key crypto.Signer, pub crypto.PublicKey, a Android) [][]byte {
	parent, err := x509.ParseCertificate(chain[0])
	if err != nil {
		panic(err)
	}
	leaf := sign(&x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: subject("forged"), NotBefore: notBefore, NotAfter: notAfter,
		ExtraExtensions: []pkix.Extension{{Id: oidAndroid, Value: a.DER()}},
	}, parent, pub, key)
	return append([][]byte{leaf.Raw}, chain...)
}

// Attested is an authority that is also described, so that the forged chain below it
// has every right of an authority but the one to be believed.
func (m *Maker) Attested(a Android) (chain [][]byte, key crypto.Signer) {
	own := newP256()
	template := authority("softkey attest key")
	template.ExtraExtensions = []pkix.Extension{{Id: oidAndroid, Value: a.DER()}}
	return [][]byte{sign(template, m.middle, own.Public(), m.key).Raw, m.middle.Raw, m.Root.Raw}, own
}

var (
	oidAndroid = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}
	oidApple   = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 2}
)

// The DER that a description is written with.

// Int writes an INTEGER that is not negative.
func Int(n int) []byte { return integer(0x02, n) }

// Enum writes an ENUMERATED.
func Enum(n int) []byte { return integer(0x0a, n) }

// Octets writes an OCTET STRING.
func Octets(b []byte) []byte { return tlv(0x04, b) }

// Null writes NULL.
func Null() []byte { return tlv(0x05, nil) }

// Set writes a SET OF.
func Set(members ...[]byte) []byte { return tlv(0x31, slices.Concat(members...)) }

// Boot writes a RootOfTrust; state 0 is verified by the maker.
func Boot(locked bool, state int) []byte {
	is := byte(0)
	if locked {
		is = 0xff
	}
	key := sha256.Sum256([]byte("boot"))
	return tlv(0x30, slices.Concat(Octets(key[:]), tlv(0x01, []byte{is}), Enum(state), Octets(key[:])))
}

// AppID writes an AttestationApplicationId of one package.
func AppID(pkg string, digest []byte) []byte {
	return Octets(tlv(0x30, slices.Concat(Set(tlv(0x30, slices.Concat(Octets([]byte(pkg)), Int(1)))), Set(Octets(digest)))))
}

func integer(tag byte, n int) []byte {
	b := big.NewInt(int64(n)).Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return tlv(tag, b)
}

func list(members []Member) []byte {
	var all []byte
	for _, m := range members {
		if m.Tag < 0x1f {
			all = append(all, tlv(0xa0|byte(m.Tag), m.Value)...)
			continue
		}
		head := []byte{0xbf}
		if m.Tag >= 0x80 {
			head = append(head, 0x80|byte(m.Tag>>7))
		}
		all = append(all, head...)
		all = append(all, tlv(byte(m.Tag&0x7f), m.Value)...)
	}
	return tlv(0x30, all)
}

func tlv(tag byte, body []byte) []byte {
	head := []byte{tag}
	switch n := len(body); {
	case n < 0x80:
		head = append(head, byte(n))
	case n < 0x100:
		head = append(head, 0x81, byte(n))
	default:
		head = append(head, 0x82, byte(n>>8), byte(n))
	}
	return append(head, body...)
}
