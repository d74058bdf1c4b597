package account

import (
	"context"
	"errors"
	"strconv"

	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

var (
	// ErrOnceMissing: the request needs an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header §2.7).
	ErrOnceMissing = edge.E("idempotency_key_missing")
	// ErrOnceOtherBody: the key was used with another request.
	ErrOnceOtherBody = edge.E("idempotency_body_differs")
	// ErrOnceInProgress: the first request with this key has not been answered yet.
	ErrOnceInProgress = edge.E("idempotency_in_progress")
)

// Answer is what a client got for a request.
type Answer struct {
	Status   int
	Body     []byte
	Replayed bool // from the first request with this key
}

// Once runs a request at most once per (client, key) and gives every retry the
// first answer for 24 h. Bodies are stored sealed: an answer may hold a secret
// that is shown only once.
//
// When run returns an error nothing is kept and the client may try again: run
// must have undone its work, which an error out of store.Update has. When the
// process dies between run and the answer, the key stays in progress for its
// 24 h: whether the act happened is then read from the account, and a wrong
// guess here would act twice.
func (s *Service) Once(ctx context.Context, db *store.DB, client, key string, bodyHash [32]byte, run func() (status int, body []byte, err error)) (Answer, error) {
	if key == "" {
		return Answer{}, ErrOnceMissing
	}
	if len(key) > maxOnceKey || !plain(key) {
		return Answer{}, ErrInvalid.At("Idempotency-Key", "must be at most 255 bytes without control characters")
	}
	// The client's key may be a meaningful string, and is only ever compared.
	hash := keyring.Hash(key)
	var (
		kept   Answer
		sealed []byte
		first  bool
	)
	err := db.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(sqlOnceClaim, client, hash[:], bodyHash[:], store.Micros(tx.Now))
		if first = n == 1; err != nil || first {
			return err
		}
		var was []byte
		err = tx.Row(sqlOnceRead, client, hash[:]).Scan(&was, &kept.Status, &sealed)
		switch {
		case errors.Is(err, store.ErrNoRows): // released between the two statements
			return ErrOnceInProgress
		case err != nil:
			return err
		case !keyring.Equal(was, bodyHash[:]):
			return ErrOnceOtherBody
		case kept.Status == 0:
			return ErrOnceInProgress
		}
		return nil
	})
	row := client + "/" + strconv.Quote(key)
	switch {
	case err != nil:
		return Answer{}, err
	case !first:
		kept.Replayed = true
		kept.Body, err = s.ring.Open(sealed, "account_idempotency", row, "body")
		return kept, err
	}
	return s.runOnce(ctx, db, client, row, hash, run)
}

func (s *Service) runOnce(ctx context.Context, db *store.DB, client, row string, hash [32]byte, run func() (int, []byte, error)) (a Answer, err error) {
	// What follows run must not hang on the caller's patience: a client that
	// leaves would otherwise find its key in progress for a day.
	after := context.WithoutCancel(ctx)
	done := false
	defer func() {
		if !done { // an error, or a panic on its way up
			_ = db.Housekeeping(after, func(tx *store.Tx) error {
				_, err := tx.Exec(sqlOnceRelease, client, hash[:])
				return err
			})
		}
	}()
	a.Status, a.Body, err = run()
	if err != nil {
		return Answer{}, err
	}
	if len(a.Body) > maxOnceBody || a.Status < 100 {
		done = true // it ran; the key stays taken
		return Answer{}, errors.New("account: an answer that cannot be kept")
	}
	done = true
	sealed, err := s.ring.SealBrief(a.Body, "account_idempotency", row, "body")
	if err != nil {
		return Answer{}, err
	}
	return a, db.Housekeeping(after, func(tx *store.Tx) error {
		_, err := tx.Exec(sqlOnceDone, client, hash[:], a.Status, sealed)
		return err
	})
}

// Sweep forgets answers older than a day. Run it in Housekeeping.
func (s *Service) Sweep(tx *store.Tx) error {
	_, err := tx.Exec(sqlOnceSweep, store.Micros(tx.Now.Add(-onceLife)))
	return err
}
