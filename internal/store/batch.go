package store

import (
	"runtime/debug"
)

// together runs the batch in one transaction, each function in a savepoint.
func (w *writer) together() {
	if _, err := w.c.exec("BEGIN IMMEDIATE", nil); err != nil {
		w.rollback()
		w.oneByOne()
		return
	}
	for _, r := range w.batch {
		if !w.saved(r) {
			// The transaction may be gone, and with it the changes of those before.
			w.rollback()
			w.oneByOne()
			return
		}
	}
	if _, err := w.c.exec("COMMIT", nil); err != nil {
		w.log.Error("group commit failed", "error", err, "functions", len(w.batch))
		w.rollback()
		w.oneByOne()
		return
	}
	w.settle()
}

// saved runs one function in a savepoint. False means that the batch is dead:
// after an error of SAVEPOINT, ROLLBACK TO or RELEASE nobody knows which
// changes are still there (SQLite rolls back the whole transaction by itself
// when the disk is full or a write fails).
func (w *writer) saved(r *request) (alive bool) {
	if _, err := w.c.exec("SAVEPOINT f", nil); err != nil {
		return false
	}
	commit := w.call(r)
	if !commit {
		r.ran = true
		if _, err := w.c.exec("ROLLBACK TO f", nil); err != nil {
			return false
		}
	}
	_, err := w.c.exec("RELEASE f", nil)
	return err == nil
}

// oneByOne runs what is left of the batch, each function in a transaction of
// its own, and answers.
func (w *writer) oneByOne() {
	for _, r := range w.batch {
		if r.ran {
			continue
		}
		w.alone(r)
		r.ran = true
	}
	w.settle()
}

func (w *writer) alone(r *request) {
	if _, err := w.c.exec("BEGIN IMMEDIATE", nil); err != nil {
		w.rollback()
		r.reply = answer{err: err}
		return
	}
	if !w.call(r) {
		w.rollback()
		return
	}
	if _, err := w.c.exec("COMMIT", nil); err != nil {
		w.rollback()
		r.after = nil
		r.reply = answer{err: err}
	}
}

// call runs the function once and notes its answer. It reports whether the
// changes are to be kept.
func (w *writer) call(r *request) (commit bool) {
	tx := r.newTx(r.ctx, w.c)
	r.after, r.reply = nil, answer{goexit: true}
	defer func() {
		if p := recover(); p != nil {
			tx.finish()
			r.reply, commit = answer{panic: &Panic{Value: p, Stack: debug.Stack()}}, false
		} else if r.reply.goexit { // neither returned nor panicked
			tx.finish()
			r.ran = true
		}
	}()
	err := r.f(tx)
	commit, err = r.verdict(tx, err)
	r.reply = answer{err: err}
	if commit {
		r.after = tx.after
	}
	return commit
}

// rollback ends whatever transaction is open. Without one it fails, and that is
// as good.
func (w *writer) rollback() { _, _ = w.c.exec("ROLLBACK", nil) }

// settle runs the follow-ups in the order of the batch and answers everybody.
func (w *writer) settle() {
	for _, r := range w.batch {
		for _, f := range r.after {
			f()
		}
		r.answer <- r.reply
	}
	w.commits += len(w.batch)
	w.batch = w.batch[:0]
	if w.commits >= 256 {
		w.commits = 0
		select {
		case w.committed <- struct{}{}:
		default:
		}
	}
}
