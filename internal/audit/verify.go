package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"keyward/internal/store"
)

// ErrTampered: the log or the export is not what was signed. The report says where.
var ErrTampered = errors.New("audit: not what was signed")

// Report is the result of a verification.
type Report struct {
	Size        int64     // events read
	Root        tlog.Hash // of these events
	Key         string    // the key that the checkpoints were verified with
	Checkpoints int       // signed roots that were found to hold
	Signed      int64     // events covered by the newest of them
	SignedAt    time.Time
	Erased      int64   // events whose personal part is gone
	Unsealed    int64   // events without a place yet (database only)
	Faults      []Fault // the first of them, in order
}

// Fault is one thing that is wrong.
type Fault struct {
	Line int   // of the export; 0 in a database
	N    int64 // place in the log, -1 when it has none
	What string
}

func (f Fault) String() string {
	if f.Line > 0 {
		return fmt.Sprintf("line %d: %s", f.Line, f.What)
	}
	if f.N >= 0 {
		return fmt.Sprintf("event %d: %s", f.N, f.What)
	}
	return f.What
}

const maxFaults = 100

func (r *Report) fault(line int, n int64, format string, args ...any) {
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, Fault{line, n, fmt.Sprintf(format, args...)})
	}
}

func (r *Report) err() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrTampered, r.Faults[0])
}

// Expect is what a verifier knows from elsewhere. An export proves that it is
// whole and unchanged since the key in it signed; whose key that is, and whether
// a newer log exists, only the reader can know.
type Expect struct {
	Key    string // the deployment's key; "" trusts the one in the file and reports it
	Anchor string // a checkpoint kept earlier: the file must contain what it proves
}

// VerifyExport checks a file written by Export. The error is ErrTampered when
// anything at all is wrong with it.
func VerifyExport(r io.Reader) (Report, error) { return VerifyExportAgainst(r, Expect{}) }

// VerifyExportAgainst checks a file against a key and a checkpoint that came by
// another way.
func VerifyExportAgainst(r io.Reader, want Expect) (Report, error) {
	v := exportVerifier{in: bufio.NewReaderSize(r, 64<<10)}
	err := v.run(want)
	v.rep.Size, v.rep.Root = v.tree.size, v.tree.root()
	if err != nil {
		return v.rep, err
	}
	return v.rep, v.rep.err()
}

type exportVerifier struct {
	in     *bufio.Reader
	rep    Report
	line   int
	tree   frontier
	key    note.Verifier
	head   checkpoint
	anchor *checkpoint
}

// maxLine is far above any event: payload and effects are bounded.
const maxLine = 256 << 10

// next reads one line with its end.
func (v *exportVerifier) next() ([]byte, error) {
	b, err := v.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		whole := bytes.Clone(b)
		for errors.Is(err, bufio.ErrBufferFull) && len(whole) < maxLine {
			b, err = v.in.ReadSlice('\n')
			whole = append(whole, b...)
		}
		b = whole
	}
	if errors.Is(err, io.EOF) && len(b) > 0 {
		err = nil // no line end: the spelling check below refuses it
	}
	v.line++
	return b, err
}

func (v *exportVerifier) run(want Expect) error {
	if ok, err := v.readHead(want); err != nil || !ok {
		return err
	}
	for {
		b, err := v.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		var e exportEvent
		var m exportMark
		switch mark := bytes.HasPrefix(b, []byte(`{"checkpoint":`)); {
		case err == nil && mark && reread(b, &m):
			v.checkpoint(m.Checkpoint)
		case err == nil && !mark && reread(b, &e):
			v.event(&e)
		default:
			v.rep.fault(v.line, -1, "not a line of an export")
		}
	}
	if v.tree.size != v.head.size {
		v.rep.fault(v.line, -1, "the file has %d events, its head signs %d: events were cut off or added", v.tree.size, v.head.size)
	} else if v.rep.Signed != v.head.size {
		v.rep.fault(v.line, -1, "the last checkpoint is missing")
	}
	if v.anchor != nil {
		v.rep.fault(v.line, -1, "the file ends at %d events; the checkpoint from elsewhere proves %d", v.tree.size, v.anchor.size)
	}
	return nil
}

func (v *exportVerifier) readHead(want Expect) (ok bool, err error) {
	b, err := v.next()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return false, err
	}
	var head exportHead
	if !reread(b, &head) || head.Format != exportFormat {
		v.rep.fault(v.line, -1, "not an export of this form")
		return false, nil
	}
	v.rep.Key = head.Key
	if want.Key != "" && want.Key != head.Key {
		v.rep.fault(v.line, -1, "signed by another key")
		return false, nil
	}
	if v.key, err = openKey(head.Key); err != nil {
		v.rep.fault(v.line, -1, "no key")
		return false, nil
	}
	if v.head, err = openCheckpoint(head.Checkpoint, v.key); err != nil {
		v.rep.fault(v.line, -1, "the checkpoint in the head is not signed by the key")
		return false, nil
	}
	if want.Anchor != "" {
		a, err := openCheckpoint(want.Anchor, v.key)
		if err != nil {
			v.rep.fault(v.line, -1, "the checkpoint from elsewhere is not of this log: %v", err)
			return false, nil
		}
		v.anchor = &a
	}
	return true, nil
}

