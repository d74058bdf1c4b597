package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// keysRotate registers how an owner replaces what signs for a key.
func (s *Server) keysRotate() {
	const widens = " step_up_required insufficient_power apikey_held"
	add(s, operation{
		id: "keys-rotate", call: "POST /keys/{id}/rotate", tag: "keys", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes: "apikey_unknown apikey_changed apikey_replacing apikey_suspected apikey_unrehearsed apikey_public apikey_limits" + widens, summary: "Replace what signs for an API key",
		about: "A new version signs at once, and the old one until its overlap is over. Needs a touch for botkeys.rotate with the object that step_up_required names: it stands for the key as it is, the new public key, the overlap and the new end, so send exactly the same again. After a leak both versions that were end at once, and a quarantine with them. The answer is the only place where a new secret ever appears.",
	}, s.keyRotate)
	add(s, operation{
		id: "keys-meter", call: "GET /keys/{id}/meter", tag: "keys", access: holder, limit: edge.ClassAPI, codes: "apikey_unknown",
		summary: "Which versions of an API key are used", about: "With what would stop if the old one ended now. Gates write what they see within ten seconds.",
	}, s.keyMeter)
	add(s, operation{
		id: "keys-retire", call: "POST /keys/{id}/retire", tag: "keys", access: holder, limit: edge.ClassAPI, codes: "apikey_unknown apikey_changed apikey_not_replacing apikey_still_used",
		summary: "End the old version of an API key before its time", about: "Without a touch. Refused while the old one was used in the last ten minutes, or the new one was never let in, unless force is set. Answers when it is refused everywhere.",
	}, s.keyRetire)
	add(s, operation{
		id: "keys-keep", call: "POST /keys/{id}/keep", tag: "keys", access: holder, limit: edge.ClassAPI, codes: "apikey_unknown apikey_changed apikey_not_replacing apikey_limits" + widens,
		summary: "Let the old version of an API key work longer", about: "Thirty days after the rotation at most. Needs a touch for botkeys.keep with the object that step_up_required names.",
	}, s.keyKeep)
	add(s, operation{
		id: "keys-undo", call: "POST /keys/{id}/undo", tag: "keys", access: holder, limit: edge.ClassAPI, codes: "apikey_unknown apikey_changed apikey_not_replacing apikey_suspected" + widens,
		summary: "Go back to the old version of an API key", about: "The new one ends at once. Needs a touch for botkeys.undo with the object that step_up_required names.",
	}, s.keyUndo)
	add(s, operation{
		id: "keys-rehearsal", call: "GET /keys/{id}/rehearsal", tag: "keys", access: holder, limit: edge.ClassAPI, codes: "apikey_unknown",
		summary: "What a rotation of a test key of the same shape showed", about: "Make one with test set, the same rights without those that move money, addresses, symbols and profile; rotate it, switch the bot over, end the old version. Then this says what would have broken.",
	}, s.keyRehearsal)
}

type keyRotateIn struct {
	ID   string `path:"id" maxLength:"128"`
	Body struct {
		Version   int64  `json:"version" doc:"Of the key, that was read: when it has changed since, nothing is done."`
		Why       string `json:"why" enum:"cadence,leak,update"`
		PublicKey string `json:"public_key,omitempty" maxLength:"100" doc:"With ed25519: that of the new version, 32 bytes in base64. Never the private half."`
		Overlap   *int   `json:"overlap_hours,omitempty" doc:"How long the old version signs as well: 24 when left out, 720 at most, 0 after a leak."`
		Days      int    `json:"days,omitempty" doc:"The key ends so many days from now, 366 at most; when it would have, when left out."`
		Skip      bool   `json:"without_rehearsal,omitempty" doc:"The first rotation of a live key wants a rehearsal, or this."`
	} `nameHint:"APIKeyRotation"`
}

// RotatedKey is a key with its new version, and what is shown once.
type RotatedKey struct {
	Key     APIKey    `json:"key"`
	N       int64     `json:"signing_version" doc:"That signs from now on."`
	Name    string    `json:"id_to_send" doc:"What requests of the new version carry: a new id when the key had been brought in, and its own otherwise."`
	OldEnds time.Time `json:"old_version_ends_at,omitzero" doc:"Absent: it ended at once."`
	Secret  string    `json:"secret,omitempty" doc:"Of a shared one, here and nowhere else."`

	Passphrase string `json:"passphrase,omitempty" doc:"A second secret that clients of some profiles send along."`
}

// String keeps the secret out of logs even when somebody prints the answer.
func (c RotatedKey) String() string { return "key " + c.Key.ID }

type keyRotatedOut struct{ Body RotatedKey }

func (s *Server) keyRotate(ctx context.Context, in *keyRotateIn) (*keyRotatedOut, error) {
	b := in.Body
	t := apikey.Turn{Why: apikey.Reason(b.Why), Overlap: apikey.DefaultOverlap, Life: time.Duration(b.Days) * 24 * time.Hour, Unrehearsed: b.Skip}
	// Numbers that leave the range of a duration must not come back into it.
	if b.Days < 0 || b.Days > 366 || b.Overlap != nil && (*b.Overlap < 0 || *b.Overlap > 720) {
		return nil, apikey.ErrLife
	}
	if b.Overlap != nil {
		t.Overlap = time.Duration(*b.Overlap) * time.Hour
	}
	if b.PublicKey != "" {
		var err error
		if t.Public, err = base64.StdEncoding.Strict().DecodeString(b.PublicKey); err != nil {
			if t.Public, err = base64.RawURLEncoding.Strict().DecodeString(b.PublicKey); err != nil {
				return nil, apikey.ErrPublic.At("/public_key", "is not base64")
			}
		}
	}
	made, err := s.BotKeys.Rotate(ctx, cause(ctx), by(ctx), apikey.ID(in.ID), b.Version, t)
	if err != nil {
		return nil, err
	}
	return &keyRotatedOut{RotatedKey{Key: keyOf(made.Key, s.DB.Now()), N: made.N, Name: string(made.Name), OldEnds: made.OldEnds, Secret: made.Secret, Passphrase: made.Passphrase}}, nil
}

