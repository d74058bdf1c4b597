package device

import (
	"context"
	"errors"
	"slices"
	"time"

	"keyward/internal/account"
	"keyward/internal/attest"
	"keyward/internal/store"
)

// A grade is as good as the lists it was judged by. When a list or a rule changes, what
// was stored at enrolment is judged once more: chains as of the day on which the key was
// made, because certificates of phones live for weeks; lists and rules as of now. What a
// signature proved then is not asked again: the bytes are the same.

// Judged is a key whose evidence now says something else.
type Judged struct {
	Key     KeyID
	Account account.ID
	Name    string
	Was, Is Grade
	Now     Evidence

	was string // the column, so that a newer judgement is not overwritten
}

// Fell reports that the key is worth less.
func (j Judged) Fell() bool { return j.Was == Hardware && j.Is != Hardware }

// judgePage: keys read at a time; with five certificates each they are a few MiB.
const judgePage = 500

// JudgeAgain calls changed with each live key whose evidence the lists now see
// otherwise, and reports how many keys there are. It writes nothing, so it is also the
// dry run of lists that are not in use.
func (s *Service) JudgeAgain(ctx context.Context, db *store.DB, lists Lists, changed func(Judged) error) (keys int, err error) {
	st := s.site()
	st.trust.lists = lists
	if err := db.Get(ctx, sqlCountKeys).Scan(&keys); err != nil {
		return 0, err
	}
	for after := KeyID(""); ; {
		page, err := s.judgeable(ctx, db, after)
		if err != nil || len(page) == 0 {
			return keys, err
		}
		for i := range page {
			r := &page[i]
			j, differs, err := st.again(r, s.cfg.Apps)
			if err != nil {
				return keys, err
			}
			if differs {
				if err := changed(j); err != nil {
					return keys, err
				}
			}
		}
		after = page[len(page)-1].id
		if err := ctx.Err(); err != nil {
			return keys, err
		}
	}
}

// Regrade writes a judgement, unless the key is gone or was judged otherwise meanwhile.
// A touch that was kept at a higher grade goes with it. Rows only.
func (s *Service) Regrade(tx *store.Tx, j Judged) (version int64, err error) {
	err = tx.Row(sqlRegrade, j.Key, j.Is, j.Now.text(), j.was).Scan(&version)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	if err == nil && j.Fell() {
		_, err = tx.Exec(sqlForgetProofs, j.Key)
	}
	return version, err
}

// JudgedBy is the number that NoteJudged was last given, 0 at first: what all keys were
// judged by.
func (s *Service) JudgedBy(tx *store.Tx) (int64, error) { return s.ListFloor(tx, listJudged) }

// NoteJudged remembers it. Run it in Housekeeping.
func (s *Service) NoteJudged(tx *store.Tx, by int64) error {
	_, err := tx.Exec(sqlNoteList, listJudged, by, store.Micros(tx.Now))
	return err
}

const listJudged = "judged_by" // beside the names of lists

// judged is a row as it is judged again.
type judged struct {
	id                   KeyID
	account              account.ID
	name, format         string
	grade                Grade
	be                   bool
	aaguid               []byte
	object, hash, public []byte
	kind                 Kind
	jkt                  string
	thumb                []byte
	made                 int64
	evidence             string
}

func (s *Service) judgeable(ctx context.Context, db *store.DB, after KeyID) (page []judged, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		page = page[:0]
		rows, err := tx.Rows(sqlJudgeable, after, judgePage)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r judged
			if err := rows.Scan(&r.id, &r.account, &r.name, &r.format, &r.grade, &r.be, &r.aaguid, &r.object, &r.hash, &r.public, &r.kind, &r.jkt, &r.thumb, &r.made, &r.evidence); err != nil {
				return err
			}
			page = append(page, r)
		}
		return rows.Err()
	})
	return page, err
}

// again judges one row. Statements that nothing here could check at enrolment stay what
// they were: nobody looks at them a second time.
func (st site) again(r *judged, apps Apps) (j Judged, differs bool, err error) {
	was, err := evidenceOf(r.evidence)
	if err != nil {
		return j, false, err
	}
	if slices.Contains(was.Faults, attest.FaultUnchecked) || was.Speaker == ItselfOnly {
		return j, false, nil
	}
	now := st.trust.at
	if st.trust.missing(r, &was) {
		e := was
		e.Faults = slices.DeleteFunc(slices.Clone(was.Faults), func(f attest.Fault) bool { return f == attest.FaultBlocked || f == attest.FaultNotAllowed })
		st.trust.lists.Rules.judge(&e, [16]byte(r.aaguid))
		return st.differs(r, was, e, now)
	}
	st.trust.now, st.trust.at = now, store.Time(r.made)
	e, err := st.evidenceAgain(r, apps)
	if err != nil {
		// It was read when it was stored. Whatever happened to it since, it proves nothing.
		e = Evidence{Format: r.format}
		if e.fault(attest.FaultUnchecked); r.kind == Phone { // of an app that is not ours any more
			e.Faults = []attest.Fault{attest.FaultOtherApp}
		}
	}
	return st.differs(r, was, e, now)
}

func (st site) differs(r *judged, was, e Evidence, now time.Time) (Judged, bool, error) {
	e.At = store.Micros(now)
	j := Judged{Key: r.id, Account: r.account, Name: r.name, Was: r.grade, Is: e.grade(r.be), Now: e, was: r.evidence}
	return j, !same(was, e) || j.Was != j.Is, nil
}

// missing reports that the list by which a key was judged is not there. A file that could
// not be read after a restart is no news about any key, and must not sign people out by
// the thousand; new keys earn nothing meanwhile. The rules still count.
func (t trust) missing(r *judged, was *Evidence) bool {
	if was.Speaker == Google {
		return t.lists.Revoked == nil
	}
	return r.kind == Passkey && r.format != "android-key" && t.lists.MDS == nil
}

// same leaves out when it was judged, and by which number of a list.
func same(a, b Evidence) bool {
	a.At, b.At, a.List, b.List = 0, 0, 0, 0
	return a.text() == b.text()
}

func (st site) evidenceAgain(r *judged, apps Apps) (Evidence, error) {
	if r.kind == Phone {
		e, err := parseEnrolling(r.object)
		if err != nil {
			return Evidence{}, err
		}
		a := &Attestation{}
		err = st.phone(a, e, apps)
		return a.evidence, err
	}
	obj, err := parseAttestation(r.object)
	if err != nil {
		return Evidence{}, err
	}
	ad, err := parseAuthData(obj.AuthData)
	if err != nil {
		return Evidence{}, err
	}
	s := statement{obj: obj, auth: ad, signed: slices.Concat(obj.AuthData, r.hash)}
	copy(s.clientHash[:], r.hash)
	if err := loose.Unmarshal(obj.Statement, &s.parts); obj.Format != "none" && obj.Format != "compound" && err != nil {
		return Evidence{}, err
	}
	e := Evidence{Format: obj.Format}
	if obj.Format == "android-key" {
		err = st.trust.android(&e, s)
	} else {
		st.trust.model(&e, s)
	}
	st.trust.lists.Rules.judge(&e, ad.aaguid)
	return e, err
}

// at is when the lists are asked; the same as when a chain was made at enrolment.
func (t trust) asked() time.Time {
	if t.now.IsZero() {
		return t.at
	}
	return t.now
}
