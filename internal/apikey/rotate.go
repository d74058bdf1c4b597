package apikey

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// Reason is why what signs is replaced. Stored, so never renamed.
type Reason string

// The reasons. Leak ends the old version at once, since somebody else may have it.
const (
	Cadence       Reason = "cadence"
	MayHaveLeaked Reason = "leak"
	Update        Reason = "update"
)

// Who asked for a rotation. Stored, so never renamed.
const (
	byOwner = "owner"
	byKey   = "self"
)

var (
	// ErrReplacing: one version is replacing another already; two sign at most.
	ErrReplacing = edge.E("apikey_replacing")
	// ErrNotReplacing: nothing is being replaced, or its time is over.
	ErrNotReplacing = edge.E("apikey_not_replacing")
	// ErrStillUsed: the old version is still used, or the new one was never let in.
	ErrStillUsed = edge.E("apikey_still_used")
	// ErrUnrehearsed: the first rotation of a live key was not rehearsed.
	ErrUnrehearsed = edge.E("apikey_unrehearsed")
	// ErrSuspected: what may have leaked is replaced as such and not in passing.
	ErrSuspected = edge.E("apikey_suspected")
)

// Turn is a rotation that its owner asks for: a new version signs, and the old one does
// so for the overlap. Rights, places and speed stay as they are; what takes from them is
// Change, and it holds for both versions.
type Turn struct {
	Why         Reason
	Public      []byte        // Ed25519 public key of the new version; none for a MAC
	Overlap     time.Duration // how long both sign; 0: the old one ends at once, as always after a leak
	Life        time.Duration // the key ends this long from now; 0: when it would have
	Unrehearsed bool          // its owner says that it was not rehearsed, and goes on
}

// Act is what the touch for a rotation is bound to: the key as it stands, what will sign
// and for how long. The new version can do all that the key can, and a later end is more
// than it had: a thief with a copied cookie must get neither (section E8).
func (t Turn) Act(k Key) device.Act {
	if t.Why == MayHaveLeaked {
		t.Overlap = 0
	}
	return device.Act{Kind: device.ActBotKeyRotate, Object: string(k.ID) + "~" + digestOf("rotate", strconv.FormatInt(k.Version, 10), string(t.Why), string(t.Public), t.Overlap.String(), t.Life.String())}
}

// Turned is what a rotation made, with the secret that is shown once.
type Turned struct {
	Key
	N          int64     // the version that signs from now on
	Name       ID        // what its requests are to carry: a new id when an imported one was replaced
	OldEnds    time.Time // of the version before; zero: it ended at once
	Secret     string    // "" for Ed25519
	Passphrase string
}

// String keeps the secret out of logs; the others do the same for %#v, slog and JSON.
func (t Turned) String() string {
	return "key " + string(t.ID) + ", version " + strconv.FormatInt(t.N, 10)
}
func (t Turned) GoString() string             { return t.String() }
func (t Turned) LogValue() slog.Value         { return slog.StringValue(t.String()) }
func (t Turned) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Version is one of at most two that sign for a key.
type Version struct {
	N     int64
	Name  ID // what its requests carry
	Made  time.Time
	Ends  time.Time // zero: it is the one that stays
	How   string    // "owner" or "self"; "" for the first
	Why   Reason    // "" for the first
	Began time.Time // of the rotation that made it; zero for the first

	hadExpires time.Time // of the key, before that
}

// Versions lists what signs for a key now, the newest first.
func (s *Service) Versions(tx *store.Tx, k Key) (out []Version, err error) {
	rows, err := tx.Rows(sqlLive, string(k.ID), store.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v := Version{Name: k.ID}
		var name string
		var made, ends, began, had int64
		if err := rows.Scan(&v.N, &name, &made, &ends, &v.How, (*string)(&v.Why), &began, &had); err != nil {
			return nil, err
		}
		if name != "" {
			v.Name = ID(name)
		}
		v.Made, v.Ends, v.Began, v.hadExpires = store.Time(made), orZero(ends), orZero(began), orZero(had)
		out = append(out, v)
	}
	return out, rows.Err()
}

