package device

import (
	"time"

	"keyward/internal/attest"
)

// Rules are what an operator relies on beyond what makers say. They never raise a
// grade: what they stop is claimed, and its owner reads why.
type Rules struct {
	Block []Pattern
	Allow []Pattern // when there is one, nothing else is hardware

	// PatchMonths is how old the security updates of a phone may be; 0 does not ask.
	PatchMonths int
}

// Pattern names keys by one of its members.
type Pattern struct {
	AAGUID [16]byte
	Model  string // as FIDO's list has it
	Format string // "packed", "phone-android", …
}

func (p Pattern) names(aaguid [16]byte, e *Evidence) bool {
	switch {
	case p.AAGUID != [16]byte{}:
		return p.AAGUID == aaguid
	case p.Model != "":
		return p.Model == e.Model
	}
	return p.Format != "" && p.Format == e.Format
}

// judge adds what the rules find. A key that nobody vouches for is not asked: it
// earns nothing that could be taken.
func (r *Rules) judge(e *Evidence, aaguid [16]byte) {
	if e.Speaker == Nobody || e.Speaker == ItselfOnly {
		return
	}
	named := func(list []Pattern) bool {
		for _, p := range list {
			if p.names(aaguid, e) {
				return true
			}
		}
		return false
	}
	if named(r.Block) {
		e.fault(attest.FaultBlocked)
	}
	if len(r.Allow) > 0 && !named(r.Allow) {
		e.fault(attest.FaultNotAllowed)
	}
}

// oldestPatch is the month below which updates are too old, as Android counts
// (YYYYMM); 0 when nobody asks.
func (r *Rules) oldestPatch(now time.Time) uint64 {
	if r.PatchMonths == 0 {
		return 0
	}
	// The first of the month: a month less than the 31st may be the same month again.
	t := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, -r.PatchMonths, 0)
	return uint64(t.Year()*100 + int(t.Month()))
}
