package attest

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func folder(t *testing.T, name string) string {
	t.Helper()
	f := os.Getenv("KEYWARD_VECTORS")
	if f == "" {
		t.Skip("KEYWARD_VECTORS does not name the folder with the published chains; make vectors runs them")
	}
	return filepath.Join(f, name)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func chainOf(t *testing.T, path string) [][]byte {
	t.Helper()
	var out [][]byte
	for b := read(t, path); ; {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return out
		}
		out = append(out, block.Bytes)
	}
}

// TestAndroidVectors judges the published chains of real phones at the time they
// were made: every field is what the description beside the chain says, and no chain
// survives a change of one bit of any signed byte.
func TestAndroidVectors(t *testing.T) {
	dir := folder(t, "android-key-attestation")
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil || len(files) != 7 {
		t.Fatal(files, err)
	}
	hardware := map[string]bool{"tegu-sdk36-SB_EC_2026_ROOT": true, "tegu-sdk36-TEE_EC_2026_ROOT": true} // the others are unlocked
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pem")
		t.Run(name, func(t *testing.T) {
			chain := chainOf(t, file)
			want := expected(t, strings.TrimSuffix(file, ".pem")+".json")
			at := madeAt(t, want)
			p := AndroidPolicy{Roots: GoogleRoots(), Challenge: unbase64(t, want["attestationChallenge"])}
			v, err := VerifyAndroid(chain, p, at)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "", want, shown(&v.Description))
			if v.Hardware() != hardware[name] {
				t.Errorf("hardware %v, faults %v", v.Hardware(), v.Faults)
			}
			t.Logf("%d certificates, %s, provisioned %v, faults %v", len(chain), v.Level, v.Provisioned, v.Faults)
			n := 0
			for i := range chain[:len(chain)-1] { // the root's copy is not what is trusted: its key is
				for j := range chain[i] {
					c := append([][]byte(nil), chain...)
					c[i] = bytes.Clone(chain[i])
					c[i][j] ^= 1 << (j % 8)
					if w, err := VerifyAndroid(c, p, at); err == nil && !unsigned(t, chain[i], c[i]) {
						t.Errorf("holds with byte %d of certificate %d changed: %v", j, i, w.Faults)
					}
					n++
				}
			}
			t.Logf("%d one-bit changes refused", n)
			for _, years := range []int{-40, 100} {
				if _, err := VerifyAndroid(chain, p, at.AddDate(years, 0, 0)); err == nil {
					t.Errorf("holds %d years from when it was made", years)
				}
			}
			p.Challenge = append(p.Challenge, 0)
			if _, err := VerifyAndroid(chain, p, at); err == nil {
				t.Error("holds for another challenge")
			}
		})
	}
}

