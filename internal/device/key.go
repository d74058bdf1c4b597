package device

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// KeyID names a key on a device: "key_…".
type KeyID string

// Grade says what is known about where a key lives. Ordered: Synced and Claimed
// earn the same, Hardware more.
type Grade string

// The grades. Stored, so never renamed.
const (
	Synced   Grade = "synced"   // BE=1: copied between the owner's devices by design
	Claimed  Grade = "claimed"  // BE=0 without evidence: says it stays on one device
	Hardware Grade = "hardware" // proved by evidence: it cannot leave
)

// Key is one passkey, or the touch key of one phone, as its owner sees it.
type Key struct {
	ID        KeyID
	Kind      Kind
	Account   account.ID
	Device    ID // where it was enrolled
	Name      string
	Provider  string   // "Google Password Manager", "" when unknown
	AAGUID    [16]byte // for metadata lookups; never shown
	Grade     Grade
	BE, BS    bool // may be backed up; is backed up right now
	Counter   int64
	CreatedAt time.Time
	LastUsed  time.Time // zero: never
	RemovedAt time.Time // zero: live
	Version   int64

	Evidence     Evidence // the zero value for keys from before it was judged
	CredentialID []byte
	Transports   []string // as the browser said: "internal", "usb", "nfc", "ble", "hybrid"

	jkt string // Phone: thumbprint of its session key
}

// AddFirst gives an account its first key. It works while the account has no
// key and has never had one: after that a key enters only by another key (Add)
// or through a recovery case. Rows only.
func (s *Service) AddFirst(tx *store.Tx, acc account.ID, att *Attestation, dev ID, name string) (Key, error) {
	return s.insert(tx, acc, att, dev, name, sourceFirst)
}

// Add gives an account another key. SP 800-63B-4 §4.1.2.1 wants authentication
// at the highest level the account has: proof is a fresh touch of a live key of
// this account, for this act. Rows only.
func (s *Service) Add(tx *store.Tx, acc account.ID, att *Attestation, dev ID, name string, proof Proof) (Key, error) {
	if !proof.For(tx, acc, Act{Kind: ActKeysAdd}) {
		return Key{}, ErrStepUp
	}
	return s.insert(tx, acc, att, dev, name, "by:"+string(proof.key))
}

// sourceFirst marks the one key that entered without another (unique per account).
const sourceFirst = "first"

func (s *Service) insert(tx *store.Tx, acc account.ID, att *Attestation, dev ID, name, source string) (Key, error) {
	if att == nil || acc == "" || att.account != "" && att.account != acc {
		return Key{}, ErrNotAccepted.Because(errors.New("the attestation is for another account"))
	}
	owner, err := s.accounts.ByID(tx, acc)
	if err != nil {
		return Key{}, err
	}
	if owner.Status == account.Closed {
		return Key{}, account.ErrClosed
	}
	if !bytes.Equal(owner.Handle, att.handle) {
		return Key{}, ErrNotAccepted.Because(errors.New("the authenticator was given another user handle"))
	}
	if err := s.spend(tx, att.ticket); err != nil {
		return Key{}, err
	}
	if strings.TrimSpace(name) == "" {
		if name, err = s.suggest(tx, acc, att, dev); err != nil {
			return Key{}, err
		}
	}
	if name, err = cleanName(name); err != nil {
		return Key{}, err
	}
	id := KeyID(keyring.NewID("key_", tx.Now))
	q := sqlInsertKey
	if source == sourceFirst {
		q = sqlInsertFirstKey
	}
	n, err := tx.Exec(q, id, acc, dev, owner.Handle, name, att.credentialID, att.publicKey, att.alg, att.aaguid,
		att.grade(), att.be, att.bs, int64(att.counter), att.transports, att.object, att.clientHash[:], att.format, source, store.Micros(tx.Now), att.evidence.text(), att.kind, att.jkt, att.appKey)
	if err != nil {
		return Key{}, err
	}
	if n == 0 {
		return Key{}, s.whyNotInserted(tx, att, source)
	}
	return s.Key(tx, acc, id)
}

// whyNotInserted names the condition that the INSERT met.
func (s *Service) whyNotInserted(tx *store.Tx, att *Attestation, source string) error {
	var one int64
	switch err := tx.Row(sqlCredentialKnown, att.credentialID).Scan(&one); {
	case err == nil:
		// §7.1 step 26: unique across all users. A clone registered by another
		// account would let whoever has it answer for both.
		return ErrCredentialTaken
	case !errors.Is(err, store.ErrNoRows):
		return err
	case source == sourceFirst:
		return ErrStepUp.Because(errors.New("the account has or had a key; another one needs a touch of it"))
	}
	return ErrCredentialTaken
}

