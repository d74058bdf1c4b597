package account

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// SubID names a sub-account: "sub_…".
type SubID string

// SubStatus says what may be done with a sub-account.
type SubStatus string

// The statuses. Stored, so never renamed.
const (
	SubActive   SubStatus = "active"
	SubFrozen   SubStatus = "frozen"   // its keys look and cancel
	SubEmptying SubStatus = "emptying" // the same, and what is in it may go to the main account
	SubClosed   SubStatus = "closed"   // for good; its keys ended with it
)

// Transfers says what keys may move between a sub-account and the rest of its account.
// Out of the account they move nothing, whatever stands here.
type Transfers string

// The rules. Stored, so never renamed.
const (
	TransferNone   Transfers = "none"
	TransferToMain Transfers = "to_main" // out of it, into the main account
	TransferBoth   Transfers = "both"    // out and in, also to and from others that allow both
)

// Sub is a part of an account with keys and limits of its own. It has no sign-in, no
// contacts and no right to withdraw: all of that is the account's.
type Sub struct {
	ID        SubID
	Account   ID
	Name      string
	Status    SubStatus
	Transfers Transfers
	MaxKeys   int // 0: no bound of its own
	PerMin    int // requests a minute of all its keys together; 0: no bound of its own
	MadeAt    time.Time
	ClosedAt  time.Time // zero: open
	Version   int64
}

// Open reports whether anything can still be done with it.
func (s Sub) Open() bool { return s.Status != SubClosed }

// SubForm is what an owner says of a sub-account.
type SubForm struct {
	Name      string
	Transfers Transfers // "": TransferNone
	MaxKeys   int
	PerMin    int
}

// Form is the sub-account as it stands.
func (s Sub) Form() SubForm { return SubForm{s.Name, s.Transfers, s.MaxKeys, s.PerMin} }

var (
	// ErrSubUnknown: no such sub-account of this account.
	ErrSubUnknown = edge.E("sub_unknown")
	// ErrSubForm: a name, rule or limit that cannot be.
	ErrSubForm = edge.E("sub_form")
	// ErrSubTooMany: there are as many as there can be, or one has this name.
	ErrSubTooMany = edge.E("sub_too_many")
	// ErrSubChanged: it was changed, or closed, since it was read.
	ErrSubChanged = edge.E("sub_changed")
)

// Checked is a form with its defaults, or why there can be no such sub-account.
func (f SubForm) Checked() (SubForm, error) {
	f.Name = strings.TrimSpace(f.Name)
	if f.Transfers == "" {
		f.Transfers = TransferNone
	}
	switch f.Transfers {
	case TransferNone, TransferToMain, TransferBoth:
	default:
		return f, ErrSubForm.Because(errors.New("unknown rule " + string(f.Transfers)))
	}
	if n := utf8.RuneCountInString(f.Name); n == 0 || n > maxSubName || !plain(f.Name) {
		return f, ErrSubForm.Because(errors.New("a name of that length or with such characters"))
	}
	if f.MaxKeys < 0 || f.MaxKeys > maxSubKeys || f.PerMin < 0 || f.PerMin > maxSubPerMin {
		return f, ErrSubForm.Because(errors.New("a limit outside of its bounds"))
	}
	return f, nil
}

// MakeSub inserts a sub-account. How many there may be and that no open one has the name
// is part of the statement, so that two requests at once cannot both slip under it. Rows
// only.
func (s *Service) MakeSub(tx *store.Tx, id ID, f SubForm) (Sub, error) {
	f, err := f.Checked()
	if err != nil {
		return Sub{}, err
	}
	sub := Sub{ID: SubID(keyring.NewID("sub_", tx.Now)), Account: id, Name: f.Name, Status: SubActive, Transfers: f.Transfers, MaxKeys: f.MaxKeys, PerMin: f.PerMin,
		MadeAt: store.Time(store.Micros(tx.Now)), Version: 1}
	rows, err := tx.Exec(sqlMakeSub, string(sub.ID), string(id), sub.Name, string(sub.Transfers), sub.MaxKeys, sub.PerMin, store.Micros(tx.Now), maxSubs)
	if err != nil {
		return Sub{}, err
	}
	if rows == 0 {
		return Sub{}, ErrSubTooMany
	}
	return sub, nil
}