// KeyFinding is something that would break, or did in a rehearsal.
type KeyFinding struct {
	What    string    `json:"what" enum:"old_used,new_unseen,new_refused,old_unused,failed_after,began_lately"`
	Address string    `json:"address,omitempty"`
	Refused string    `json:"refused,omitempty" doc:"Why calls of the new version were not let in."`
	N       int64     `json:"n,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

func findings(list []apikey.Finding) []KeyFinding {
	return each(list, func(f apikey.Finding) KeyFinding {
		return KeyFinding{What: string(f.What), Address: f.Addr, Refused: string(f.Refused), N: f.N, At: f.At}
	})
}

// KeyVersion is one of at most two that sign for a key.
type KeyVersion struct {
	N        int64     `json:"n"`
	ID       string    `json:"id_to_send"`
	Made     time.Time `json:"made_at"`
	Ends     time.Time `json:"ends_at,omitzero" doc:"Absent: it is the one that stays."`
	How      string    `json:"made_by,omitempty" enum:"owner,self" doc:"Absent: it came with the key."`
	Why      string    `json:"why,omitempty" enum:"cadence,leak,update"`
	Calls    int64     `json:"calls" doc:"Let in within the last hour. Counted while there are two versions."`
	Refused  int64     `json:"refused"`
	LastUsed time.Time `json:"last_used,omitzero"`
	LastFrom string    `json:"last_used_from,omitempty"`
}

// KeyMeter is how far a rotation has come.
type KeyMeter struct {
	Versions []KeyVersion `json:"versions" nullable:"false" doc:"The newest first."`
	Blockers []KeyFinding `json:"blockers" nullable:"false" doc:"What would stop if the old version ended now."`
}

type keyMeterOut struct{ Body KeyMeter }

func (s *Server) keyMeter(ctx context.Context, in *keyIDIn) (*keyMeterOut, error) {
	if err := s.BotKeys.FlushMeter(ctx); err != nil {
		return nil, err
	}
	out := &keyMeterOut{KeyMeter{Versions: []KeyVersion{}}}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		k, err := s.BotKeys.ByID(tx, caller(ctx).Account, apikey.ID(in.ID))
		if err != nil {
			return err
		}
		m, err := s.BotKeys.Meter(tx, k)
		for _, v := range m.Versions {
			out.Body.Versions = append(out.Body.Versions, KeyVersion{N: v.N, ID: string(v.Name), Made: v.Made, Ends: v.Ends, How: v.How, Why: string(v.Why), Calls: v.Calls, Refused: v.Refused, LastUsed: v.Last, LastFrom: v.Addr})
		}
		out.Body.Blockers = findings(m.Blockers)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type keyRetireIn struct {
	ID   string `path:"id" maxLength:"128"`
	Body struct {
		Force bool `json:"force,omitempty" doc:"Also when something still uses it, which then stops."`
	} `nameHint:"APIKeyRetire"`
}

func (s *Server) keyRetire(ctx context.Context, in *keyRetireIn) (*keyOut, error) {
	return keyDone(s)(s.BotKeys.Retire(ctx, cause(ctx), by(ctx), apikey.ID(in.ID), in.Body.Force))
}

type keyKeepIn struct {
	ID   string `path:"id" maxLength:"128"`
	Body struct {
		Until time.Time `json:"until"`
	} `nameHint:"APIKeyKeep"`
}

func (s *Server) keyKeep(ctx context.Context, in *keyKeepIn) (*keyOut, error) {
	return keyDone(s)(s.BotKeys.Keep(ctx, cause(ctx), by(ctx), apikey.ID(in.ID), in.Body.Until))
}

func (s *Server) keyUndo(ctx context.Context, in *keyIDIn) (*keyOut, error) {
	return keyDone(s)(s.BotKeys.Undo(ctx, cause(ctx), by(ctx), apikey.ID(in.ID)))
}

func keyDone(s *Server) func(apikey.Key, error) (*keyOut, error) {
	return func(k apikey.Key, err error) (*keyOut, error) {
		if err != nil {
			return nil, err
		}
		return &keyOut{keyOf(k, s.DB.Now())}, nil
	}
}

// KeyRehearsal is what a rotation of a test key showed.
type KeyRehearsal struct {
	Stage    string       `json:"stage" enum:"no_test_key,not_begun,running,done"`
	TestKey  string       `json:"test_key,omitempty"`
	Passed   bool         `json:"passed"`
	Findings []KeyFinding `json:"findings" nullable:"false" doc:"What would break."`
}

type keyRehearsalOut struct{ Body KeyRehearsal }

func (s *Server) keyRehearsal(ctx context.Context, in *keyIDIn) (*keyRehearsalOut, error) {
	if err := s.BotKeys.FlushMeter(ctx); err != nil {
		return nil, err
	}
	out := &keyRehearsalOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		k, err := s.BotKeys.ByID(tx, caller(ctx).Account, apikey.ID(in.ID))
		if err != nil {
			return err
		}
		r, err := s.BotKeys.Rehearsal(tx, k)
		out.Body = KeyRehearsal{Stage: string(r.Stage), TestKey: string(r.Twin.ID), Passed: r.Passed, Findings: findings(r.Findings)}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