// Key reads one key of an account, live or removed.
func (s *Service) Key(tx *store.Tx, acc account.ID, id KeyID) (Key, error) {
	k, err := scanKey(tx.Row(sqlKey, id, acc))
	if errors.Is(err, store.ErrNoRows) {
		return Key{}, ErrKeyUnknown
	}
	return k, err
}

// Keys lists the live keys of an account, oldest first.
func (s *Service) Keys(tx *store.Tx, acc account.ID) ([]Key, error) {
	return s.list(tx, sqlKeys, acc)
}

// RemovedKeys lists the keys an account once had, the last removed first. They
// stay for good: SP 800-63B-4 §4.1 asks for a record of every authenticator that
// was ever bound.
func (s *Service) RemovedKeys(tx *store.Tx, acc account.ID) ([]Key, error) {
	return s.list(tx, sqlRemovedKeys, acc)
}

// AcceptedCredentialIDs is the whole list for signalAllAcceptedCredentials
// (WebAuthn L3 §5.1.10.3). A partial list would hide passkeys that still work.
func (s *Service) AcceptedCredentialIDs(tx *store.Tx, acc account.ID) ([][]byte, error) {
	keys, err := s.Keys(tx, acc)
	ids := make([][]byte, 0, len(keys))
	for _, k := range keys {
		if k.Kind == Passkey { // of a phone's keys no passkey manager knows
			ids = append(ids, k.CredentialID)
		}
	}
	return ids, err
}

// Rename changes the name of a live key. Rows only.
func (s *Service) Rename(tx *store.Tx, acc account.ID, id KeyID, name string) (Key, error) {
	name, err := cleanName(name)
	if err != nil {
		return Key{}, err
	}
	n, err := tx.Exec(sqlRenameKey, id, acc, name)
	if err != nil {
		return Key{}, err
	}
	if n == 0 {
		return Key{}, ErrKeyUnknown
	}
	return s.Key(tx, acc, id)
}

// Remove takes a key away, and never the last one: the condition is part of the
// statement, so two removals at once cannot both see the other key. proof is a
// touch for removing exactly this key. Rows only.
func (s *Service) Remove(tx *store.Tx, acc account.ID, id KeyID, proof Proof) (Key, error) {
	if !proof.For(tx, acc, Act{ActKeysRemove, string(id)}) {
		return Key{}, ErrStepUp
	}
	return s.remove(tx, acc, id, "by:"+string(proof.key))
}

func (s *Service) remove(tx *store.Tx, acc account.ID, id KeyID, by string) (Key, error) {
	n, err := tx.Exec(sqlRemoveKey, id, acc, store.Micros(tx.Now), by)
	if err != nil {
		return Key{}, err
	}
	k, err := s.Key(tx, acc, id)
	switch {
	case err != nil || n == 1:
		return k, err
	case !k.RemovedAt.IsZero():
		return Key{}, ErrKeyUnknown
	}
	return Key{}, ErrLastKey
}

func (s *Service) list(tx *store.Tx, q string, acc account.ID) ([]Key, error) {
	rows, err := tx.Rows(q, acc)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Key
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

func scanKey(r interface{ Scan(...any) error }) (Key, error) {
	var (
		k                      Key
		aaguid                 []byte
		transports             string
		evidence               string
		created, used, removed int64
	)
	err := r.Scan(&k.ID, &k.Account, &k.Device, &k.Name, &aaguid, &k.Grade, &k.BE, &k.BS, &k.Counter, &created, &used, &removed, &k.Version, &k.CredentialID, &transports, &evidence, &k.Kind, &k.jkt)
	if err != nil {
		return Key{}, err
	}
	if err := json.Unmarshal([]byte(transports), &k.Transports); err != nil {
		return Key{}, err
	}
	if k.Evidence, err = evidenceOf(evidence); err != nil {
		return Key{}, err
	}
	copy(k.AAGUID[:], aaguid)
	k.Provider = providerName(k.AAGUID)
	k.CreatedAt, k.LastUsed, k.RemovedAt = store.Time(created), store.Time(used), store.Time(removed)
	return k, nil
}

// suggest names a key after who keeps it, else after the device it was made on.
func (s *Service) suggest(tx *store.Tx, acc account.ID, att *Attestation, dev ID) (string, error) {
	if name := providerName(att.aaguid); name != "" {
		return name, nil
	}
	switch att.format {
	case formatAndroid:
		return "Android phone", nil
	case formatIOS:
		return "iPhone", nil
	}
	d, err := s.Device(tx, acc, dev)
	switch {
	case errors.Is(err, ErrUnknown) || err == nil && d.Platform == "":
		return "Passkey", nil
	case err != nil:
		return "", err
	}
	return d.Platform, nil
}

// cleanName keeps names on one line and in their own reading direction: a name
// is shown beside facts, and must not be able to rewrite them.
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	bad := strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r)
	})
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || bad >= 0 {
		return "", ErrName
	}
	return name, nil
}
