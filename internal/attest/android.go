package attest

import (
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Fault is one thing that keeps evidence that holds from being good enough.
// Stored and shown, so never renamed.
type Fault string

// The faults.
const (
	FaultSoftware     Fault = "software"          // the key is kept by the system, not by a secure part
	FaultImported     Fault = "imported"          // made elsewhere, so a copy may exist
	FaultPurpose      Fault = "purpose"           // it can do other things than sign, or cannot sign
	FaultShared       Fault = "shared"            // every app of the phone may use it
	FaultUnlocked     Fault = "unlocked"          // the boot loader takes any system
	FaultBoot         Fault = "boot"              // the system that runs is not one the maker signed
	FaultOldPatch     Fault = "old_patch"         // security updates are missing
	FaultOtherApp     Fault = "other_app"         // another app than ours asked for the key
	FaultNoAuth       Fault = "no_auth_per_use"   // it signs without the person
	FaultRevoked      Fault = "revoked"           // the maker took a certificate of the chain back
	FaultUnknownMaker Fault = "unknown_root"      // nobody we trust speaks for it
	FaultAppOnly      Fault = "app_only"          // the maker speaks for the app, and not for the key
	FaultModel        Fault = "model_compromised" // FIDO lists the model as broken
	FaultBlocked      Fault = "blocked"           // the operator does not rely on it
	FaultNotAllowed   Fault = "not_allowed"       // the operator relies on others only
	FaultUnchecked    Fault = "unchecked"         // a form that nothing here can check
)

// App is one build of an app: its package and the SHA-256 of its signing certificate.
type App struct {
	Package string
	Digest  [32]byte
}

// AndroidPolicy is what a chain is judged by. The zero value of a member demands
// nothing more, but for Roots and Challenge, without which nothing passes.
type AndroidPolicy struct {
	Roots       []*x509.Certificate
	Revoked     *Revoked // nil: no list is there, and the verdict says so
	Challenge   []byte
	Apps        []App
	OldestPatch uint64 // YYYYMM
	AuthPerUse  bool
}

// AndroidVerdict is what a chain that holds says.
type AndroidVerdict struct {
	Key         crypto.PublicKey
	Level       SecurityLevel
	Description KeyDescription
	Provisioned bool // the maker gave the phone its certificate over the air (RKP)
	AuthPerUse  bool // the secure part wants the person for each use
	ListKnown   bool // it was looked up in a status list
	Revocation  Revocation
	Faults      []Fault
}

// Hardware reports that the key cannot leave the phone, as far as anybody can say.
func (v *AndroidVerdict) Hardware() bool { return v.Level > Software && len(v.Faults) == 0 }

var (
	oidDescription  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}
	oidProvisioning = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 30}
)

const (
	purposeSign     = 2
	purposeVerify   = 3
	originGenerated = 0
)

// ErrChallenge: the chain holds and ends in a root of ours, and the key was made for
// something else.
var ErrChallenge = errors.New("the key was made for another challenge")

// VerifyAndroid judges a chain of DER certificates, the key's own first. at is when
// the chain was made: the certificates of remotely provisioned phones live for weeks.
func VerifyAndroid(ders [][]byte, p AndroidPolicy, at time.Time) (AndroidVerdict, error) {
	chain, err := parseChain(ders)
	if err != nil {
		return AndroidVerdict{}, err
	}
	if chain, err = anchored(chain, p.Roots, at); err != nil {
		return AndroidVerdict{}, err
	}
	d, err := described(chain)
	if err != nil {
		return AndroidVerdict{}, err
	}
	if len(p.Challenge) == 0 || subtle.ConstantTimeCompare(d.Challenge, p.Challenge) != 1 {
		return AndroidVerdict{}, ErrChallenge
	}
	v := AndroidVerdict{Key: chain[0].PublicKey, Level: d.Level(), Description: d, ListKnown: p.Revoked != nil}
	_, v.Provisioned = extension(chain[1], oidProvisioning)
	v.AuthPerUse = d.Hardware.authPerUse()
	v.Faults = p.faults(&v)
	if r, ok := p.Revoked.Of(chain); ok {
		v.Revocation = r
		v.Faults = append(v.Faults, FaultRevoked)
	}
	return v, nil
}

// described is the key description nearest to the root, which must be the key's own.
// An attested key may sign: whoever holds one can issue a certificate below it, with
// a description of their choosing. Only what the maker's certificates describe counts
// (https://developer.android.com/privacy-and-security/security-key-attestation).
func described(chain []*x509.Certificate) (KeyDescription, error) {
	for i := len(chain) - 1; i >= 0; i-- {
		value, ok := extension(chain[i], oidDescription)
		switch {
		case !ok:
		case i > 0:
			return KeyDescription{}, fmt.Errorf("certificate %d is described, and so nothing below it is", i)
		default:
			return ParseKeyDescription(value)
		}
	}
	return KeyDescription{}, errors.New("no certificate describes a key")
}

func extension(c *x509.Certificate, id asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value, true
		}
	}
	return nil, false
}

// authPerUse: no timeout means that the person is asked each time. It is read from
// the secure part's list alone, because the other one is the system's word.
func (a *Authorizations) authPerUse() bool {
	return !a.NoAuthRequired && a.UserAuthType != nil && *a.UserAuthType != 0 && a.AuthTimeout == nil && !a.AllowWhileOnBody
}

func (p *AndroidPolicy) faults(v *AndroidVerdict) []Fault {
	d, hw := &v.Description, &v.Description.Hardware
	boot := hw.RootOfTrust
	var out []Fault
	for _, f := range []struct {
		fault Fault
		found bool
	}{
		{FaultSoftware, v.Level == Software},
		{FaultImported, hw.Origin == nil || *hw.Origin != originGenerated},
		{FaultPurpose, !onlySigns(hw.Purposes)},
		{FaultShared, hw.AllApplications || d.Software.AllApplications},
		{FaultUnlocked, boot == nil || !boot.Locked},
		{FaultBoot, boot == nil || boot.State != Verified},
		{FaultOldPatch, p.OldestPatch > 0 && (hw.OSPatchLevel == nil || month(*hw.OSPatchLevel) < p.OldestPatch)},
		{FaultOtherApp, len(p.Apps) > 0 && !p.ours(d.Software.Application)},
		{FaultNoAuth, p.AuthPerUse && !v.AuthPerUse},
	} {
		if f.found {
			out = append(out, f.fault)
		}
	}
	return out
}

// onlySigns: a key with the purpose ATTEST_KEY could vouch for others, and one that
// decrypts is used by somebody else too.
func onlySigns(purposes []uint64) bool {
	for _, p := range purposes {
		if p != purposeSign && p != purposeVerify {
			return false
		}
	}
	return slices.Contains(purposes, purposeSign)
}

// month cuts a patch level of YYYYMMDD.
func month(level uint64) uint64 {
	if level > 999999 {
		return level / 100
	}
	return level
}

// ours wants every package and every signer to be one of ours, in pairs that belong
// together: a shared user id would let another app of the same maker use the key.
func (p *AndroidPolicy) ours(a *Application) bool {
	if a == nil || len(a.Packages) == 0 || len(a.Signatures) == 0 {
		return false
	}
	for _, pkg := range a.Packages {
		for _, digest := range a.Signatures {
			if !slices.ContainsFunc(p.Apps, func(app App) bool { return app.Package == pkg.Name && string(app.Digest[:]) == string(digest) }) {
				return false
			}
		}
	}
	return true
}
