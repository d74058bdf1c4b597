package device

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"keyward/internal/attest"
	"keyward/internal/store"
)

// Evidence is what was found about where a key lives, when it was registered. The
// statement itself is stored beside it, so that it can be judged again.
type Evidence struct {
	Format     string         `json:"format"`
	Speaker    Speaker        `json:"speaker,omitempty"`
	Kept       string         `json:"kept,omitempty"`      // tee, strongbox, secure_enclave, or a word of FIDO's: hardware, secure_element, …
	Model      string         `json:"model,omitempty"`     // of the authenticator, when its maker proved it
	Certified  string         `json:"certified,omitempty"` // FIDO_CERTIFIED_L2, …
	Biometric  int            `json:"biometric,omitempty"` // certified level of its face or finger check; 0: unknown
	Patch      uint64         `json:"patch,omitempty"`     // the phone's security updates, YYYYMM
	AuthPerUse bool           `json:"auth_per_use,omitempty"`
	App        bool           `json:"app,omitempty"` // who vouches speaks for the app that made the key, and not for the key
	Faults     []attest.Fault `json:"faults,omitempty"`
	List       int64          `json:"list,omitempty"`  // number of the FIDO metadata it was judged by
	Stale      bool           `json:"stale,omitempty"` // that metadata was past its day
	At         int64          `json:"at"`              // microseconds
}

// Speaker is who vouches for a key. Stored, so never renamed.
type Speaker string

// Those who do.
const (
	Nobody     Speaker = ""
	ItselfOnly Speaker = "self"   // signed by the key itself: says that the key exists
	Google     Speaker = "google" // Android Key Attestation
	Apple      Speaker = "apple"
	Maker      Speaker = "maker" // of the model, whose roots FIDO lists
)

// Proved reports that somebody who is trusted says that the key cannot leave.
func (e Evidence) Proved() bool {
	return (e.Speaker == Google || e.Speaker == Apple || e.Speaker == Maker) && len(e.Faults) == 0
}

// grade: whether a key is copied is the authenticator's own word where it says yes,
// and needs a maker's where it says no.
func (e Evidence) grade(be bool) Grade {
	switch {
	case be:
		return Synced // SP 800-63B-4 App. B: a syncable key is not hardware, whatever keeps it here
	case e.Proved():
		return Hardware
	}
	return Claimed
}

// faultNoList: without Google's list nobody can tell a phone's certificate from one
// that was pulled out of a phone and is sold. Fail closed.
const faultNoList attest.Fault = "no_status_list"

func (e *Evidence) fault(f attest.Fault) {
	if !slices.Contains(e.Faults, f) {
		e.Faults = append(e.Faults, f)
	}
}

// judgedBy adds what FIDO's metadata says about a model that was proved.
func (e *Evidence) judgedBy(list *attest.MDS, m *attest.Model, at time.Time) {
	e.Model, e.Certified, e.Biometric, e.List, e.Stale = m.Name, m.Certified(at), m.BiometricLevel(at), list.Number, list.Stale(at)
	if _, is := m.Fallen(at); is {
		e.fault(attest.FaultModel)
	}
}

func (e Evidence) text() string {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // it holds plain values
	}
	return string(b)
}

// evidenceOf reads the column; keys from before it was there have none.
func evidenceOf(text string) (e Evidence, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &e)
	}
	return e, err
}

// Lists are what evidence is judged by beside the roots. Both may be nil, and then
// less is believed.
type Lists struct {
	MDS     *attest.MDS
	Revoked *attest.Revoked
	Rules   Rules
}

// UseLists makes new registrations be judged by l. Keys that are there keep the grade
// they have until they are judged again ([Service.JudgeAgain]).
func (s *Service) UseLists(l Lists) { s.lists.Store(&l) }

// ListFloor is the highest number of a list that was ever taken, 0 for none.
func (s *Service) ListFloor(tx *store.Tx, name string) (int64, error) {
	var n int64
	err := tx.Row(sqlListFloor, name).Scan(&n)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// TakeList remembers the number of a list for good, and refuses a lower one than
// any process took before: an old list put back would hide what was broken since.
// Run it in Housekeeping.
func (s *Service) TakeList(tx *store.Tx, name string, number int64) error {
	var n int64
	err := tx.Row(sqlTakeList, name, number, store.Micros(tx.Now)).Scan(&n)
	if errors.Is(err, store.ErrNoRows) {
		return attest.ErrMDSRolledBack
	}
	return err
}
