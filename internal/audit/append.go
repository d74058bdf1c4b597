package audit

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Log is the event log. It keeps no state of its own beside the database but
// the keys and the watches of this process.
type Log struct {
	mac    *keyring.MAC // nil: it only reads
	guest  string       // what leases begin with, where the log only reads
	signer note.Signer
	key    string // verifier key, printed by export

	mu      sync.RWMutex // guards watches
	watches []*Watch
}

const (
	saltLen = 16 // 128 bits, so that nobody tries names against an erased payload's hash
	macLen  = 16 // 128 bits: a forger has one guess per inserted row, and each shows
)

// New makes the log of a deployment: MAC and checkpoint key come from its root.
func New(ring *keyring.Ring) *Log {
	l := &Log{mac: ring.MAC("audit event")}
	l.signer, l.key = checkpointKey(ring.Subkey("audit checkpoint"))
	return l
}

// NewReader makes a log that only reads, for a process without the root: a gate. It cannot
// tell events of ours that are not sealed yet from those that somebody slipped into the
// database, and hears of all: what an event does at a gate is to make it ask again. What
// it would append would be refused by the sealer, so it appends nothing.
//
// Its leases begin with name, which the database's rules for its role may ask for.
func NewReader(name string) *Log { return &Log{guest: name} }

var errReader = errors.New("audit: this process only reads the log")

// Append writes the one event of this transaction and returns its id. It reads
// nothing, so that two serializable writers on PostgreSQL never conflict here.
// A second call in the same transaction makes the commit fail.
//
// Caches of this process hear of the effects right after the commit.
func (l *Log) Append(tx *store.Tx, e Event) (string, error) {
	if l.mac == nil {
		return "", errReader
	}
	r, payload, err := l.row(tx, e)
	if err != nil {
		return "", err
	}
	if err := tx.Later(sqlAppend, r.id, r.at, r.action, r.actor, r.account, r.target, r.request, r.shown,
		r.effects, r.payload, r.salt, r.payloadHash, r.mac); err != nil {
		return "", err
	}
	tx.MarkAudited()
	l.mu.RLock()
	watches := l.watches
	l.mu.RUnlock()
	if len(watches) > 0 && len(e.Effects) > 0 {
		rec := r.written(e.Effects, payload)
		tx.AfterCommit(func() {
			for _, w := range watches {
				w.deliver(rec)
			}
		})
	}
	return r.id, nil
}

// row brings an event into its stored form, and returns its payload as it is kept.
func (l *Log) row(tx *store.Tx, e Event) (*row, map[string]string, error) {
	spec, ok := actions[e.Action]
	if !ok {
		return nil, nil, fmt.Errorf("%w %q", ErrUnknownAction, e.Action)
	}
	if e.Account == "" {
		// What somebody did on their own behalf belongs to their history, and
		// goes when they are erased.
		if account, ok := strings.CutPrefix(tx.Cause.Actor, "account:"); ok {
			e.Account = account
		}
	}
	r := &row{
		id: keyring.NewID("evt_", tx.Now), at: store.Micros(tx.Now), action: string(e.Action),
		actor: tx.Cause.Actor, account: e.Account, target: e.Target, request: tx.Cause.Request, shown: spec.Shown,
	}
	switch r.actor {
	case "":
		r.actor = "system:keyward" // work that no request began
	case "account:" + r.account:
		r.actor = itself
	}
	for _, s := range []string{r.actor, r.account, r.target, r.request} {
		if len(s) > maxID {
			return nil, nil, fmt.Errorf("%w: %q is longer than %d bytes", errBadEvent, s[:maxID], maxID)
		}
	}
	var err error
	if r.effects, err = encodeEffects(e.Effects); err != nil {
		return nil, nil, err
	}
	payload, said := "", map[string]string(nil)
	if !spec.Impersonal {
		if said, payload, err = encodePayload(e.Payload, tx); err != nil {
			return nil, nil, err
		}
	}
	r.payload = &payload
	if payload != "" {
		r.salt = keyring.Random(saltLen)
	}
	r.payloadHash = hashPayload(r.salt, payload)
	h, err := r.encode()
	if err != nil {
		return nil, nil, err
	}
	mac := l.mac.Sum(nil, h, r.payloadHash)
	r.mac = mac[:macLen]
	return r, said, nil
}

// ours reports whether the event was written by somebody who has the root key,
// and was not changed since.
func (l *Log) ours(r *row) bool {
	if l.mac == nil {
		return true // see NewReader
	}
	h, err := r.encode()
	return err == nil && l.mac.Equal(r.mac, h, r.payloadHash) && r.payloadIntact()
}

// payloadIntact reports whether the payload, if it is still there, is the one
// that was hashed.
func (r *row) payloadIntact() bool {
	if r.payload == nil {
		return r.salt == nil && len(r.payloadHash) == 32
	}
	return keyring.Equal(r.payloadHash, hashPayload(r.salt, *r.payload))
}

// Erase removes the personal part of every event in an account's history. The
// tree still verifies, because the leaf holds only the salted hash of it. The
// caller appends account.erased, whose own payload stays empty.
func (l *Log) Erase(tx *store.Tx, account string) error {
	_, err := tx.Exec(sqlErase, account)
	return err
}
