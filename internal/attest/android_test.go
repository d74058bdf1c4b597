package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/softkey"
)

var (
	noon   = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	ours   = App{"com.example.app", [32]byte{1, 2, 3}}
	asked  = []byte("challenge")
	maker  = softkey.NewMaker()
	policy = AndroidPolicy{Roots: []*x509.Certificate{maker.Root}, Challenge: asked, Apps: []App{ours}, OldestPatch: 202609, AuthPerUse: true}
)

func good() softkey.Android { return softkey.Phone(asked, ours.Package, ours.Digest) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Each row is a phone that tells the truth and is not good enough, or just is.
func TestWhatAPhoneSaysDecidesWhatItsKeyIsWorth(t *testing.T) {
	level := func(attests, keeps int) softkey.Android {
		a := good()
		a.Level, a.KeyMintRank = attests, keeps
		return a
	}
	app := func(value []byte) softkey.Android {
		a := good()
		a.Software = []softkey.Member{{Tag: softkey.TagAppID, Value: value}}
		return a
	}
	shared := good()
	shared.Software = append([]softkey.Member{{Tag: softkey.TagAllApplications, Value: softkey.Null()}}, shared.Software...)
	for _, tc := range []struct {
		name   string
		says   softkey.Android
		faults []Fault
	}{
		{"a key in StrongBox of a locked, verified phone", good(), nil},
		{"a key in the TEE", level(1, 1), nil},
		{"a key in software", level(0, 0), []Fault{FaultSoftware}},
		{"a key in software that a TEE speaks for", level(1, 0), []Fault{FaultSoftware}},
		{"a key in a TEE that software speaks for", level(0, 1), []Fault{FaultSoftware}},
		{"an open boot loader", good().With(softkey.TagRootOfTrust, softkey.Boot(false, 0)), []Fault{FaultUnlocked}},
		{"a system signed by its owner", good().With(softkey.TagRootOfTrust, softkey.Boot(true, 1)), []Fault{FaultBoot}},
		{"a system nobody checked", good().With(softkey.TagRootOfTrust, softkey.Boot(false, 2)), []Fault{FaultUnlocked, FaultBoot}},
		{"a boot that failed its check", good().With(softkey.TagRootOfTrust, softkey.Boot(true, 3)), []Fault{FaultBoot}},
		{"nothing said about the boot", good().With(softkey.TagRootOfTrust, nil), []Fault{FaultUnlocked, FaultBoot}},
		{"a key brought in from outside", good().With(softkey.TagOrigin, softkey.Int(2)), []Fault{FaultImported}},
		{"no word on where the key was made", good().With(softkey.TagOrigin, nil), []Fault{FaultImported}},
		{"a key that attests others", good().With(softkey.TagPurpose, softkey.Set(softkey.Int(7))), []Fault{FaultPurpose}},
		{"a key that decrypts too", good().With(softkey.TagPurpose, softkey.Set(softkey.Int(1), softkey.Int(2))), []Fault{FaultPurpose}},
		{"a key without a purpose", good().With(softkey.TagPurpose, nil), []Fault{FaultPurpose}},
		{"a key for all apps, says the secure part", good().With(softkey.TagAllApplications, softkey.Null()), []Fault{FaultShared}},
		{"a key for all apps, says the system", shared, []Fault{FaultShared}},
		{"the oldest patch that is taken", good().With(softkey.TagPatch, softkey.Int(202609)), nil},
		{"a patch one month older", good().With(softkey.TagPatch, softkey.Int(202608)), []Fault{FaultOldPatch}},
		{"a patch with its day", good().With(softkey.TagPatch, softkey.Int(20260905)), nil},
		{"no patch level", good().With(softkey.TagPatch, nil), []Fault{FaultOldPatch}},
		{"a key that signs without the person", good().With(softkey.TagUserAuthType, nil).With(softkey.TagNoAuth, softkey.Null()), []Fault{FaultNoAuth}},
		{"a person asked once a minute", good().With(softkey.TagAuthTimeout, softkey.Int(60)), []Fault{FaultNoAuth}},
		{"a person asked for nothing", good().With(softkey.TagUserAuthType, softkey.Int(0)), []Fault{FaultNoAuth}},
		{"another package", app(softkey.AppID("com.example.fake", ours.Digest[:])), []Fault{FaultOtherApp}},
		{"our package, signed by somebody else", app(softkey.AppID(ours.Package, make([]byte, 32))), []Fault{FaultOtherApp}},
		{"nobody named", app(softkey.Octets([]byte{0x30, 4, 0x31, 0, 0x31, 0})), []Fault{FaultOtherApp}},
		{"a tag of a later schema", good().With(999, softkey.Int(1)), nil},
	} {
		key := newKey(t)
		v, err := VerifyAndroid(maker.Android(key.Public(), tc.says), policy, noon)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if !slices.Equal(v.Faults, tc.faults) || v.Hardware() != (len(tc.faults) == 0) || !key.PublicKey.Equal(v.Key) {
			t.Errorf("%s: %v, want %v", tc.name, v.Faults, tc.faults)
		}
	}
}

func TestChainsThatProveNothing(t *testing.T) {
	key := newKey(t)
	chain := maker.Android(key.Public(), good())
	attested, attestKey := maker.Attested(good().With(softkey.TagPurpose, softkey.Set(softkey.Int(7))))
	plain := maker.Android(key.Public(), good())
	other := softkey.NewMaker()
	long := append(slices.Repeat([][]byte{chain[0]}, 5), chain[1:]...)
	for _, tc := range []struct {
		name  string
		chain [][]byte
		why   string
	}{
		{"no certificate", nil, "chain of 0"},
		{"seven certificates", long[:7], "chain of 7"},
		{"the root alone", chain[2:], "root in place"},
		{"bytes that are no certificate", [][]byte{[]byte("none"), chain[1]}, "certificate 0"},
		{"a certificate past 4 KiB", [][]byte{make([]byte, maxCertificate+1), chain[1]}, "4097 bytes"},
		{"the certificates in another order", [][]byte{chain[1], chain[0], chain[2]}, "certificate 0"},
		{"the middle left out", [][]byte{chain[0], chain[2]}, "not its issuer's"},
		{"another maker's root", other.Android(key.Public(), good()), ErrNoRoot.Error()},
		{"a leaf alone", other.Android(key.Public(), good())[:1], ErrNoRoot.Error()},
		{"a leaf of ours under another's middle", [][]byte{chain[0], other.Middle().Raw, other.Root.Raw}, "certificate 0"},
		{"a key that was never to attest", softkey.Forge(plain, key, newKey(t).Public(), good()), "may not issue"},
		{"an attest key and a description of its holder's own", softkey.Forge(attested, attestKey, newKey(t).Public(), good()), "certificate 1 is described"},
	} {
		_, err := VerifyAndroid(tc.chain, policy, noon)
		if err == nil || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.why)
		}
	}
	if v, err := VerifyAndroid(chain[:2], policy, noon); err != nil || !v.Hardware() {
		t.Errorf("a chain without its root: %v", err)
	}
	if _, err := VerifyAndroid(other.Android(key.Public(), good()), policy, noon); !errors.Is(err, ErrNoRoot) {
		t.Errorf("another root is not told apart: %v", err)
	}
	for name, p := range map[string]AndroidPolicy{"no challenge": {Roots: policy.Roots}, "another challenge": {Roots: policy.Roots, Challenge: []byte("other")}, "no root": {Challenge: asked}} {
		if _, err := VerifyAndroid(chain, p, noon); err == nil {
			t.Errorf("holds under a policy with %s", name)
		}
	}
}