func (v *exportVerifier) event(e *exportEvent) {
	r := e.row()
	switch {
	case e.N != v.tree.size:
		v.rep.fault(v.line, v.tree.size, "event %d should stand here", v.tree.size)
		return
	case !r.payloadIntact():
		v.rep.fault(v.line, e.N, "the personal part was changed")
	}
	if e.Erased {
		v.rep.Erased++
		if e.Payload != nil || e.Salt != nil {
			v.rep.fault(v.line, e.N, "marked as erased, but it is not")
		}
	}
	leaf, err := r.leaf(e.N)
	if err != nil || !bytes.Equal(leaf[:], e.Leaf) {
		v.rep.fault(v.line, e.N, "the event was changed")
		if len(e.Leaf) == len(leaf) {
			copy(leaf[:], e.Leaf) // go on with the leaf it had, so that one edit is one fault
		}
	}
	v.tree.add(leaf)
	if v.anchor != nil && v.anchor.size == v.tree.size {
		if v.anchor.root != v.tree.root() {
			v.rep.fault(v.line, e.N, "the first %d events are not those that the checkpoint from elsewhere proves", v.tree.size)
		}
		v.anchor = nil
	}
}

func (v *exportVerifier) checkpoint(signed string) {
	c, err := openCheckpoint(signed, v.key)
	switch {
	case err != nil:
		v.rep.fault(v.line, -1, "a checkpoint is not signed by the key")
	case c.size != v.tree.size, c.size <= v.rep.Signed:
		v.rep.fault(v.line, -1, "a checkpoint of %d events stands after %d", c.size, v.tree.size)
	case c.root != v.tree.root():
		v.rep.fault(v.line, -1, "the first %d events are not those that were signed", c.size)
	default:
		v.rep.Checkpoints++
		v.rep.Signed, v.rep.SignedAt = c.size, c.at
	}
}

// reread parses a line and accepts only the spelling that encodeLine gives.
func reread(b []byte, dst any) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(dst); err != nil {
		return false
	}
	again, err := encodeLine(dst)
	return err == nil && bytes.Equal(again, b)
}

// VerifyDB checks the log in the database: every event against its MAC and its
// place, the tree against the stored hashes and every checkpoint. It reads in
// small snapshots and may run beside a server.
func (l *Log) VerifyDB(ctx context.Context, db *store.DB) (Report, error) {
	rep := Report{Key: l.key}
	var tree frontier
	marks := &checkpoints{verifier: l.verifier()}
	for {
		seen := 0
		err := db.View(ctx, func(tx *store.Tx) error {
			if err := marks.load(tx); err != nil {
				return err
			}
			list, err := sealed(tx, tree.size-1, readBatch)
			for _, p := range list {
				l.verifyRow(&rep, &tree, p)
				rep.check(marks, &tree)
			}
			seen = len(list)
			return err
		})
		if err != nil {
			return rep, err
		}
		if seen == 0 {
			break
		}
	}
	err := db.View(ctx, func(tx *store.Tx) error { return l.verifyEnd(tx, &rep, &tree, marks) })
	rep.Size, rep.Root = tree.size, tree.root()
	if err != nil {
		return rep, err
	}
	return rep, rep.err()
}

func (l *Log) verifyRow(rep *Report, tree *frontier, p placed) {
	for tree.size < p.n {
		rep.fault(0, tree.size, "missing")
		tree.add(tlog.Hash{})
	}
	r := p.row
	if r == nil {
		rep.fault(0, p.n, "%s: missing", p.id)
		tree.add(tlog.Hash{})
		return
	}
	if !r.payloadIntact() {
		rep.fault(0, p.n, "%s: the personal part was changed", r.id)
	} else if !l.ours(r) {
		rep.fault(0, p.n, "%s: changed, or not written by this deployment", r.id)
	}
	if r.payload == nil {
		rep.Erased++
	}
	if _, err := r.record(p.n); err != nil {
		rep.fault(0, p.n, "%v", err)
	}
	leaf, err := r.leaf(p.n)
	if err != nil {
		rep.fault(0, p.n, "%s: %v", r.id, err)
	}
	tree.add(leaf)
}

// check compares the tree with the checkpoint of its size, if there is one.
func (r *Report) check(marks *checkpoints, tree *frontier) {
	if _, ok := marks.at(tree.size); !ok {
		return
	}
	c := marks.queue[0]
	if c.root != tree.root() {
		r.fault(0, tree.size-1, "the first %d events are not those that were signed at %s", c.size, c.at.Format(time.RFC3339))
		return
	}
	r.Checkpoints++
	r.Signed, r.SignedAt = c.size, c.at
}

// verifyEnd looks for what the walk along the index cannot see.
func (l *Log) verifyEnd(tx *store.Tx, rep *Report, tree *frontier, marks *checkpoints) error {
	// Sealing may have gone on since the walk; only what the walk covered counts.
	var indexed, outside, refused int64
	if err := tx.Row(sqlLast).Scan(&indexed); err != nil {
		return err
	}
	if err := tx.Row(sqlOutside).Scan(&outside); err != nil {
		return err
	}
	if err := tx.Row(sqlQueue).Scan(&rep.Unsealed, &refused); err != nil {
		return err
	}
	for _, err := range marks.bad {
		rep.fault(0, -1, "%v", err)
	}
	if outside > 0 {
		rep.fault(0, -1, "%d events have no place in the log", outside)
	}
	if refused > 0 {
		rep.fault(0, -1, "%d events were not written by this deployment and were refused", refused)
	}
	size, err := treeSize(tx)
	if err != nil {
		return err
	}
	signed := int64(0)
	if n := len(marks.queue); n > 0 {
		signed = marks.queue[n-1].size
	}
	if most := max(size, signed); most > indexed+1 {
		rep.fault(0, -1, "the log has %d events, its tree or a checkpoint has %d: the end was cut off", indexed+1, most)
	}
	if n := min(size, tree.size); n > 0 && n == tree.size {
		root, err := tlog.TreeHash(n, hashReader(tx))
		if err != nil || root != tree.root() {
			rep.fault(0, -1, "the stored tree is not the tree of the events")
		}
	}
	return nil
}
