package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"keyward/internal/store"
)

// exportFormat names the form of the file; a changed form is a new name.
const exportFormat = "keyward-audit-export-1"

// The export is one JSON object a line: a head, then each event in order, and
// each checkpoint after the last event it covers. The head carries the newest
// checkpoint, so a file that was cut short contradicts its own first line.
type exportHead struct {
	Format     string `json:"format"`
	Key        string `json:"key"`
	Checkpoint string `json:"checkpoint"`
}

// exportMark is a checkpoint's line.
type exportMark struct {
	Checkpoint string `json:"checkpoint"`
}

// exportEvent is an event's line.
type exportEvent struct {
	N           int64           `json:"n"`
	ID          string          `json:"id"`
	At          int64           `json:"at"` // microseconds since 1970, UTC
	Action      string          `json:"action"`
	Actor       string          `json:"actor"` // "account" alone is the account of this event
	Account     string          `json:"account,omitempty"`
	Target      string          `json:"target,omitempty"`
	Request     string          `json:"request,omitempty"`
	Shown       bool            `json:"shown,omitempty"`
	Effects     json.RawMessage `json:"effects"`
	Erased      bool            `json:"erased,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	Salt        []byte          `json:"salt,omitempty"`
	PayloadHash []byte          `json:"payload_hash"`
	Leaf        []byte          `json:"leaf"`
}

// exported is the line of a row.
func exported(n int64, r *row) (exportEvent, error) {
	leaf, err := r.leaf(n)
	if err != nil {
		return exportEvent{}, err
	}
	e := exportEvent{
		N: n, ID: r.id, At: r.at, Action: r.action, Actor: r.actor, Account: r.account, Target: r.target,
		Request: r.request, Shown: r.shown, Effects: json.RawMessage(r.effects),
		Erased: r.payload == nil, Salt: r.salt, PayloadHash: r.payloadHash, Leaf: leaf[:],
	}
	if r.payload != nil && *r.payload != "" {
		e.Payload = json.RawMessage(*r.payload)
	}
	return e, nil
}

// row is the inverse of exported.
func (e *exportEvent) row() *row {
	r := &row{
		id: e.ID, at: e.At, action: e.Action, actor: e.Actor, account: e.Account, target: e.Target,
		request: e.Request, shown: e.Shown, effects: string(e.Effects), salt: e.Salt, payloadHash: e.PayloadHash,
	}
	if !e.Erased {
		p := string(e.Payload)
		r.payload = &p
	}
	return r
}

// ErrNothingSigned: there is no checkpoint yet that an export could rest on.
var ErrNothingSigned = errors.New("audit: nothing is signed yet")

// Export writes the log up to its newest checkpoint, for VerifyExport to check
// far away from the database. It needs no key. Events after that checkpoint are
// not in it; call [Sealer.Seal] before when they matter.
func (l *Log) Export(ctx context.Context, db *store.DB, w io.Writer) error {
	head := exportHead{Format: exportFormat, Key: l.key}
	var size int64
	err := db.Get(ctx, sqlLastNote).Scan(&size, &head.Checkpoint)
	if errors.Is(err, store.ErrNoRows) {
		return ErrNothingSigned
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := writeLine(out, head); err != nil {
		return err
	}
	marks := &checkpoints{verifier: l.verifier()}
	for n := int64(0); n < size; {
		var lines []exportEvent
		if err := db.View(ctx, func(tx *store.Tx) error {
			if err := marks.load(tx); err != nil {
				return err
			}
			list, err := sealed(tx, n-1, readBatch)
			if err != nil {
				return err
			}
			for _, p := range list {
				if p.row == nil {
					return fmt.Errorf("audit: event %d is missing; verify the database", p.n)
				}
				line, err := exported(p.n, p.row)
				if err != nil {
					return err
				}
				lines = append(lines, line)
			}
			return nil
		}); err != nil {
			return err
		}
		if len(lines) == 0 || lines[0].N != n {
			return fmt.Errorf("audit: event %d is missing; verify the database", n)
		}
		for _, line := range lines {
			n = line.N + 1
			if n > size {
				break
			}
			if err := writeLine(out, line); err != nil {
				return err
			}
			if note, ok := marks.at(n); ok {
				if err := writeLine(out, exportMark{note}); err != nil {
					return err
				}
			}
		}
	}
	return out.Flush()
}

// readBatch is how many events one snapshot reads; a snapshot held for the whole
// log would keep old versions of every row alive.
const readBatch = 1000

// checkpoints reads the checkpoints in order, a batch ahead of the events.
type checkpoints struct {
	verifier interface {
		Name() string
		KeyHash() uint32
		Verify(msg, sig []byte) bool
	}
	queue []signedCheckpoint
	last  int64 // size up to which they were loaded
	bad   []error
}

type signedCheckpoint struct {
	checkpoint
	note string
}

// load fills the queue when it is short. Sizes are taken from the signed text.
func (c *checkpoints) load(tx *store.Tx) error {
	if len(c.queue) > readBatch {
		return nil
	}
	rows, err := tx.Rows(sqlCheckpoints, c.last, 2*readBatch)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		var note string
		if err := rows.Scan(&size, &note); err != nil {
			return err
		}
		c.last = size
		p, err := openCheckpoint(note, c.verifier)
		if err == nil && p.size != size {
			err = fmt.Errorf("%w: it stands at %d and signs %d", errBadCheckpoint, size, p.size)
		}
		if err != nil {
			c.bad = append(c.bad, fmt.Errorf("checkpoint of %d events: %w", size, err))
			continue
		}
		c.queue = append(c.queue, signedCheckpoint{p, note})
	}
	return rows.Err()
}

// at returns the checkpoint of exactly size events, if there is one.
func (c *checkpoints) at(size int64) (string, bool) {
	for len(c.queue) > 0 && c.queue[0].size < size {
		c.queue = c.queue[1:]
	}
	if len(c.queue) == 0 || c.queue[0].size != size {
		return "", false
	}
	return c.queue[0].note, true
}

func writeLine(w *bufio.Writer, v any) error {
	b, err := encodeLine(v)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// encodeLine is the one spelling of a line. A verifier encodes what it has read
// again and compares, so that no byte of the file is free to change: not the
// case of a field name, not a space, not an escape.
func encodeLine(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
