package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// work is one Update or Housekeeping on its way through an engine.
type work struct {
	db    *DB
	cause Cause
	f     func(*Tx) error
	audit bool // Update: the audit rule holds
}

// newTx is the transaction for one try of w.
func (w *work) newTx(ctx context.Context, s session) *Tx {
	return &Tx{Now: w.db.stamp(), Cause: w.cause, ctx: ctx, s: s}
}

// verdict decides what becomes of a transaction whose function returned err:
// commit says whether its changes stay, and answer is what the caller gets.
func (w *work) verdict(tx *Tx, err error) (commit bool, answer error) {
	if failed := tx.finish(); failed != nil {
		var k *kept
		if err == nil || errors.As(err, &k) {
			// f meant to commit, but a statement had failed: nothing is left to commit.
			return false, failed
		}
		return false, err
	}
	var k *kept
	if err != nil && !errors.As(err, &k) {
		return false, err
	}
	if w.audit && tx.audited != 1 && (tx.changes > 0 || tx.audited > 0) {
		return false, fmt.Errorf("%w: %d events for %d changed rows", ErrUnaudited, tx.audited, tx.changes)
	}
	return true, unkeep(err)
}

// unkeep takes the wish of CommitWith off an error that leaves Update. Otherwise
// a caller that returns it from a transaction of its own would commit that too.
func unkeep(err error) error {
	for {
		k, ok := err.(*kept)
		if !ok {
			break
		}
		err = k.err
	}
	var k *kept
	if errors.As(err, &k) {
		return &settled{err}
	}
	return err
}

// settled is an error with a wish of CommitWith somewhere inside, already granted.
type settled struct{ err error }

func (s *settled) Error() string        { return s.err.Error() }
func (s *settled) Is(target error) bool { return errors.Is(s.err, target) }

func (s *settled) As(target any) bool {
	if _, ok := target.(**kept); ok {
		return false
	}
	return errors.As(s.err, target)
}

// A Panic is the value with which Update, Housekeeping and View panic when the
// function given to them did. On SQLite the function ran on another goroutine,
// whose stack would be lost otherwise.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// rethrow gives a passing panic its Panic. It is deferred.
func rethrow() {
	if p := caught(recover()); p != nil {
		panic(p)
	}
}

// caught makes a Panic of what recover returned, nil of nil.
func caught(v any) *Panic {
	switch v := v.(type) {
	case nil:
		return nil
	case *Panic:
		return v
	default:
		return &Panic{Value: v, Stack: debug.Stack()}
	}
}

// follow runs the follow-ups of a transaction. The commit stands whatever they
// do, and so each of them runs; the first panic goes on afterwards.
func follow(after []func()) {
	if len(after) == 0 {
		return
	}
	defer follow(after[1:])
	after[0]()
}