// unsigned: the two differ in nothing that is signed and in no signature.
func unsigned(t *testing.T, a, b []byte) bool {
	t.Helper()
	x, err := x509.ParseCertificate(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := x509.ParseCertificate(b)
	return err == nil && bytes.Equal(x.RawTBSCertificate, y.RawTBSCertificate) && bytes.Equal(x.Signature, y.Signature)
}

func expected(t *testing.T, path string) map[string]any {
	t.Helper()
	var m map[string]any
	b := regexp.MustCompile(`(?m)(^|\s)//.*$`).ReplaceAll(read(t, path), nil)
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// madeAt is the creation time that the phone's system wrote into the key.
func madeAt(t *testing.T, want map[string]any) time.Time {
	t.Helper()
	ms, err := strconv.ParseInt(want["softwareEnforced"].(map[string]any)["creationDateTime"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(ms)
}

func unbase64(t *testing.T, v any) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(v.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shown writes a description in the form of the published JSON: absent members are
// left out, so that one too many is found as well as one too few.
func shown(k *KeyDescription) map[string]any {
	level := func(l SecurityLevel) string { return []string{"SOFTWARE", "TRUSTED_ENVIRONMENT", "STRONG_BOX"}[l] }
	return map[string]any{
		"attestationVersion": fmt.Sprint(k.AttestationVersion), "attestationSecurityLevel": level(k.AttestationLevel),
		"keyMintVersion": fmt.Sprint(k.KeyMintVersion), "keyMintSecurityLevel": level(k.KeyMintLevel),
		"attestationChallenge": base64.StdEncoding.EncodeToString(k.Challenge), "uniqueId": base64.StdEncoding.EncodeToString(k.UniqueID),
		"softwareEnforced": shownList(&k.Software), "hardwareEnforced": shownList(&k.Hardware),
	}
}

func shownList(a *Authorizations) map[string]any {
	m := map[string]any{}
	for name, n := range map[string]*uint64{
		"algorithms": a.Algorithm, "keySize": a.KeySize, "minMacLength": a.MinMACLength, "ecCurve": a.ECCurve, "rsaPublicExponent": a.RSAExponent,
		"activeDateTime": a.Active, "originationExpireDateTime": a.OriginationExpires, "usageExpireDateTime": a.UsageExpires,
		"usageCountLimit": a.UsageCountLimit, "userSecureId": a.UserSecureID, "userAuthType": a.UserAuthType, "authTimeout": a.AuthTimeout,
		"creationDateTime": a.Created, "osVersion": a.OSVersion, "osPatchLevel": a.OSPatchLevel,
		"vendorPatchLevel": a.VendorPatchLevel, "bootPatchLevel": a.BootPatchLevel,
	} {
		if n != nil {
			m[name] = fmt.Sprint(*n)
		}
	}
	for name, set := range map[string][]uint64{"purposes": a.Purposes, "blockModes": a.BlockModes, "digests": a.Digests, "paddings": a.Paddings, "rsaOaepMgfDigests": a.MGFDigests} {
		var all []any
		for _, n := range set {
			all = append(all, fmt.Sprint(n))
		}
		if all != nil {
			m[name] = all
		}
	}
	for name, is := range map[string]bool{
		"callerNonce": a.CallerNonce, "rollbackResistance": a.RollbackResistance, "earlyBootOnly": a.EarlyBootOnly, "noAuthRequired": a.NoAuthRequired,
		"allowWhileOnBody": a.AllowWhileOnBody, "trustedUserPresenceRequired": a.PresenceRequired, "trustedConfirmationRequired": a.ConfirmationRequired,
		"unlockedDeviceRequired": a.UnlockedDeviceRequired, "allApplications": a.AllApplications, "rollbackResistant": a.RollbackResistant,
		"deviceUniqueAttestation": a.DeviceUniqueAttestation,
	} {
		if is {
			m[name] = true
		}
	}
	for name, b := range map[string][]byte{
		"applicationId": a.ApplicationID, "attestationIdBrand": a.Brand, "attestationIdDevice": a.Device, "attestationIdProduct": a.Product,
		"attestationIdSerial": a.Serial, "attestationIdImei": a.IMEI, "attestationIdMeid": a.MEID, "attestationIdManufacturer": a.Manufacturer,
		"attestationIdModel": a.Model, "attestationIdSecondImei": a.SecondIMEI, "moduleHash": a.ModuleHash,
	} {
		if b != nil {
			m[name] = base64.StdEncoding.EncodeToString(b)
		}
	}
	if a.Origin != nil {
		m["origin"] = []string{"GENERATED", "DERIVED", "IMPORTED", "RESERVED", "SECURELY_IMPORTED"}[*a.Origin]
	}
	if r := a.RootOfTrust; r != nil {
		m["rootOfTrust"] = map[string]any{
			"verifiedBootKey": base64.StdEncoding.EncodeToString(r.BootKey), "deviceLocked": r.Locked,
			"verifiedBootState": []string{"VERIFIED", "SELF_SIGNED", "UNVERIFIED", "FAILED"}[r.State],
			"verifiedBootHash":  base64.StdEncoding.EncodeToString(r.BootHash),
		}
	}
	if app := a.Application; app != nil {
		var packages, signatures []any
		for _, p := range app.Packages {
			packages = append(packages, map[string]any{"name": p.Name, "version": fmt.Sprint(p.Version)})
		}
		for _, s := range app.Signatures {
			signatures = append(signatures, base64.StdEncoding.EncodeToString(s))
		}
		m["attestationApplicationId"] = map[string]any{"packages": packages, "signatures": signatures}
	}
	if a.Unknown != nil {
		m["unknown"] = a.Unknown
	}
	return m
}

// compare wants the same members on both sides. areTagsOrdered is how another reader
// says what ours demands.
func compare(t *testing.T, path string, want, got map[string]any) {
	t.Helper()
	for name, w := range want {
		if name == "areTagsOrdered" {
			continue
		}
		if inner, ok := w.(map[string]any); ok {
			g, ok := got[name].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is missing", path, name)
				continue
			}
			compare(t, path+"."+name, inner, g)
			continue
		}
		if fmt.Sprint(w) != fmt.Sprint(got[name]) {
			t.Errorf("%s.%s is %v, want %v", path, name, got[name], w)
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s.%s is %v and not in the description", path, name, g)
		}
	}
}

type appVector struct {
	Type       string    `yaml:"type"`
	Object     string    `yaml:"attestationBase64"`
	Assertion  string    `yaml:"assertionBase64"`
	Bundle     string    `yaml:"bundleIdentifier"`
	Team       string    `yaml:"teamIdentifier"`
	ClientHash string    `yaml:"clientDataHashSha256Base64"`
	KeyID      string    `yaml:"keyIdBase64"`
	PublicKey  string    `yaml:"publicKey"`
	Counter    uint32    `yaml:"counter"`
	At         time.Time `yaml:"timestamp"`
}

// TestAppAttestVectors judges attestations and assertions of real iPhones, made with
// development keys: good for a development policy, refused by production whatever
// else holds, and refused with one bit changed.
func TestAppAttestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder(t, "app-attest"), "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var key AppKey
			for dec := yaml.NewDecoder(bytes.NewReader(read(t, file))); ; {
				var v appVector
				if dec.Decode(&v) != nil {
					break
				}
				p := AppAttestPolicy{Root: AppleRoot(), AppIDs: []string{"TEAM.other", v.Team + "." + v.Bundle}, Environment: Development}
				switch v.Type {
				case "attestation":
					key = v.attestation(t, p)
				case "assertion":
					v.assertion(t, p, key)
				}
			}
			if key.Key == nil {
				t.Error("no attestation in the file")
			}
		})
	}
}

