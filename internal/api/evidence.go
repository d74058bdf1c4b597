package api

import (
	"time"

	"keyward/internal/device"
	"keyward/internal/store"
)

// Evidence is what was found about where a passkey lives, when it was registered.
type Evidence struct {
	Format      string    `json:"format,omitempty" doc:"Attestation statement format, as the authenticator named it."`
	VouchedBy   string    `json:"vouched_by" enum:"nobody,self,google,apple,maker" doc:"Who speaks for the key. self: it is signed by the key itself, which proves nothing."`
	Kept        string    `json:"kept,omitempty" doc:"Where it is kept, as the one who vouches says: tee, strongbox, secure_enclave, hardware, secure_element, software."`
	Model       string    `json:"model,omitempty" doc:"Of the authenticator, where its maker proved it."`
	Certified   string    `json:"certified,omitempty" doc:"FIDO certification, such as FIDO_CERTIFIED_L2."`
	Biometric   int       `json:"biometric_level" doc:"Level at which the face or finger check is certified; 0: unknown."`
	Patch       uint64    `json:"security_patch,omitempty" doc:"Of the phone, YYYYMM."`
	App         bool      `json:"vouched_for_app" doc:"Who vouches speaks for the app that made the key, and not for the key: that it wants the person is the app's word."`
	AuthPerUse  bool      `json:"auth_per_use" doc:"The phone's secure part wants the person for each use. False also when nothing is known."`
	Faults      []string  `json:"faults" nullable:"false" doc:"What keeps it from being hardware: software, imported, purpose, shared, unlocked, boot, old_patch, app_only, blocked, not_allowed, other_app, revoked, model_compromised, unknown_root, no_status_list, unchecked."`
	StaleByList bool      `json:"list_was_stale" doc:"It was judged by FIDO metadata past its day."`
	JudgedAt    time.Time `json:"judged_at,omitzero"`
}

func evidenceOf(k device.Key) Evidence {
	e := k.Evidence
	by := string(e.Speaker)
	if e.Speaker == device.Nobody {
		by = "nobody"
	}
	out := Evidence{
		Format: e.Format, VouchedBy: by, Kept: e.Kept, Model: e.Model, Certified: e.Certified, Biometric: e.Biometric, App: e.App,
		Patch: e.Patch, AuthPerUse: e.AuthPerUse, Faults: []string{}, StaleByList: e.Stale,
	}
	for _, f := range e.Faults {
		out.Faults = append(out.Faults, string(f))
	}
	if e.At > 0 {
		out.JudgedAt = store.Time(e.At)
	}
	return out
}
