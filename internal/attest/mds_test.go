package attest

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/softkey"
)

const testModel = "01020304-0506-0708-090a-0b0c0d0e0f10"

var testAAGUID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func payload(no any, next string, entries ...any) map[string]any {
	return map[string]any{"no": no, "nextUpdate": next, "legalHeader": "x", "entries": entries}
}

func TestMetadataIsReadOnlyFromWhomItIsBy(t *testing.T) {
	fido := softkey.NewMaker()
	roots := []*x509.Certificate{fido.Root}
	entry := softkey.MetadataEntry(testModel, "Good Key", "hardware", maker.Root, "FIDO_CERTIFIED")
	good := fido.Metadata(mdsName, noon, payload(20, "2026-12-15", entry))
	for _, tc := range []struct {
		name  string
		blob  []byte
		floor int64
		at    time.Time
		why   string
	}{
		{"as it is downloaded", good, 0, noon, ""},
		{"with a line end", append(slices.Clone(good), '\n'), 0, noon, ""},
		{"the same number again", good, 20, noon, ""},
		{"a lower number after a higher one", good, 21, noon, "older than"},
		{"past its next update", good, 0, noon.AddDate(0, 3, 0), ""},
		{"past its signer", good, 0, noon.AddDate(2, 0, 0), "expired"},
		{"signed for another name", fido.Metadata("mds.example.org", noon, payload(20, "2026-12-15")), 0, noon, "mds.example.org"},
		{"signed under another root", maker.Metadata(mdsName, noon, payload(20, "2026-12-15")), 0, noon, "unknown authority"},
		{"a broken signature", append(slices.Clone(good[:len(good)-4]), "AAAA"...), 0, noon, "cryptographic primitive"},
		{"no number", fido.Metadata(mdsName, noon, payload(nil, "2026-12-15")), 0, noon, "no number"},
		{"no next update", fido.Metadata(mdsName, noon, payload(1, "")), 0, noon, "next update"},
		{"a model twice", fido.Metadata(mdsName, noon, payload(1, "2026-12-15", entry, entry)), 0, noon, "a second one"},
		{"an id that is none", fido.Metadata(mdsName, noon, payload(1, "2026-12-15", map[string]any{"aaguid": "01"})), 0, noon, "aaguid"},
		{"not a JWT", []byte("none"), 0, noon, "not a JWT"},
		{"signed by nothing", []byte("eyJhbGciOiJub25lIn0.e30."), 0, noon, ""},
		{"past 32 MiB", make([]byte, maxMDS+1), 0, noon, "bytes"},
	} {
		_, err := ParseMDS(tc.blob, roots, tc.floor, tc.at)
		if wanted := tc.why != "" || tc.name == "signed by nothing"; wanted != (err != nil) || err != nil && !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.why)
		}
		if tc.floor == 21 && !errors.Is(err, ErrMDSRolledBack) {
			t.Errorf("%s is not told apart: %v", tc.name, err)
		}
	}
	m, err := ParseMDS(good, roots, 0, noon)
	if err != nil || m.Stale(noon) || !m.Stale(noon.AddDate(0, 0, 17)) || m.Len() != 1 {
		t.Errorf("%+v %v", m, err)
	}
	if _, ok := (*MDS)(nil).Model(testAAGUID); ok {
		t.Error("no list knows a model")
	}
	if _, ok := m.Model([16]byte{}); ok {
		t.Error("the zero AAGUID is a model")
	}
}

func TestWhatAModelIsWorth(t *testing.T) {
	fido := softkey.NewMaker()
	key := newKey(t)
	chain := maker.Android(key.Public(), good())[:2] // any chain below the maker's root will do
	for _, tc := range []struct {
		name, protection string
		root             *x509.Certificate
		statuses         []string
		faults           []Fault
		holds            bool
	}{
		{"a certified key in hardware", "hardware", maker.Root, []string{"FIDO_CERTIFIED_L2"}, nil, true},
		{"in a secure element", "secure_element", maker.Root, nil, nil, true},
		{"in software", "software", maker.Root, nil, []Fault{FaultSoftware}, true},
		{"wrapped and kept elsewhere", "remote_handle", maker.Root, nil, []Fault{FaultSoftware}, true},
		{"revoked", "hardware", maker.Root, []string{"FIDO_CERTIFIED", "REVOKED"}, []Fault{FaultModel}, true},
		{"its user verification can be gone around", "tee", maker.Root, []string{"USER_VERIFICATION_BYPASS"}, []Fault{FaultModel}, true},
		{"its attestation key is out", "tee", maker.Root, []string{"ATTESTATION_KEY_COMPROMISE"}, []Fault{FaultModel}, true},
		{"certified again after a break", "tee", maker.Root, []string{"USER_KEY_REMOTE_COMPROMISE", "FIDO_CERTIFIED"}, []Fault{FaultModel}, true},
		{"another maker's root", "hardware", fido.Root, nil, nil, false},
	} {
		blob := fido.Metadata(mdsName, noon, payload(1, "2026-12-15", softkey.MetadataEntry(testModel, tc.name, tc.protection, tc.root, tc.statuses...)))
		m, err := ParseMDS(blob, []*x509.Certificate{fido.Root}, 0, noon)
		if err != nil {
			t.Fatal(err)
		}
		model, ok := m.Model(testAAGUID)
		if !ok {
			t.Fatal("not listed")
		}
		faults, err := model.Judge(chain, noon)
		if (err == nil) != tc.holds || !slices.Equal(faults, tc.faults) {
			t.Errorf("%s: %v %v", tc.name, faults, err)
		}
		if _, before := model.Fallen(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)); before {
			t.Errorf("%s: fallen before the report is in force", tc.name)
		}
	}
}

func TestOnlyATPMsCriticalExtensionIsPassedOver(t *testing.T) {
	model := Model{KeyProtection: []string{"hardware"}, Roots: []*x509.Certificate{maker.Root}}
	name := []byte{0x30, 4, 0xa4, 2, 0x30, 0} // a directory name, empty
	if _, err := model.Judge(maker.Critical(newKey(t).Public(), oidAlternativeName, name), noon); err != nil {
		t.Errorf("a TPM's certificate: %v", err)
	}
	if _, err := model.Judge(maker.Critical(newKey(t).Public(), asn1.ObjectIdentifier{1, 2, 3}, name), noon); err == nil || !strings.Contains(err.Error(), "critical extension 1.2.3") {
		t.Errorf("a critical extension nobody knows: %v", err)
	}
}

func TestBiometricsAreKnownOrUnknown(t *testing.T) {
	m := Model{Biometric: []BiometricReport{{1, "fingerprint_internal", noon.AddDate(-1, 0, 0)}, {2, "faceprint_internal", noon.AddDate(1, 0, 0)}}}
	if m.BiometricLevel(noon) != 1 || m.BiometricLevel(noon.AddDate(2, 0, 0)) != 2 || m.BiometricLevel(noon.AddDate(-2, 0, 0)) != 0 {
		t.Error("a level is not what is in force")
	}
	m.Statuses = []ModelStatus{{"FIDO_CERTIFIED_L2", noon.AddDate(-1, 0, 0)}, {"FIDO_CERTIFIED_L1", noon.AddDate(-2, 0, 0)}, {"FIDO_CERTIFIED_L3", noon.AddDate(1, 0, 0)}}
	if got := m.Certified(noon); got != "FIDO_CERTIFIED_L2" {
		t.Error(got)
	}
}
