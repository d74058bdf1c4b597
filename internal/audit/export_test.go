package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

func (d *desk) export() []byte {
	d.t.Helper()
	var b bytes.Buffer
	if err := d.log.Export(d.t.Context(), d.db, &b); err != nil {
		d.t.Fatal(err)
	}
	return b.Bytes()
}

// history is a log of 12 events, two of them erased, under three checkpoints.
func history(t testing.TB, db *store.DB) (d *desk, early []byte) {
	d = newDesk(t, db)
	d.signIns(5)
	d.seal()
	early = d.export()
	gone := d.signIns(2)
	d.do(cause(newAccount(), "R"), Event{Action: "device.named", Payload: map[string]string{"device": "<b>철수의 폰</b> & \u2028"}})
	d.seal()
	d.erase(gone)
	d.signIns(3)
	d.seal()
	return d, early
}

func (d *desk) erase(account string) {
	d.t.Helper()
	if err := d.db.Update(d.t.Context(), cause("", "R"), func(tx *store.Tx) error {
		if err := d.log.Erase(tx, account); err != nil {
			return err
		}
		_, err := d.log.Append(tx, Event{Action: "account.erased", Account: account, Payload: map[string]string{"mail": "canary@example"}})
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
}

func TestExportVerifiesAwayFromTheDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		if err := d.log.Export(t.Context(), db, new(bytes.Buffer)); !errors.Is(err, ErrNothingSigned) {
			t.Errorf("empty log: %v", err)
		}
		d, early := history(t, db)
		file := d.export()
		rep, err := VerifyExport(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		want := d.verified()
		if rep.Size != 12 || rep.Root != want.Root || rep.Signed != 12 || rep.Checkpoints != 3 || rep.Erased != 2 || rep.Key != d.log.Key() {
			t.Errorf("%+v", rep)
		}
		if _, err := VerifyExport(bytes.NewReader(early)); err != nil {
			t.Errorf("the earlier export: %v", err)
		}
		first := checkpointOf(t, early)
		if _, err := VerifyExportAgainst(bytes.NewReader(file), Expect{Key: d.log.Key(), Anchor: first}); err != nil {
			t.Errorf("against the checkpoint published earlier: %v", err)
		}
		if _, err := VerifyExportAgainst(bytes.NewReader(early), Expect{Anchor: checkpointOf(t, file)}); !errors.Is(err, ErrTampered) {
			t.Errorf("an old export handed out as the whole log: %v", err)
		}
		if _, err := VerifyExportAgainst(bytes.NewReader(file), Expect{Key: New(keyringtest.NewTestRing(t)).Key()}); !errors.Is(err, ErrTampered) {
			t.Errorf("signed by a key of somebody else: %v", err)
		}
	})
}

func checkpointOf(t testing.TB, file []byte) string {
	t.Helper()
	var head exportHead
	line, _, _ := bytes.Cut(file, []byte("\n"))
	if err := json.Unmarshal(line, &head); err != nil {
		t.Fatal(err)
	}
	return head.Checkpoint
}

// I6: any single bit, of any byte of any line.
func TestExportFindsEverySingleBit(t *testing.T) {
	t.Parallel()
	d, _ := history(t, storetest.Open(t))
	file := d.export()
	for start, lines := 0, 0; start < len(file); lines++ {
		end := start + bytes.IndexByte(file[start:], '\n') + 1
		// A line of each kind: head, event, checkpoint, erased, Korean.
		if lines <= 1 || lines == 6 || lines == 7 || lines == 9 {
			for at := start; at < end && !t.Failed(); at++ {
				for bit := range 8 {
					if bit == 5 || (at+bit)%8 == 0 { // 5 is the case of a letter
						flipped(t, file, at, bit)
					}
				}
			}
		}
		start = end
	}
	if t.Failed() {
		return
	}
	rapid.Check(t, func(t *rapid.T) {
		flipped(t, file, rapid.IntRange(0, len(file)-1).Draw(t, "byte"), rapid.IntRange(0, 7).Draw(t, "bit"))
	})
}

func flipped(t interface{ Errorf(string, ...any) }, file []byte, at, bit int) {
	b := bytes.Clone(file)
	b[at] ^= 1 << bit
	if _, err := VerifyExport(bytes.NewReader(b)); !errors.Is(err, ErrTampered) {
		start := bytes.LastIndexByte(file[:at], '\n') + 1
		t.Errorf("bit %d of byte %d of line %q: %v", bit, at-start, file[start:min(at+20, len(file))], err)
	}
}

