package attest

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// mdsName is whom the metadata must be signed by (FIDO MDS v3.1 §3.2). The roots
// sign half of the web; without the name any of their customers could say which
// keys are hardware.
const mdsName = "mds.fidoalliance.org"

// ErrMDSRolledBack: a BLOB with a lower number than one seen before. Whoever can put
// an old file back would hide that a model was broken since (§3.2 step 5).
var ErrMDSRolledBack = errors.New("the metadata is older than what was read before")

// MDS is the FIDO Alliance's list of authenticator models, verified.
type MDS struct {
	Number     int64
	NextUpdate time.Time // the day a newer one is due
	models     map[[16]byte]*Model
}

// Model is what it says about one of them.
type Model struct {
	AAGUID        [16]byte
	Name          string
	KeyProtection []string // "hardware", "tee", "secure_element", "remote_handle", "software"
	Roots         []*x509.Certificate
	Statuses      []ModelStatus
	Biometric     []BiometricReport
}

// ModelStatus is one status report. A zero time means "as long as it is listed".
type ModelStatus struct {
	Status    string
	Effective time.Time
}

// BiometricReport is one certification of a biometric subsystem: how often it takes
// another finger for the owner's, and a copy for a finger, was measured.
type BiometricReport struct {
	Level     int
	Modality  string // "fingerprint_internal", "faceprint_internal", …
	Effective time.Time
}

// fallen are statuses that say that a key of the model may be somebody else's, or
// that its user verification means nothing (§3.1.4).
var fallen = map[string]bool{
	"REVOKED": true, "USER_VERIFICATION_BYPASS": true, "ATTESTATION_KEY_COMPROMISE": true,
	"USER_KEY_REMOTE_COMPROMISE": true, "USER_KEY_PHYSICAL_COMPROMISE": true,
}

type mdsPayload struct {
	Number     *int64     `json:"no"`
	NextUpdate string     `json:"nextUpdate"`
	Entries    []mdsEntry `json:"entries"`
}

type mdsEntry struct {
	AAGUID    string `json:"aaguid"`
	Statement struct {
		Description   string   `json:"description"`
		KeyProtection []string `json:"keyProtection"`
		Roots         []string `json:"attestationRootCertificates"`
	} `json:"metadataStatement"`
	Statuses []struct {
		Status    string `json:"status"`
		Effective string `json:"effectiveDate"`
	} `json:"statusReports"`
	Biometric []struct {
		Level     int    `json:"certLevel"`
		Modality  string `json:"modality"`
		Effective string `json:"effectiveDate"`
	} `json:"biometricStatusReports"`
}

// ParseMDS verifies a BLOB as it is downloaded from https://mds3.fidoalliance.org and
// reads it. floor is the highest number seen so far. A BLOB past its next update is
// still read, because old news is better than none: ask [MDS.Stale].
func ParseMDS(blob []byte, roots []*x509.Certificate, floor int64, at time.Time) (*MDS, error) {
	if len(blob) > maxMDS {
		return nil, fmt.Errorf("metadata of %d bytes", len(blob))
	}
	payload, err := verifyMDS(bytes.TrimSpace(blob), roots, at)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	var p mdsPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	switch {
	case p.Number == nil || *p.Number < 1:
		return nil, errors.New("metadata: no number")
	case *p.Number < floor:
		return nil, fmt.Errorf("%w: number %d after %d", ErrMDSRolledBack, *p.Number, floor)
	case len(p.Entries) > maxMDSEntries:
		return nil, fmt.Errorf("metadata: %d entries", len(p.Entries))
	}
	m := &MDS{Number: *p.Number, models: make(map[[16]byte]*Model, len(p.Entries))}
	if m.NextUpdate, err = time.Parse(time.DateOnly, p.NextUpdate); err != nil {
		return nil, fmt.Errorf("metadata: next update: %w", err)
	}
	for i := range p.Entries {
		if p.Entries[i].AAGUID == "" {
			continue // U2F and UAF, which passkeys are not
		}
		model, err := p.Entries[i].model()
		if err != nil {
			return nil, fmt.Errorf("metadata: entry %d: %w", i, err)
		}
		if m.models[model.AAGUID] != nil {
			return nil, fmt.Errorf("metadata: entry %d: a second one for its model", i)
		}
		m.models[model.AAGUID] = model
	}
	return m, nil
}