// Rotate makes a new version sign for a key, on its owner's touch, and lets the old one
// sign on for the overlap. It returns when every gate knows the new one. A key in
// quarantine is replaced for a leak only, which also takes it out: what leaked ends in
// the same moment.
func (s *Service) Rotate(ctx context.Context, cause store.Cause, by By, id ID, version int64, t Turn) (Turned, error) {
	if t.Why == MayHaveLeaked {
		t.Overlap = 0
	}
	if !slices.Contains([]Reason{Cadence, MayHaveLeaked, Update}, t.Why) || t.Overlap < 0 || t.Overlap > maxOverlap || t.Life != 0 && (t.Life < time.Hour || t.Life > maxLife) {
		return Turned{}, ErrLife
	}
	var out Turned
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		k, err := s.ByID(tx, by.Account, id)
		if err != nil {
			return err
		}
		if k.State(tx.Now) == Finished || k.Version != version {
			return ErrChanged
		}
		if k.Status == Quarantined && t.Why != MayHaveLeaked {
			return ErrSuspected
		}
		if !signable(k.Alg, t.Public) {
			return ErrPublic
		}
		if err := s.MayWiden(tx, by.Account); err != nil {
			return err
		}
		if err := s.rehearsed(tx, k, t); err != nil {
			return err
		}
		proof, err := s.need(tx, by, t.Act(k), k.Scopes)
		if err != nil {
			return err
		}
		out, err = s.rotate(tx, by, k, t, proof)
		return err
	})
	if err != nil {
		return Turned{}, err
	}
	return out, s.told(ctx)
}

// rotate is the widening act itself: it cannot be called without a Proof.
func (s *Service) rotate(tx *store.Tx, by By, k Key, t Turn, proof device.Proof) (Turned, error) {
	if !proof.For(tx, by.Account, t.Act(k)) {
		return Turned{}, device.StepUp(t.Act(k))
	}
	if t.Life != 0 {
		k.Expires = tx.Now.Add(t.Life)
		if k.Expires.Before(k.Starts) {
			return Turned{}, ErrLife
		}
	}
	if k.Scopes&Withdraw != 0 {
		// What signs anew is a new way out for money, as a new key would be: with the one
		// device that gave this touch a thief must not get around the second one.
		k.Locked, k.lockedBy = true, by.Device
	}
	out, err := s.turn(tx, k, turning{how: byOwner, why: t.Why, overlap: t.Overlap, public: t.Public})
	if err != nil {
		return Turned{}, err
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "apikey.rotated", Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, out.Version),
		Payload: out.told(t.Why, by.Agent),
	})
	return out, err
}

// told is what the log keeps of a rotation.
func (t Turned) told(why Reason, agent string) map[string]string {
	ends := "at once"
	if !t.OldEnds.IsZero() {
		ends = t.OldEnds.UTC().Format(time.RFC3339)
	}
	return map[string]string{"purpose": t.Purpose, "why": string(why), "n": strconv.FormatInt(t.N, 10), "ends": ends, "agent": agent}
}

// turning is what both ways to rotate have in common.
type turning struct {
	how     string
	why     Reason
	overlap time.Duration
	public  []byte
	request []byte // hash of what a bot asked for itself
}