func (v *appVector) attestation(t *testing.T, p AppAttestPolicy) AppKey {
	object, hash, id := unbase64(t, v.Object), [32]byte(unbase64(t, v.ClientHash)), [32]byte(unbase64(t, v.KeyID))
	key, err := VerifyAppAttest(object, id, hash, p, v.At)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(v.PublicKey))
	der, err := x509.MarshalPKIXPublicKey(key.Key)
	if err != nil || !bytes.Equal(der, block.Bytes) {
		t.Errorf("another public key: %v", err)
	}
	if key.AppID != v.Team+"."+v.Bundle || key.Environment != Development || len(key.Receipt) == 0 {
		t.Errorf("%+v", key)
	}
	for name, change := range map[string]func(*AppAttestPolicy, *[32]byte, *[32]byte, *time.Time){
		"a production policy":   func(p *AppAttestPolicy, _, _ *[32]byte, _ *time.Time) { p.Environment = Production },
		"another app":           func(p *AppAttestPolicy, _, _ *[32]byte, _ *time.Time) { p.AppIDs = p.AppIDs[:1] },
		"another root":          func(p *AppAttestPolicy, _, _ *[32]byte, _ *time.Time) { p.Root = GoogleRoots()[1] },
		"no root":               func(p *AppAttestPolicy, _, _ *[32]byte, _ *time.Time) { p.Root = nil },
		"another key id":        func(_ *AppAttestPolicy, id, _ *[32]byte, _ *time.Time) { id[0] ^= 1 },
		"other data":            func(_ *AppAttestPolicy, _, h *[32]byte, _ *time.Time) { h[31] ^= 1 },
		"a year later":          func(_ *AppAttestPolicy, _, _ *[32]byte, at *time.Time) { *at = at.AddDate(1, 0, 0) },
		"before it was issued":  func(_ *AppAttestPolicy, _, _ *[32]byte, at *time.Time) { *at = at.AddDate(0, 0, -2) },
		"no app is ours at all": func(p *AppAttestPolicy, _, _ *[32]byte, _ *time.Time) { p.AppIDs = nil },
	} {
		p, id, hash, at := p, id, hash, v.At
		change(&p, &id, &hash, &at)
		if _, err := VerifyAppAttest(object, id, hash, p, at); err == nil {
			t.Errorf("holds under %s", name)
		}
	}
	receipt := bytes.Index(object, key.Receipt)
	n := 0
	for i := range object {
		if i >= receipt && i < receipt+len(key.Receipt) {
			continue // Apple's fraud service judges it
		}
		changed := bytes.Clone(object)
		changed[i] ^= 1 << (i % 8)
		if _, err := VerifyAppAttest(changed, id, hash, p, v.At); err == nil {
			t.Errorf("holds with byte %d changed", i)
		}
		n++
	}
	t.Logf("%d one-bit changes refused", n)
	return key
}