// verifyMDS checks chain, name and signature (§3.2 steps 3, 4).
func verifyMDS(blob []byte, roots []*x509.Certificate, at time.Time) ([]byte, error) {
	if n := bytes.IndexByte(blob, '.'); n < 0 || n > maxMDSHeader {
		return nil, errors.New("not a JWT")
	}
	jws, err := jose.ParseSignedCompact(string(blob), []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, r := range roots {
		pool.AddCert(r)
	}
	chains, err := jws.Signatures[0].Protected.Certificates(x509.VerifyOptions{
		Roots: pool, CurrentTime: at, DNSName: mdsName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	leaf := chains[0][0]
	if err := weighKey(leaf.PublicKey); err != nil {
		return nil, err
	}
	return jws.Verify(leaf.PublicKey)
}

func (e *mdsEntry) model() (*Model, error) {
	id, err := hex.DecodeString(strings.ReplaceAll(e.AAGUID, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, fmt.Errorf("aaguid %q", e.AAGUID)
	}
	m := &Model{AAGUID: [16]byte(id), Name: e.Statement.Description, KeyProtection: e.Statement.KeyProtection}
	for _, s := range e.Statuses {
		at, err := day(s.Effective)
		if err != nil {
			return nil, err
		}
		m.Statuses = append(m.Statuses, ModelStatus{s.Status, at})
	}
	for _, b := range e.Biometric {
		at, err := day(b.Effective)
		if err != nil {
			return nil, err
		}
		m.Biometric = append(m.Biometric, BiometricReport{b.Level, b.Modality, at})
	}
	if len(e.Statement.Roots) > maxModelRoots {
		return nil, fmt.Errorf("%d roots", len(e.Statement.Roots))
	}
	for _, text := range e.Statement.Roots {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			continue // one maker's slip; a root that is not read trusts nobody
		}
		if c, err := x509.ParseCertificate(der); err == nil && weighKey(c.PublicKey) == nil {
			m.Roots = append(m.Roots, c)
		}
	}
	return m, nil
}

func day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, s)
}

// Stale reports that a newer BLOB was due before the day of at.
func (m *MDS) Stale(at time.Time) bool { return at.After(m.NextUpdate.AddDate(0, 0, 1)) }

// Len is how many models it names.
func (m *MDS) Len() int { return len(m.models) }

// Model finds a model; a nil MDS knows none.
func (m *MDS) Model(aaguid [16]byte) (*Model, bool) {
	if m == nil || aaguid == [16]byte{} {
		return nil, false
	}
	model, ok := m.models[aaguid]
	return model, ok
}

// Fallen is the first status in force that says keys of this model are not to be
// relied on. A later certification does not take it back: it is for what was sold
// since.
func (m *Model) Fallen(at time.Time) (string, bool) {
	for _, s := range m.Statuses {
		if fallen[s.Status] && !s.Effective.After(at) {
			return s.Status, true
		}
	}
	return "", false
}

// Certified is the newest FIDO certification in force ("FIDO_CERTIFIED_L2"), "" without.
func (m *Model) Certified(at time.Time) string {
	best, when := "", time.Time{}
	for _, s := range m.Statuses {
		if strings.HasPrefix(s.Status, "FIDO_CERTIFIED") && !s.Effective.After(at) && (best == "" || !s.Effective.Before(when)) {
			best, when = s.Status, s.Effective
		}
	}
	return best
}

// BiometricLevel is the highest certified level in force, 0 when nothing is known.
// Nothing known is not "bad": most models were never measured.
func (m *Model) BiometricLevel(at time.Time) int {
	best := 0
	for _, b := range m.Biometric {
		if !b.Effective.After(at) {
			best = max(best, b.Level)
		}
	}
	return best
}

// inHardware reports that the model keeps keys where they cannot be copied from.
// remote_handle means wrapped by such a place and stored outside of it.
func (m *Model) inHardware() bool {
	found := false
	for _, p := range m.KeyProtection {
		switch p {
		case "hardware", "tee", "secure_element":
			found = true
		case "software":
			return false
		}
	}
	return found
}

// Judge says what a verified statement of the model is worth: the chain of its
// attestation certificates, its leaf first, against the model's roots. An error
// means that the chain is not the model's.
func (m *Model) Judge(ders [][]byte, at time.Time) ([]Fault, error) {
	chain, err := parseChain(ders)
	if err != nil {
		return nil, err
	}
	if !m.lists(chain[0]) || len(chain) > 1 { // the list may name the attestation certificate itself
		if _, err := anchored(chain, m.Roots, at); err != nil {
			return nil, err
		}
	}
	var out []Fault
	if !m.inHardware() {
		out = append(out, FaultSoftware)
	}
	if _, ok := m.Fallen(at); ok {
		out = append(out, FaultModel)
	}
	return out, nil
}

func (m *Model) lists(c *x509.Certificate) bool {
	for _, r := range m.Roots {
		if r.Equal(c) {
			return true
		}
	}
	return false
}