// turn writes the rows: k is the key as it is to become, with the version that was read.
func (s *Service) turn(tx *store.Tx, k Key, t turning) (Turned, error) {
	had, err := s.ByID(tx, k.Account, k.ID)
	if err != nil {
		return Turned{}, err
	}
	versions, err := s.Versions(tx, k)
	if err != nil {
		return Turned{}, err
	}
	leaked := t.why == MayHaveLeaked
	switch {
	case len(versions) == 0:
		return Turned{}, ErrChanged
	case len(versions) > 1 && !leaked:
		return Turned{}, ErrReplacing
	}
	now := store.Micros(tx.Now)
	err = tx.Row(sqlTurn, string(k.Account), now, string(k.ID), store.Micros(k.Expires), k.Locked, string(k.lockedBy), leaked, k.Version).Scan(&k.Version)
	if err == store.ErrNoRows {
		return Turned{}, ErrChanged
	}
	if err != nil {
		return Turned{}, err
	}
	if leaked {
		k.Status, k.EndedWhy, k.browserAt = Active, "", time.Time{}
	}
	out := Turned{Key: k, Name: s.nextName(k, versions[0])}
	var newest, before int64
	if err := tx.Row(sqlNewest, string(k.ID)).Scan(&newest); err != nil {
		return Turned{}, err
	}
	out.N = newest + 1
	if t.overlap > 0 {
		out.OldEnds = tx.Now.Add(t.overlap)
		err = tx.Later(sqlRetiring, string(k.ID), versions[0].N, store.Micros(out.OldEnds))
	} else {
		err = tx.Later(sqlDropSecrets, string(k.ID), now)
	}
	if err != nil {
		return Turned{}, err
	}
	var public, sealed any
	if k.Alg == Ed25519 {
		// One that this key had before is in hands that this rotation is to take it from.
		if err := tx.Row(sqlHadPublic, string(k.ID), t.public).Scan(&before); err != nil {
			return Turned{}, err
		}
		if before > 0 {
			return Turned{}, ErrPublic
		}
		public = t.public
	} else {
		out.Secret = secretFor(k.Profile, strings.HasPrefix(string(out.Name), testID))
		if k.Profile.Passphrase() {
			out.Passphrase = passphrase()
		}
		if sealed, err = s.safe.Seal(boxed(out.Secret, out.Passphrase), "apikey_version", versionRow(k.ID, out.N), "sealed"); err != nil {
			return Turned{}, err
		}
	}
	name := ""
	if out.Name != k.ID {
		name = string(out.Name)
	}
	if err := tx.Later(sqlNextVersion, string(k.ID), out.N, public, sealed, now, name); err != nil {
		return Turned{}, err
	}
	if err := s.noteLookup(tx, k.ID, out.N, k.Alg, t.public, boxed(out.Secret, out.Passphrase)); err != nil {
		return Turned{}, err
	}
	var request any
	if t.request != nil {
		request = t.request
	}
	return out, tx.Later(sqlNoteRotation, string(k.ID), out.N, t.how, string(t.why), now, store.Micros(had.Expires), request)
}

// nextName is the id that requests of the next version carry. A key of ours keeps it for
// life. One that was brought in had an id that another system made, in a form that no
// scanner of leaked text knows: it gets one of ours at its first rotation, and the old
// version goes by the old one until it ends.
func (s *Service) nextName(k Key, now Version) ID {
	if ourID(strings.TrimPrefix(string(now.Name), "account-")) {
		return now.Name
	}
	return idFor(k.Profile, false)
}

// signable reports whether public could verify for a key of this algorithm.
func signable(alg Alg, public []byte) bool {
	if alg == Ed25519 {
		return len(public) == ed25519.PublicKeySize && !weak(public)
	}
	return len(public) == 0
}

// signer is the version that signed, -1 for none. The one that did so last is asked
// first: a bot in the middle of a rotation costs one check more, once. A version whose
// time is over signs nothing, though it is remembered.
func (s *Service) signer(k *opened, c *Claim, r *Request, now time.Time) int {
	last := int(k.last.Load())
	if last < len(k.versions) && s.signed(k, &k.versions[last], c, r, now) {
		return last
	}
	for i := range k.versions {
		if i != last && s.signed(k, &k.versions[i], c, r, now) {
			k.last.Store(int32(i))
			return i
		}
	}
	return -1
}

// replacing reports whether two versions sign now.
func (k *opened) replacing(now time.Time) bool {
	return len(k.versions) > 1 && store.Micros(now) < k.versions[len(k.versions)-1].ends
}

// signed reports whether this version made a signature, and may now.
func (s *Service) signed(k *opened, v *verifier, c *Claim, r *Request, now time.Time) bool {
	// Each request says which version it means where the ids differ; the check itself is
	// made also for one that has ended, so that time does not tell whether it has.
	return s.holds(v, c, r) && (v.name == c.Key || v.name == "" && c.Key == string(k.ID)) && (v.ends == 0 || store.Micros(now) < v.ends)
}

// nonceOwner is whose nonces have to grow: a version's, not a key's. Two programs that
// sign with both of them in one overlap would otherwise refuse each other.
func nonceOwner(id ID, n int64) ID {
	if n == 1 {
		return id
	}
	return id + " " + ID(strconv.FormatInt(n, 10)) // a space stands in no id
}

// named is the key that goes by an id that it got at a rotation.
func named(tx *store.Tx, id ID) (key ID, err error) {
	return key, tx.Row(sqlNamed, string(id)).Scan((*string)(&key))
}