func (v *appVector) assertion(t *testing.T, p AppAttestPolicy, key AppKey) {
	object, hash := unbase64(t, v.Assertion), [32]byte(unbase64(t, v.ClientHash))
	counter, err := VerifyAppAssertion(object, key.Key, hash, 0, p)
	if err != nil || counter != v.Counter {
		t.Fatal(counter, err)
	}
	for name, err := range map[string]error{
		"again":             second(VerifyAppAssertion(object, key.Key, hash, counter, p)),
		"over other data":   second(VerifyAppAssertion(object, key.Key, sha256.Sum256(nil), 0, p)),
		"for another app":   second(VerifyAppAssertion(object, key.Key, hash, 0, AppAttestPolicy{AppIDs: []string{"TEAM.other"}})),
		"without a key":     second(VerifyAppAssertion(object, nil, hash, 0, p)),
		"with a byte added": second(VerifyAppAssertion(append(bytes.Clone(object), 0), key.Key, hash, 0, p)),
	} {
		if err == nil {
			t.Errorf("holds %s", name)
		}
	}
	for i := range object {
		for bit := range 8 {
			changed := bytes.Clone(object)
			changed[i] ^= 1 << bit
			if _, err := VerifyAppAssertion(changed, key.Key, hash, 0, p); err == nil {
				t.Errorf("holds with bit %d of byte %d changed", bit, i)
			}
		}
	}
}

func second(_ uint32, err error) error { return err }

// A list as the FIDO Alliance published it: number 20, of October 2022, from the npm
// package fido-mds3.
func TestAPublishedListOfModels(t *testing.T) {
	const path = "../../e2e/clients/node_modules/fido-mds3/data/blob.jwt"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal("there is no published list, and nothing may skip here: run make setup")
		}
		t.Skip("skipped: there is no published list; make test installs it")
	}
	blob := read(t, path)
	at := time.Date(2022, 10, 22, 0, 0, 0, 0, time.UTC)
	m, err := ParseMDS(blob, MDSRoots(), 20, at)
	if err != nil {
		t.Fatal(err)
	}
	if m.Number != 20 || m.NextUpdate != time.Date(2022, 11, 1, 0, 0, 0, 0, time.UTC) || m.Stale(at) || !m.Stale(at.AddDate(0, 0, 12)) {
		t.Errorf("number %d, next update %v", m.Number, m.NextUpdate)
	}
	cryptnox, ok := m.Model([16]byte{0x9c, 0x83, 0x53, 0x46, 0x79, 0x6b, 0x4c, 0x27, 0x88, 0x98, 0xd6, 0x03, 0x2f, 0x51, 0x5c, 0xc5})
	if !ok || cryptnox.Name != "Cryptnox FIDO2" || !cryptnox.inHardware() || len(cryptnox.Roots) == 0 || cryptnox.BiometricLevel(at) != 0 {
		t.Errorf("%+v", cryptnox)
	}
	t.Logf("%d models", m.Len())
	if _, err := ParseMDS(blob, MDSRoots(), 21, at); !errors.Is(err, ErrMDSRolledBack) {
		t.Errorf("rolled back: %v", err)
	}
	for name, when := range map[string]time.Time{"expired": at.AddDate(1, 0, 0), "not issued yet": at.AddDate(-1, 0, 0)} {
		if _, err := ParseMDS(blob, MDSRoots(), 0, when); err == nil {
			t.Errorf("read with a signer that is %s", name)
		}
	}
	if _, err := ParseMDS(blob, append(GoogleRoots(), AppleRoot(), MDSRoots()[1]), 0, at); err == nil {
		t.Error("read under other roots")
	}
	n := 0
	for i := 0; i < len(blob); i += len(blob)/200 + 1 {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		if _, err := ParseMDS(changed, MDSRoots(), 0, at); err == nil {
			t.Errorf("read with byte %d changed", i)
		}
		n++
	}
	t.Logf("%d changes refused", n)
}
