package attest

import (
	"fmt"
)

// SecurityLevel says where a key lives (Android Key Attestation, SecurityLevel).
type SecurityLevel int

// The levels of the schema.
const (
	Software  SecurityLevel = 0
	TEE       SecurityLevel = 1 // the main processor's trusted environment
	StrongBox SecurityLevel = 2 // a chip of its own
)

func (l SecurityLevel) String() string {
	return map[SecurityLevel]string{Software: "software", TEE: "tee", StrongBox: "strongbox"}[l]
}

// BootState is what the boot loader found (VerifiedBootState).
type BootState int

// The states of the schema.
const (
	Verified   BootState = 0 // signed by the maker
	SelfSigned BootState = 1 // by a key that the owner put in
	Unverified BootState = 2 // not checked: the boot loader is open
	BootFailed BootState = 3
)

// KeyDescription is the extension 1.3.6.1.4.1.11129.2.1.17, whole. Its encoding is
// at https://source.android.com/docs/security/features/keystore/attestation#schema.
type KeyDescription struct {
	AttestationVersion uint64
	AttestationLevel   SecurityLevel
	KeyMintVersion     uint64
	KeyMintLevel       SecurityLevel
	Challenge          []byte
	UniqueID           []byte
	Software           Authorizations // what Android itself says; as good as the phone's system
	Hardware           Authorizations // what the secure part says and enforces
}

// Authorizations is one AuthorizationList. A nil pointer is an absent member. Times
// are milliseconds, patch levels YYYYMM or YYYYMMDD as written.
type Authorizations struct {
	Purposes                []uint64
	Algorithm               *uint64
	KeySize                 *uint64
	BlockModes              []uint64
	Digests                 []uint64
	Paddings                []uint64
	CallerNonce             bool
	MinMACLength            *uint64
	ECCurve                 *uint64
	RSAExponent             *uint64
	MGFDigests              []uint64
	RollbackResistance      bool
	EarlyBootOnly           bool
	Active                  *uint64
	OriginationExpires      *uint64
	UsageExpires            *uint64
	UsageCountLimit         *uint64
	UserSecureID            *uint64
	NoAuthRequired          bool
	UserAuthType            *uint64 // 1 what the person knows, 2 a biometric, bits together: either
	AuthTimeout             *uint64 // seconds; absent: every use needs the person
	AllowWhileOnBody        bool
	PresenceRequired        bool
	ConfirmationRequired    bool
	UnlockedDeviceRequired  bool
	AllApplications         bool
	ApplicationID           []byte
	Created                 *uint64
	Origin                  *uint64 // 0: generated inside
	RollbackResistant       bool
	RootOfTrust             *RootOfTrust
	OSVersion               *uint64
	OSPatchLevel            *uint64
	Application             *Application
	Brand, Device, Product  []byte
	Serial, IMEI, MEID      []byte
	Manufacturer, Model     []byte
	VendorPatchLevel        *uint64
	BootPatchLevel          *uint64
	DeviceUniqueAttestation bool
	SecondIMEI              []byte
	ModuleHash              []byte

	Unknown []int // tags of a later schema, in order; shown, never acted on
}

// RootOfTrust is how the phone started.
type RootOfTrust struct {
	BootKey  []byte
	Locked   bool // the boot loader takes the maker's system only
	State    BootState
	BootHash []byte // absent before version 3
}

// Application is who asked for the key: every package of the app's user id, and
// the SHA-256 of the certificates that sign them.
type Application struct {
	Packages   []Package
	Signatures [][]byte
}

// Package is one of them.
type Package struct {
	Name    string
	Version uint64
}

// ParseKeyDescription decodes the extension's value. It wants DER, the members of
// each list in ascending order of their tags and each once: a second one would
// overrule the first in some readers and not in others.
func ParseKeyDescription(b []byte) (KeyDescription, error) {
	if len(b) > maxDescription {
		return KeyDescription{}, fmt.Errorf("a key description of %d bytes", len(b))
	}
	outer := reader{b: b}
	r := outer.sequence()
	if err := outer.end(); err != nil {
		return KeyDescription{}, fmt.Errorf("key description: %w", err)
	}
	k := KeyDescription{
		AttestationVersion: r.integer(), AttestationLevel: r.level(), KeyMintVersion: r.integer(), KeyMintLevel: r.level(),
		Challenge: r.octets(), UniqueID: r.octets(),
	}
	k.Software = r.authorizations()
	k.Hardware = r.authorizations()
	if err := r.end(); err != nil {
		return KeyDescription{}, fmt.Errorf("key description: %w", err)
	}
	return k, nil
}

// Level is the lower of what attests and what keeps the key: a statement by a
// secure part about a key in software is about a key in software.
func (k *KeyDescription) Level() SecurityLevel { return min(k.AttestationLevel, k.KeyMintLevel) }

func (r *reader) level() SecurityLevel {
	n := r.enumerated()
	if n > uint64(StrongBox) {
		r.fail("security level %d", n)
	}
	return SecurityLevel(min(n, uint64(StrongBox)))
}