// Lines go, come and change places.
func TestExportFindsMissingMovedAndAddedLines(t *testing.T) {
	d, early := history(t, storetest.Open(t))
	file := d.export()
	lines := slices.Collect(bytes.Lines(file))
	join := func(ls ...[]byte) []byte { return bytes.Join(ls, nil) }
	verify := func(name string, b []byte) {
		t.Helper()
		if _, err := VerifyExport(bytes.NewReader(b)); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	marks := 0
	for i := range lines {
		mark := bytes.HasPrefix(lines[i], []byte(`{"checkpoint"`))
		if mark {
			marks++
		}
		without := join(slices.Delete(slices.Clone(lines), i, i+1)...)
		if mark && marks < 3 {
			// A checkpoint in the middle may be left out: a later one says more.
			if _, err := VerifyExport(bytes.NewReader(without)); err != nil {
				t.Errorf("without an early checkpoint: %v", err)
			}
		} else {
			verify("without line "+name(i), without)
		}
		verify("cut off before line "+name(i), join(lines[:i]...))
		if i > 0 {
			swapped := slices.Clone(lines)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			verify("swapped at "+name(i), join(swapped...))
		}
		verify("line doubled "+name(i), join(slices.Insert(slices.Clone(lines), i, lines[i])...))
	}
	verify("the head of an earlier export on the whole file", join(append([][]byte{bytes.SplitAfter(early, []byte("\n"))[0]}, lines[1:]...)...))
	verify("no last line end", file[:len(file)-1])
	verify("an empty line", join(file, []byte("\n")))
	verify("a line without end", join(file, bytes.Repeat([]byte("x"), maxLine+10)))
	verify("an empty file", nil)
}

// A forger with a key of their own signs a whole new history; what gives them
// away is the key, and with the genuine key in the head it is the signature.
func TestForgedCheckpointIsFound(t *testing.T) {
	d, _ := history(t, storetest.Open(t))
	file := d.export()
	c, err := openCheckpoint(checkpointOf(t, file), d.log.verifier())
	if err != nil {
		t.Fatal(err)
	}
	signer, key := checkpointKey([32]byte{1})
	c.root[0] ^= 1
	forged, err := c.sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(bytes.Lines(file))
	for _, head := range []exportHead{
		{exportFormat, d.log.Key(), forged},
		{exportFormat, key, forged},
		{exportFormat, key, checkpointOf(t, file)},
	} {
		lines[0], _ = encodeLine(head)
		if _, err := VerifyExport(bytes.NewReader(bytes.Join(lines, nil))); !errors.Is(err, ErrTampered) {
			t.Errorf("head %+v: %v", head, err)
		}
	}
}

func TestCheckpointHasOneSpelling(t *testing.T) {
	signer, key := checkpointKey([32]byte{1})
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		origin + "\n01\n" + strings.Repeat("A", 43) + "=\ntime 2026-01-01T00:00:00Z\n",
		origin + "\n1\n" + strings.Repeat("A", 43) + "=\n",
		origin + "\n1\n" + strings.Repeat("A", 43) + "=\ntime 2026-01-01T00:00:00Z\nmore\n",
		origin + "\n1\n" + strings.Repeat("A", 43) + "=\ntime 2026-01-01T09:00:00+09:00\n",
		"other\n1\n" + strings.Repeat("A", 43) + "=\ntime 2026-01-01T00:00:00Z\n",
		origin + "\n-1\n" + strings.Repeat("A", 43) + "=\ntime 2026-01-01T00:00:00Z\n",
	} {
		b, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := openCheckpoint(string(b), v); err == nil && c.size >= 0 {
			t.Errorf("accepted %q", text)
		}
	}
}

// drafted is an export that never was in a database.
func drafted(t testing.TB, events int) []byte {
	log := New(keyringtest.NewTestRing(t))
	tx := &store.Tx{Now: time.Date(2026, 3, 12, 14, 0, 0, 0, time.UTC), Cause: cause("acc_1", "8F3K-21")}
	var tree frontier
	var lines bytes.Buffer
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range int64(events) {
		r, _, err := log.row(tx, Event{Action: "key.added", Effects: []Effect{{"key", "key_1", n}}, Payload: map[string]string{"key": "폰 " + name(int(n))}})
		must(err)
		if n%3 == 1 {
			r.payload, r.salt = nil, nil
		}
		line, err := exported(n, r)
		must(err)
		b, err := encodeLine(line)
		must(err)
		lines.Write(b)
		leaf, err := r.leaf(n)
		must(err)
		tree.add(leaf)
	}
	signed, err := checkpoint{tree.size, tree.root(), tx.Now}.sign(log.signer)
	must(err)
	head, err := encodeLine(exportHead{exportFormat, log.Key(), signed})
	must(err)
	mark, err := encodeLine(exportMark{signed})
	must(err)
	return slices.Concat(head, lines.Bytes(), mark)
}

