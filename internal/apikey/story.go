package apikey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// storyFormat names the form of a signed story; a changed form is a new name.
const storyFormat audit.StatementKind = "keyward-key-story-1"

const (
	maxChanges = 500
	maxMinutes = 20_000 // lines of a signed story
)

// Statement is the story of a key for a window, as it is signed: who made and changed it,
// and what it did. Nothing secret is in it.
type Statement struct {
	Format     audit.StatementKind `json:"format"`
	Signer     string              `json:"signer"` // verifier key of the log
	IssuedAt   time.Time           `json:"issued_at"`
	Account    string              `json:"account"`
	Key        string              `json:"key"`
	Sub        string              `json:"sub_account,omitempty"`
	Purpose    string              `json:"purpose"`
	Profile    Profile             `json:"profile"`
	Alg        Alg                 `json:"alg"`
	Scopes     []string            `json:"scopes"` // as they are now, as all above
	Version    int64               `json:"version"`
	Status     Status              `json:"status"`
	MadeAt     time.Time           `json:"made_at"`
	MadeFrom   string              `json:"made_from,omitempty"`
	From       time.Time           `json:"from"`
	To         time.Time           `json:"to"`
	Changes    []audit.Leaf        `json:"changes"`        // the newest first, with their leaves in the log
	Waiting    int                 `json:"waiting"`        // changes so new that the log has not placed them
	Minutes    []Minute            `json:"minutes"`        // the newest first
	Cut        bool                `json:"cut,omitempty"`  // there was more than fits: ask for a shorter window
	Checkpoint string              `json:"log_checkpoint"` // newest of the log; its leaves are under it
}

// Minute is a line of a signed story: calls of one kind from one address in one minute.
type Minute struct {
	Minute  time.Time `json:"minute"`
	Address string    `json:"address,omitempty"` // absent: too many to name
	Class   Class     `json:"class"`
	Refused Code      `json:"refused,omitempty"` // absent: let in
	N       int64     `json:"n"`
}

type signedStory struct {
	Story     json.RawMessage `json:"story"`
	Signature string          `json:"signature"`
}

// Changes lists who made a key and changed it in a window, the newest first.
func (s *Service) Changes(tx *store.Tx, k Key, from, to time.Time) ([]audit.Record, error) {
	return s.log.OfObject(tx, objectOf(k), from, to, maxChanges)
}

func objectOf(k Key) audit.Object {
	return audit.Object{Account: string(k.Account), Kind: "apikey", ID: string(k.ID)}
}

// SignedStory is the story of a key as one document, signed with the key of the log's
// checkpoints. What the key did in the last minute may be missing.
func (s *Service) SignedStory(tx *store.Tx, k Key, from, to time.Time) ([]byte, error) {
	st := Statement{
		Format: storyFormat, Signer: s.log.Key(), IssuedAt: tx.Now.UTC(), Account: string(k.Account), Key: string(k.ID), Sub: k.Sub, Purpose: k.Purpose,
		Profile: k.Profile, Alg: k.Alg, Scopes: k.Scopes.Names(), Version: k.Version, Status: k.Status, MadeAt: k.Made.At.UTC(), MadeFrom: k.Made.Addr,
		From: from.UTC(), To: to.UTC(), Changes: []audit.Leaf{}, Minutes: []Minute{},
	}
	leaves, waiting, err := s.log.LeavesOfObject(tx, objectOf(k), from, to, maxChanges)
	if err != nil {
		return nil, err
	}
	st.Changes, st.Waiting = append(st.Changes, leaves...), waiting
	did, err := lines(tx, sqlStoryAll, string(k.ID), store.Micros(from), store.Micros(to), maxMinutes+1)
	if err != nil {
		return nil, err
	}
	st.Cut = len(did) > maxMinutes || len(leaves)+waiting >= maxChanges
	for _, l := range did[:min(len(did), maxMinutes)] {
		st.Minutes = append(st.Minutes, Minute{l.Minute.UTC(), l.Addr, l.Class, l.Code, l.N})
	}
	if st.Checkpoint, err = s.log.Newest(tx); err != nil {
		return nil, err
	}
	body, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	signature, err := s.log.Sign(storyFormat, body)
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(signedStory{body, signature})
	return append(out, '\n'), err
}

var errStory = errors.New("apikey: this is no story of a key, or it was changed")

// OpenStory checks a signed story without any database. key is the log's verifier key,
// known from elsewhere; with "" the one the story names is taken, which anybody could
// have made, and the caller says so.
//
// What is read is written again and compared: no byte of the file is free to change.
func OpenStory(file []byte, key string) (Statement, error) {
	var out signedStory
	var st Statement
	if strict(file, &out) != nil || strict(out.Story, &st) != nil || st.Format != storyFormat {
		return Statement{}, errStory
	}
	body, err := json.Marshal(st)
	if err != nil || !bytes.Equal(body, out.Story) {
		return Statement{}, errStory
	}
	again, err := json.Marshal(out)
	if err != nil || string(again)+"\n" != string(file) {
		return Statement{}, errStory
	}
	if key == "" {
		key = st.Signer
	}
	if key != st.Signer {
		return Statement{}, fmt.Errorf("%w: it names another key than the one you trust", errStory)
	}
	if err := audit.OpenStatement(storyFormat, body, out.Signature, key); err != nil {
		return Statement{}, err
	}
	for _, e := range st.Changes {
		if err := audit.Intact(e); err != nil {
			return Statement{}, err
		}
	}
	return st, nil
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

const sqlStoryAll = `SELECT minute, addr, class, code, n FROM apikey_use WHERE key_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute DESC, addr, class, code LIMIT $4`

// UnusedRights are the rights of a key that no call of a window needed, as far as the
// classes of calls tell them apart; none for a key that is younger than the window.
func (s *Service) UnusedRights(tx *store.Tx, k Key, since time.Time) (Scopes, error) {
	if k.Made.At.After(since) {
		return 0, nil
	}
	rows, err := tx.Rows(sqlClasses, string(k.ID), store.Micros(since))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	unused := k.Scopes & (Trading | TradeCancel | Money)
	for rows.Next() {
		var c Class
		if err := rows.Scan((*string)(&c)); err != nil {
			return 0, err
		}
		switch c {
		case ClassTrade:
			unused &^= Trading // which of the three it was, nobody wrote down
		case ClassCancel:
			unused &^= TradeCancel
		case ClassTransfer:
			unused &^= TransferInternal
		case ClassWithdraw:
			unused &^= Withdraw
		}
	}
	return unused, rows.Err()
}

const sqlClasses = `SELECT DISTINCT class FROM apikey_use WHERE key_id = $1 AND minute >= $2 AND code = ''`
