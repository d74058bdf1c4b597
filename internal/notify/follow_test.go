package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/job"
	"keyward/internal/store"
)

var errKilled = errors.New("killed")

func (w *world) jobs() (n int) {
	w.t.Helper()
	w.ok(w.db.Get(w.t.Context(), `SELECT count(*) FROM job_job`).Scan(&n))
	return n
}

func TestKilledBetweenTheMailsAndTheCursor(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		before := w.jobs()
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.ok(w.sealer.Seal(t.Context()))
		at, err := w.service.follower().At(t.Context())
		w.ok(err)
		events, _, err := w.log.Tail(t.Context(), w.db, at, 500)
		w.ok(err)
		err = w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			if err := w.service.takeIn(tx, events); err != nil {
				return err
			}
			return errKilled // the mails are enqueued, the cursor is not moved
		})
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		if n := w.jobs(); n != before {
			t.Fatalf("%d jobs outlived the transaction", n-before)
		}
		w.settles()
		w.wants("a@mail.example: A passkey was added")
	})
}

func TestTwoProcessesFollowOneLog(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		before := w.jobs()
		const events = 30
		for range events {
			w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		}
		w.ok(w.sealer.Seal(t.Context()))
		other, err := New(w.service.Parts, w.service.cfg)
		w.ok(err)
		var all sync.WaitGroup
		for _, s := range []*Service{w.service, other, w.service, other} {
			all.Go(func() {
				for range 10 {
					if _, err := s.follower().Follow(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n := w.jobs() - before; n != events {
			t.Errorf("%d jobs for %d events", n, events)
		}
		w.works()
		ids := map[string]bool{}
		for _, m := range w.post.Mails() {
			ids[m.ID] = true
		}
		if len(ids) != events || len(w.post.Mails()) != events {
			t.Errorf("%d mails, %d Message-IDs, %d events", len(w.post.Mails()), len(ids), events)
		}
	})
}

func TestALostCursorSendsNothingTwice(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.settles()
		w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`DELETE FROM audit_cursor`)
			return err
		}))
		w.settles() // job keys still know these mails
		w.wants("a@mail.example: A passkey was added")
		w.clock.pass(8 * 24 * time.Hour)
		_, err := job.Purge(t.Context(), w.db)
		w.ok(err)
		w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`DELETE FROM audit_cursor`)
			return err
		}))
		w.settles() // the keys are forgotten, but so old an event is not news
		w.wants("a@mail.example: A passkey was added")
	})
}

func TestRestartGoesOnFromTheCursor(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.settles()
		w.does(acc.ID, "key.removed", "key_1", map[string]string{"key": "x"})
		again, err := New(w.service.Parts, w.service.cfg)
		w.ok(err)
		w.service = again
		w.settles()
		w.wants("a@mail.example: A passkey was added", "a@mail.example: A passkey was removed")
	})
}

func TestJobsKeepTheOrderOfTheLog(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		var want []string
		for i := range 500 + 20 { // more than one batch
			want = append(want, w.does(acc.ID, "key.added", "key_1", map[string]string{"key": fmt.Sprint(i)}))
		}
		w.follows()
		var got []string
		w.ok(w.db.View(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Rows(`SELECT payload FROM job_job WHERE state = 'due' ORDER BY run_at, id`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var p string
				if err := rows.Scan(&p); err != nil {
					return err
				}
				_, id, _ := strings.Cut(p, `"event":"`)
				got = append(got, id[:30])
			}
			return rows.Err()
		}))
		if !slices.Equal(got, want) {
			t.Error("jobs are not in the order of the log")
		}
	})
}

func TestTemporaryFailureIsTriedAgainUnderTheSameMessageID(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		var ids []string
		w.post.failWith(func(m Message) error {
			if ids = append(ids, m.ID); len(ids) < 3 {
				return errors.New("451 come back later")
			}
			return nil
		})
		id := w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.settles()
		w.wants()
		for range 4 {
			w.clock.pass(10 * time.Second)
			w.works()
		}
		w.wants("a@mail.example: A passkey was added")
		if len(ids) != 3 || ids[0] != ids[2] || !strings.HasPrefix(ids[0], id+".") {
			t.Errorf("Message-IDs: %q", ids)
		}
		if got := w.told(acc.ID); !slices.Contains(got, "key_added sent") {
			t.Errorf("told: %q", got)
		}
	})
}

