package store

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// together runs the batch in one transaction, each function in a savepoint.
func (w *writer) together() {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		w.dead(err)
		return
	}
	for _, r := range w.batch {
		if err := w.saved(r); err != nil {
			// The transaction may be gone, and with it the changes of those before.
			w.dead(err)
			return
		}
	}
	if err := w.exec("COMMIT"); err != nil {
		w.dead(err)
		return
	}
	for _, r := range w.batch {
		r.ran = true
	}
	w.settle()
}

// saved runs one function in a savepoint. An error means that the batch is
// dead: after one of SAVEPOINT, ROLLBACK TO or RELEASE nobody knows which
// changes are still there. SQLite rolls back the whole transaction by itself
// when the disk is full or a write fails.
func (w *writer) saved(r *request) error {
	if err := w.exec("SAVEPOINT f"); err != nil {
		return err
	}
	if !w.call(r) {
		r.ran = true // its answer stands, whatever becomes of the others
		if err := w.exec("ROLLBACK TO f"); err != nil {
			return err
		}
	}
	return w.exec("RELEASE f")
}

// dead rolls the batch back and runs the functions that have not failed again,
// where no other can harm them.
func (w *writer) dead(err error) {
	w.log.Warn("a group of writes is run again one by one", "functions", len(w.batch), "error", err)
	w.rollback()
	w.oneByOne()
}

// oneByOne runs what is left of the batch, each function in a transaction of
// its own, and answers.
func (w *writer) oneByOne() {
	for _, r := range w.batch {
		if !r.ran {
			w.alone(r)
			r.ran = true
		}
	}
	w.settle()
}

func (w *writer) alone(r *request) {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		w.rollback()
		r.reply = answer{err: err}
		return
	}
	if !w.call(r) {
		w.rollback()
		return
	}
	if err := w.exec("COMMIT"); err != nil {
		w.rollback()
		r.reply, r.after = answer{err: err}, nil
	}
}

// slow is how long one function may keep the others waiting before the log says so.
const slow = 250 * time.Millisecond

// call runs the function once and notes its answer. It reports whether the
// changes are to be kept.
func (w *writer) call(r *request) (commit bool) {
	tx := r.newTx(r.ctx, w.c)
	r.after, r.reply = nil, answer{goexit: true}
	defer func() {
		if !r.reply.goexit {
			return // it returned
		}
		tx.finish()
		r.ran = true
		if p := caught(recover()); p != nil {
			r.reply, commit = answer{panic: p}, false
		}
		// Otherwise it is a Goexit, which nothing stops; run carries on after it.
	}()
	begun := time.Now()
	err := r.f(tx)
	if d := time.Since(begun); d > slow {
		w.log.Warn("a write kept all others waiting", "took", d, "actor", r.cause.Actor, "request", r.cause.Request)
	}
	commit, err = r.verdict(tx, err)
	r.reply = answer{err: err}
	if commit {
		r.after = tx.after
	}
	return commit
}

// settle answers everybody, in order. The follow-ups run first, so that a
// caller who is answered finds the caches as it left the database.
func (w *writer) settle() {
	for len(w.batch) > 0 {
		r := w.batch[0]
		w.batch = w.batch[1:]
		if len(r.after) > 0 {
			w.follow(r)
		}
		r.answer <- r.reply
	}
}

func (w *writer) follow(r *request) {
	defer func() {
		if p := caught(recover()); p != nil {
			r.reply = answer{panic: p}
		}
	}()
	follow(r.after)
}

// exec runs a statement of the writer's own.
func (w *writer) exec(q string) error {
	if w.c == nil {
		if err := w.connect(never); err != nil {
			return err
		}
	}
	_, err := w.c.exec(q, nil)
	return err
}

// rollback ends whatever transaction is open. When even that fails, for another
// reason than that none is open, the connection is replaced: what it still
// holds must not reach the next commit.
func (w *writer) rollback() {
	err := w.exec("ROLLBACK")
	if err == nil || strings.Contains(err.Error(), "no transaction is active") {
		return
	}
	w.log.Error("the writing connection is replaced", "error", err)
	if err := errors.Join(w.disconnect(), w.connect(never)); err != nil {
		w.log.Error("no writing connection", "error", fmt.Errorf("store: %w", err))
	}
}