func (r *reader) authorizations() Authorizations {
	var a Authorizations
	list := r.sequence()
	last, n := 0, 0
	for !list.empty() {
		e, rest, err := next(list.b)
		if n++; n > maxTags {
			err = fmt.Errorf("more than %d members in a list", maxTags)
		}
		switch {
		case err != nil:
		case e.class != classContext || !e.constructed:
			err = fmt.Errorf("%w: tag %d of class %d in a list of authorizations", errDER, e.tag, e.class)
		case e.tag <= last:
			err = fmt.Errorf("tag %d after tag %d", e.tag, last)
		}
		if err != nil {
			r.fail("%w", err)
			return a
		}
		last, list.b = e.tag, rest
		v := reader{b: e.body}
		if !a.member(e.tag, &v) {
			a.Unknown = append(a.Unknown, e.tag)
			_, v.b, v.err = next(v.b) // explicit tags hold one value, whatever it is
		}
		if err := v.end(); err != nil {
			r.fail("tag %d: %w", e.tag, err)
			return a
		}
	}
	if r.err == nil {
		r.err = list.err
	}
	return a
}

// member reads the value of a tag (keymaster's and KeyMint's tag numbers); false
// when no schema we know has it.
func (a *Authorizations) member(tag int, v *reader) bool {
	switch {
	case a.number(tag) != nil:
		n := v.integer()
		*a.number(tag) = &n
	case a.set(tag) != nil:
		*a.set(tag) = v.integers()
	case a.flag(tag) != nil:
		*a.flag(tag) = v.null()
	case a.octets(tag) != nil:
		*a.octets(tag) = v.octets()
	case tag == 704:
		a.RootOfTrust = v.rootOfTrust()
	case tag == 709:
		a.Application = v.application()
	default:
		return false
	}
	return true
}

// number is where an INTEGER goes; nil for another tag.
func (a *Authorizations) number(tag int) **uint64 {
	switch tag {
	case 2:
		return &a.Algorithm
	case 3:
		return &a.KeySize
	case 8:
		return &a.MinMACLength
	case 10:
		return &a.ECCurve
	case 200:
		return &a.RSAExponent
	case 400:
		return &a.Active
	case 401:
		return &a.OriginationExpires
	case 402:
		return &a.UsageExpires
	case 405:
		return &a.UsageCountLimit
	case 502:
		return &a.UserSecureID
	case 504:
		return &a.UserAuthType
	case 505:
		return &a.AuthTimeout
	case 701:
		return &a.Created
	case 702:
		return &a.Origin
	case 705:
		return &a.OSVersion
	case 706:
		return &a.OSPatchLevel
	case 718:
		return &a.VendorPatchLevel
	case 719:
		return &a.BootPatchLevel
	}
	return nil
}

// set is where a SET OF INTEGER goes.
func (a *Authorizations) set(tag int) *[]uint64 {
	switch tag {
	case 1:
		return &a.Purposes
	case 4:
		return &a.BlockModes
	case 5:
		return &a.Digests
	case 6:
		return &a.Paddings
	case 203:
		return &a.MGFDigests
	}
	return nil
}

// flag is where a NULL goes: there or not.
func (a *Authorizations) flag(tag int) *bool {
	switch tag {
	case 7:
		return &a.CallerNonce
	case 303:
		return &a.RollbackResistance
	case 305:
		return &a.EarlyBootOnly
	case 503:
		return &a.NoAuthRequired
	case 506:
		return &a.AllowWhileOnBody
	case 507:
		return &a.PresenceRequired
	case 508:
		return &a.ConfirmationRequired
	case 509:
		return &a.UnlockedDeviceRequired
	case 600:
		return &a.AllApplications
	case 703:
		return &a.RollbackResistant
	case 720:
		return &a.DeviceUniqueAttestation
	}
	return nil
}

// octets is where an OCTET STRING goes.
func (a *Authorizations) octets(tag int) *[]byte {
	switch tag {
	case 601:
		return &a.ApplicationID
	case 710:
		return &a.Brand
	case 711:
		return &a.Device
	case 712:
		return &a.Product
	case 713:
		return &a.Serial
	case 714:
		return &a.IMEI
	case 715:
		return &a.MEID
	case 716:
		return &a.Manufacturer
	case 717:
		return &a.Model
	case 723:
		return &a.SecondIMEI
	case 724:
		return &a.ModuleHash
	}
	return nil
}

func (r *reader) rootOfTrust() *RootOfTrust {
	s := r.sequence()
	t := &RootOfTrust{BootKey: s.octets(), Locked: s.boolean()}
	state := s.enumerated()
	if state > uint64(BootFailed) {
		s.fail("verified boot state %d", state)
	}
	t.State = BootState(min(state, uint64(BootFailed)))
	if !s.empty() {
		t.BootHash = s.octets()
	}
	if err := s.end(); err != nil {
		r.err = err
	}
	return t
}

// application reads the AttestationApplicationId, which is DER inside of octets.
func (r *reader) application() *Application {
	inner := reader{b: r.octets(), err: r.err}
	s := inner.sequence()
	a := &Application{}
	packages := s.set()
	for !packages.empty() && len(a.Packages) <= maxSet {
		p := packages.sequence()
		a.Packages = append(a.Packages, Package{string(p.octets()), p.integer()})
		if err := p.end(); err != nil {
			packages.err = err
		}
	}
	digests := s.set()
	for !digests.empty() && len(a.Signatures) <= maxSet {
		a.Signatures = append(a.Signatures, digests.octets())
	}
	if len(a.Packages) > maxSet || len(a.Signatures) > maxSet {
		r.fail("more than %d packages or signatures", maxSet)
	}
	for _, part := range []*reader{packages, digests, s, &inner} {
		if err := part.end(); err != nil {
			r.fail("application id: %w", err)
		}
	}
	return a
}