func TestPermanentFailureStopsAndIsRecorded(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		tries := 0
		w.post.failWith(func(Message) error {
			tries++
			return &Refusal{Code: 550, Status: "5.1.1", Step: "recipient"}
		})
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.settles()
		w.clock.pass(3 * time.Hour)
		w.works()
		if tries != 1 {
			t.Errorf("%d tries of a mail that was refused for good", tries)
		}
		w.ok(w.db.View(t.Context(), func(tx *store.Tx) error {
			lines, err := w.service.Told(tx, acc.ID, 1)
			if err != nil {
				return err
			}
			if l := lines[0]; l.State != stateRefused || !strings.Contains(l.Detail, "550 5.1.1") {
				t.Errorf("recorded as %s: %q", l.State, l.Detail)
			}
			dead, err := job.DeadJobs(tx, 10)
			if len(dead) != 1 || !strings.Contains(dead[0].LastError, "550") {
				t.Errorf("dead jobs: %+v", dead)
			}
			return err
		}))

		// The mailbox is repaired and an operator revives the job.
		w.post.failWith(nil)
		w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			dead, err := job.DeadJobs(tx, 1)
			if err != nil {
				return err
			}
			_, err = job.Revive(tx, dead[0].ID)
			return err
		}))
		w.works()
		w.wants("a@mail.example: A passkey was added")
	})
}

func TestALimitedMailIsNotCountedTwiceWhenItIsTriedAgain(t *testing.T) {
	each(t, func(w *world) {
		fail := true
		w.post.failWith(func(Message) error {
			if fail {
				return errors.New("421 busy")
			}
			return nil
		})
		w.signsUp("slow@mail.example", "en")
		w.settles()
		for range 3 {
			w.clock.pass(time.Minute)
			w.works()
		}
		fail = false
		w.clock.pass(time.Minute)
		w.works()
		w.signsUp("slow@mail.example", "en")
		w.signsUp("slow@mail.example", "en")
		w.settles()
		if n := len(w.post.Mails()); n != 3 {
			t.Errorf("%d mails of three", n)
		}
	})
}

func TestSweepForgetsCountersAndOldLines(t *testing.T) {
	each(t, func(w *world) {
		w.signsUp("a@mail.example", "en")
		w.settles()
		count := func(table string) (n int) {
			w.ok(w.db.Get(t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
			return n
		}
		w.clock.pass(2 * time.Hour)
		w.ok(w.db.Housekeeping(t.Context(), w.service.Sweep))
		if count("notify_rate") != 0 || count("notify_sent") != 1 {
			t.Errorf("%d counters, %d lines", count("notify_rate"), count("notify_sent"))
		}
		w.clock.pass(91 * 24 * time.Hour)
		w.ok(w.db.Housekeeping(t.Context(), w.service.Sweep))
		if count("notify_sent") != 0 {
			t.Error("old lines stay")
		}
	})
}

// TestRunDeliversByItself is the one story with the loops as they run in a server.
func TestRunDeliversByItself(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("a@mail.example", "en")
		ctx, stop := context.WithCancel(t.Context())
		runner := job.NewRunner(w.db, slog.New(slog.DiscardHandler), map[string]job.Handler{JobKind: w.service.Deliver})
		parts := w.service.Parts
		parts.Kick = runner.Kick
		s, err := New(parts, w.service.cfg)
		w.ok(err)
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		all.Go(func() { _ = runner.Run(ctx) })
		all.Go(func() { s.Run(ctx, func(err error) { t.Error(err) }) })
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.ok(w.sealer.Seal(t.Context()))
		for deadline := time.Now().Add(10 * time.Second); len(w.post.Mails()) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no mail")
			}
		}
		w.wants("a@mail.example: A passkey was added")
	})
}