// Subs lists the sub-accounts of an account, open ones first, the oldest first.
func (s *Service) Subs(tx *store.Tx, id ID) (list []Sub, err error) {
	rows, err := tx.Rows(sqlSubs, string(id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		sub, err := scanSub(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, sub)
	}
	return list, rows.Err()
}

// Sub reads one sub-account. ErrSubUnknown when it is another account's.
func (s *Service) Sub(tx *store.Tx, id ID, sub SubID) (Sub, error) {
	out, err := scanSub(tx.Row(sqlSub, string(id), string(sub)))
	if errors.Is(err, store.ErrNoRows) {
		return Sub{}, ErrSubUnknown
	}
	return out, err
}

// ChangeSub makes a sub-account what form and status say. The version that was read is a
// condition: two changes at once are not one wide one. Closing is not done here, and
// nothing leads out of it. Rows only.
func (s *Service) ChangeSub(tx *store.Tx, was Sub, f SubForm, status SubStatus) (Sub, error) {
	f, err := f.Checked()
	if err != nil {
		return Sub{}, err
	}
	switch status {
	case SubActive, SubFrozen, SubEmptying:
	default:
		return Sub{}, ErrSubForm.Because(errors.New("unknown status " + string(status)))
	}
	now := was
	err = tx.Row(sqlChangeSub, string(was.Account), string(was.ID), was.Version, f.Name, string(f.Transfers), f.MaxKeys, f.PerMin, string(status)).Scan(&now.Version)
	if errors.Is(err, store.ErrNoRows) {
		return Sub{}, ErrSubChanged
	}
	now.Name, now.Transfers, now.MaxKeys, now.PerMin, now.Status = f.Name, f.Transfers, f.MaxKeys, f.PerMin, status
	return now, err
}

// CloseSub closes a sub-account for good. Its keys end in the same transaction, which is
// the caller's to do. Rows only.
func (s *Service) CloseSub(tx *store.Tx, id ID, sub SubID) (Sub, error) {
	was, err := s.Sub(tx, id, sub)
	if err != nil {
		return Sub{}, err
	}
	err = tx.Row(sqlCloseSub, string(id), string(sub), store.Micros(tx.Now)).Scan(&was.Version)
	if errors.Is(err, store.ErrNoRows) {
		return Sub{}, ErrSubChanged
	}
	was.Status, was.ClosedAt = SubClosed, store.Time(store.Micros(tx.Now))
	return was, err
}

// RestoredSubs freezes every open sub-account when a restored database is accepted: which
// of them were frozen, narrowed or closed after the backup nobody knows any more. Each
// owner lets them work again with a touch.
func RestoredSubs(tx *store.Tx) ([]audit.Effect, error) {
	n, err := tx.Exec(sqlFreezeAllSubs)
	if err != nil || n == 0 {
		return nil, err
	}
	return []audit.Effect{{Kind: "subaccounts", ID: "all", Version: n}}, nil
}

func scanSub(r interface{ Scan(...any) error }) (Sub, error) {
	var s Sub
	var made, closed int64
	err := r.Scan((*string)(&s.ID), (*string)(&s.Account), &s.Name, (*string)(&s.Status), (*string)(&s.Transfers), &s.MaxKeys, &s.PerMin, &made, &closed, &s.Version)
	s.MadeAt = store.Time(made)
	if closed > 0 {
		s.ClosedAt = store.Time(closed)
	}
	return s, err
}

const subCols = `id, account, name, status, transfers, max_keys, per_min, made_at, closed_at, version`

const (
	sqlMakeSub = `INSERT INTO account_sub (` + subCols + `)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), 'active', CAST($4 AS TEXT), CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT), 0, 1
WHERE (SELECT COUNT(*) FROM account_sub o WHERE o.account = $2 AND o.status <> 'closed') < $8
 AND NOT EXISTS (SELECT 1 FROM account_sub o WHERE o.account = $2 AND o.status <> 'closed' AND o.name = $3)`

	sqlSubs = `SELECT ` + subCols + ` FROM account_sub WHERE account = $1
ORDER BY CASE WHEN status = 'closed' THEN 1 ELSE 0 END, made_at, id LIMIT 200`
	sqlSub = `SELECT ` + subCols + ` FROM account_sub WHERE account = $1 AND id = $2`

	sqlChangeSub = `UPDATE account_sub SET name = $4, transfers = $5, max_keys = $6, per_min = $7, status = $8, version = version + 1
WHERE account = $1 AND id = $2 AND version = $3 AND status <> 'closed'
 AND NOT EXISTS (SELECT 1 FROM account_sub o WHERE o.account = $1 AND o.id <> $2 AND o.status <> 'closed' AND o.name = $4) RETURNING version`
	sqlCloseSub = `UPDATE account_sub SET status = 'closed', closed_at = $3, version = version + 1 WHERE account = $1 AND id = $2 AND status <> 'closed' RETURNING version`

	sqlFreezeAllSubs = `UPDATE account_sub SET status = 'frozen', version = version + 1 WHERE status IN ('active', 'emptying')`

	// The names are the owner's own words.
	sqlEraseSubs = `UPDATE account_sub SET name = '', version = version + 1, closed_at = CASE WHEN status = 'closed' THEN closed_at ELSE CAST($2 AS BIGINT) END, status = 'closed' WHERE account = $1`
)