// Whatever the bytes are: no panic, and nothing but a genuine file passes under
// the key of a genuine file.
func FuzzVerifyExport(f *testing.F) {
	for _, n := range []int{1, 2, 5} {
		file := drafted(f, n)
		if _, err := VerifyExport(bytes.NewReader(file)); err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Add([]byte("{}\n"))
	genuine := drafted(f, 4)
	var head exportHead
	line, _, _ := bytes.Cut(genuine, []byte("\n"))
	if err := json.Unmarshal(line, &head); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = VerifyExport(bytes.NewReader(b))
		// The genuine head before invented lines: a forger's only hope.
		_, rest, _ := bytes.Cut(b, []byte("\n"))
		forged := slices.Concat(line, []byte("\n"), rest)
		if _, err := VerifyExportAgainst(bytes.NewReader(forged), Expect{Key: head.Key}); err == nil && !bytes.Equal(forged, genuine) {
			t.Errorf("accepted %q", forged)
		}
	})
}

// Erasing a person leaves nothing of them in any table of the log, and the tree
// and every earlier checkpoint still verify.
func TestErasedAccountLeavesNoTrace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		account, other := newAccount(), d.signIns(1)
		c := cause(account, "8F3K-21")
		for _, e := range []Event{
			{Action: "account.created", Payload: map[string]string{"agent": "canary-agent", "mail": "canary@mail.example", "key": "canary key"}},
			{Action: "contact.verified", Account: account, Payload: map[string]string{"mail": "canary@mail.example"}},
			{Action: "session.refreshed"},
			{Action: "account.updated"},
		} {
			d.do(c, e)
		}
		d.seal()
		before := d.export()
		if !strings.Contains(d.dump(), "canary") || !strings.Contains(d.dump(), addr) {
			t.Fatal("the canary was never there")
		}
		d.erase(account)
		d.seal()

		dump := d.dump()
		for _, canary := range []string{"canary", addr + "9"} {
			if strings.Contains(dump, canary) {
				t.Errorf("%q is still there", canary)
			}
		}
		recs, err := d.log.ForAccount(t.Context(), db, account, "", 10)
		if err != nil || len(recs) != 5 {
			t.Fatalf("%d events, %v", len(recs), err)
		}
		for _, r := range recs {
			if r.Action != "account.erased" && (!r.Erased || r.Payload != nil) || r.Addr != "" || r.Device != "" {
				t.Errorf("%+v", r)
			}
			for _, lang := range []string{"en", "ko"} {
				if s := Sentence(r, lang); s == "" || strings.ContainsAny(s, "{}") {
					t.Errorf("%s: %q", r.Action, s)
				}
			}
		}
		if recs, err := d.log.ForAccount(t.Context(), db, other, "", 10); err != nil || recs[0].Addr != addr {
			t.Errorf("another account lost its address: %+v, %v", recs, err)
		}
		rep := d.verified()
		if rep.Erased != 4 || rep.Size != 6 || rep.Checkpoints != 2 {
			t.Errorf("%+v", rep)
		}
		after := d.export()
		if bytes.Contains(after, []byte("canary")) {
			t.Error("the export still has it")
		}
		if _, err := VerifyExportAgainst(bytes.NewReader(after), Expect{Anchor: checkpointOf(t, before)}); err != nil {
			t.Errorf("against the checkpoint from before the erasure: %v", err)
		}
	})
}

// dump is every column of every table of this package, as text.
func (d *desk) dump() string {
	d.t.Helper()
	var b strings.Builder
	for _, q := range []string{
		`SELECT id || at || action || actor || account || target || request || effects || coalesce(payload, '') FROM audit_event`,
		`SELECT n || event FROM audit_index`,
		`SELECT event FROM audit_pending`,
		`SELECT note FROM audit_checkpoint`,
		`SELECT event FROM audit_restore`,
		`SELECT id FROM audit_lease`,
	} {
		if err := d.db.View(context.Background(), func(tx *store.Tx) error {
			rows, err := tx.Rows(q)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					return err
				}
				b.WriteString(s + "\n")
			}
			return rows.Err()
		}); err != nil {
			d.t.Fatal(err)
		}
	}
	return b.String()
}