func TestASoftkeyChainIsNothingToTheMakersRoots(t *testing.T) {
	p := AndroidPolicy{Roots: GoogleRoots(), Challenge: asked}
	if _, err := VerifyAndroid(maker.Android(newKey(t).Public(), good()), p, noon); !errors.Is(err, ErrNoRoot) {
		t.Fatal(err)
	}
}

func TestARevokedCertificateTakesTheChainWithIt(t *testing.T) {
	chain := maker.Android(newKey(t).Public(), good())
	serial := maker.Middle().SerialNumber
	for name, form := range map[string]string{
		"hex": serial.Text(16), "upper-case hex": strings.ToUpper(serial.Text(16)), "hex with zeros before it": "00" + serial.Text(16), "decimal": serial.Text(10),
	} {
		list, err := ParseRevoked([]byte(fmt.Sprintf(`{"entries":{"abc":{"status":"REVOKED"},%q:{"status":"SUSPENDED","reason":"KEY_COMPROMISE"}}}`, form)))
		if err != nil {
			t.Fatal(err)
		}
		p := policy
		p.Revoked = list
		v, err := VerifyAndroid(chain, p, noon)
		if err != nil || v.Hardware() || !slices.Contains(v.Faults, FaultRevoked) || v.Revocation.Reason != "KEY_COMPROMISE" || !v.ListKnown {
			t.Errorf("%s: %v %v", name, v.Faults, err)
		}
	}
	p := policy
	p.Revoked = &Revoked{}
	if v, err := VerifyAndroid(chain, p, noon); err != nil || !v.Hardware() || !v.ListKnown {
		t.Errorf("not on the list: %v %v", v.Faults, err)
	}
	if v, err := VerifyAndroid(chain, policy, noon); err != nil || v.ListKnown {
		t.Errorf("no list, and the verdict does not say so: %v", err)
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"entries":null}`, `{"entries":{"xyz":{"status":"REVOKED"}}}`, `{"entries":{"":{}}}`, `{"entries":{"ab":1}}`,
		`{"entries":{"` + strings.Repeat("a", 81) + `":{}}}`} {
		if _, err := ParseRevoked([]byte(bad)); err == nil {
			t.Errorf("%.40q reads as a list", bad)
		}
	}
	if _, err := ParseRevoked(make([]byte, maxStatusList+1)); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
}

// Each row is one byte sequence that another reader would take, or the last that we
// do.
func TestAKeyDescriptionIsStrictDER(t *testing.T) {
	whole := good().DER()
	list := func(members ...softkey.Member) []byte {
		a := good()
		a.Hardware = members
		return a.DER()
	}
	m := func(tag int, value []byte) softkey.Member { return softkey.Member{Tag: tag, Value: value} }
	ints := func(n int) [][]byte { return slices.Repeat([][]byte{softkey.Int(1)}, n) }
	run := func(n int) (out []softkey.Member) {
		for i := range n {
			out = append(out, m(1000+i, softkey.Null()))
		}
		return out
	}
	level := good()
	level.Level = 3
	const taken = ""
	for _, tc := range []struct {
		name string
		b    []byte
		why  string
	}{
		{"as phones write it", whole, taken},
		{"a byte after it", append(bytes.Clone(whole), 0), "too many"},
		{"nothing", nil, "ends inside"},
		{"a length of its own", append([]byte{0x30, 0x80}, whole[4:]...), "length"},
		{"a length longer than it must be", append([]byte{0x30, 0x83, 0}, whole[2:]...), "shortest"},
		{"a security level of none", level.DER(), "security level 3"},
		{"tags out of order", list(m(5, softkey.Set()), m(2, softkey.Int(3))), "tag 2 after tag 5"},
		{"a tag twice", list(m(2, softkey.Int(3)), m(2, softkey.Int(1))), "tag 2 after tag 2"},
		{"a number in two bytes that fits one", list(m(2, []byte{2, 2, 0, 3})), "shortest"},
		{"a negative number", list(m(2, []byte{2, 1, 0x80})), "negative"},
		{"a number of 64 bits", list(m(502, []byte{2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255})), taken},
		{"a number of 65 bits", list(m(502, []byte{2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0})), "9 bytes"},
		{"a NULL with a value", list(m(503, []byte{5, 1, 0})), "NULL"},
		{"a true that is one", list(m(704, bytes.Replace(softkey.Boot(true, 0), []byte{1, 1, 0xff}, []byte{1, 1, 1}, 1))), "boolean"},
		{"a boot state of none", list(m(704, softkey.Boot(true, 4))), "boot state 4"},
		{"two values under one tag", list(m(2, append(softkey.Int(3), softkey.Int(3)...))), "too many"},
		{"two values under a tag nobody knows", list(m(999, append(softkey.Int(3), softkey.Int(3)...))), "too many"},
		{"a number where a set belongs", list(m(1, softkey.Int(2))), "tag 2"},
		{"32 members in a set", list(m(1, softkey.Set(ints(32)...))), taken},
		{"33 members in a set", list(m(1, softkey.Set(ints(33)...))), "more than 32"},
		{"64 members in a list", list(run(64)...), taken},
		{"65 members in a list", list(run(65)...), "more than 64"},
		{"the highest tag", list(m(16383, softkey.Null())), taken},
		{"a string of 2 KiB", list(m(601, softkey.Octets(make([]byte, 2048)))), taken},
		{"a string past 2 KiB", list(m(601, softkey.Octets(make([]byte, 2049)))), "2049 bytes"},
		{"a description past 4 KiB", make([]byte, maxDescription+1), "4097 bytes"},
	} {
		_, err := ParseKeyDescription(tc.b)
		if (err == nil) != (tc.why == taken) || err != nil && !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.why)
		}
	}
	for i := range whole {
		if _, err := ParseKeyDescription(whole[:i]); err == nil {
			t.Errorf("the first %d bytes read as a whole", i)
		}
	}
}

func TestHeavyKeysAreNotComputedWith(t *testing.T) {
	for _, tc := range []struct {
		name       string
		bits, e    int
		acceptable bool
	}{
		{"2047 bits", 2047, 65537, false},
		{"2048 bits and 3", 2048, 3, true},
		{"4096 bits and 65537", 4096, 65537, true},
		{"4097 bits", 4097, 65537, false},
		{"an exponent past 65537", 2048, 65539, false},
		{"an even exponent", 2048, 4, false},
	} {
		if err := weighKey(rsaKey(tc.bits, tc.e)); (err == nil) != tc.acceptable {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if weighKey("none") == nil {
		t.Error("text is a key")
	}
}
