package account_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

func (w *world) once(client, key, body string, run func() (int, []byte, error)) (account.Answer, error) {
	return w.accounts.Once(context.Background(), w.db, client, key, sha256.Sum256([]byte(body)), run)
}

func answer(status int, body string) func() (int, []byte, error) {
	return func() (int, []byte, error) { return status, []byte(body), nil }
}

func TestARetryGetsTheFirstAnswer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, err := w.once("c1", "k1", "{}", answer(201, "first"))
		w.must(err)
		if a.Replayed || a.Status != 201 || string(a.Body) != "first" {
			t.Errorf("the first: %+v", a)
		}
		a, err = w.once("c1", "k1", "{}", answer(500, "never run"))
		w.must(err)
		if !a.Replayed || a.Status != 201 || string(a.Body) != "first" {
			t.Errorf("the retry: %+v", a)
		}
		if _, err := w.once("c1", "k1", `{"other":1}`, answer(201, "x")); !errors.Is(err, account.ErrOnceOtherBody) {
			t.Errorf("another body: %v", err)
		}
		if a, err := w.once("c2", "k1", "{}", answer(201, "second")); err != nil || a.Replayed {
			t.Errorf("another client with the same key: %+v, %v", a, err)
		}
		for name, key := range map[string]string{"with NUL": "a\x00", "very long": strings.Repeat("k", 256), "a line break": "a\n"} {
			if _, err := w.once("c1", key, "{}", answer(200, "")); !errors.Is(err, account.ErrInvalid) {
				t.Errorf("a key %s: %v", name, err)
			}
		}
		if _, err := w.once("c1", "", "{}", answer(200, "")); !errors.Is(err, account.ErrOnceMissing) {
			t.Errorf("no key: %v", err)
		}
		if a, err := w.once("c1", "empty", "{}", answer(204, "")); err != nil || a.Status != 204 {
			t.Errorf("an empty answer: %+v, %v", a, err)
		}
		if a, err := w.once("c1", "empty", "{}", answer(200, "x")); err != nil || !a.Replayed || len(a.Body) != 0 {
			t.Errorf("an empty answer again: %+v, %v", a, err)
		}
	})
}

func TestARequestRunsOnceHoweverManySendIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var ran, got, busy atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				a, err := w.once("c1", "k1", "{}", func() (int, []byte, error) {
					ran.Add(1)
					time.Sleep(20 * time.Millisecond)
					return 201, []byte("made"), nil
				})
				switch {
				case err == nil && string(a.Body) == "made":
					got.Add(1)
				case errors.Is(err, account.ErrOnceInProgress):
					busy.Add(1)
				default:
					t.Error(a, err)
				}
			})
		}
		wg.Wait()
		if ran.Load() != 1 || got.Load() < 1 || got.Load()+busy.Load() != 16 {
			t.Errorf("ran %d times, %d answers, %d told to wait", ran.Load(), got.Load(), busy.Load())
		}
	})
}

func TestARefusedRequestMayBeSentAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		boom := errors.New("the exchange is asleep")
		if _, err := w.once("c1", "k1", "{}", func() (int, []byte, error) { return 0, nil, boom }); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = w.once("c1", "k1", "{}", func() (int, []byte, error) { panic("a bug") })
		}()
		if a, err := w.once("c1", "k1", "{}", answer(201, "made")); err != nil || a.Replayed {
			t.Errorf("after an error and a panic: %+v, %v", a, err)
		}
	})
}

func TestAClientThatLeavesStillGetsItsAnswerLater(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, leave := context.WithCancel(context.Background())
		_, err := w.accounts.Once(ctx, w.db, "c1", "k1", [32]byte{}, func() (int, []byte, error) {
			leave()
			return 201, []byte("made"), nil
		})
		w.must(err)
		a, err := w.accounts.Once(context.Background(), w.db, "c1", "k1", [32]byte{}, answer(500, ""))
		if err != nil || !a.Replayed || a.Status != 201 {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestAnswersAreSealedAndForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, err := w.once("c1", "k1", "{}", answer(201, "kwk_secret_shown_once"))
		w.must(err)
		w.view(func(tx *store.Tx) error {
			var body []byte
			err := tx.Row(`SELECT body FROM account_idempotency`).Scan(&body)
			if len(body) == 0 || strings.Contains(string(body), "secret") {
				t.Errorf("stored %q", body)
			}
			return err
		})
		sweep := func() { w.must(w.db.Housekeeping(context.Background(), w.accounts.Sweep)) }
		w.sleep(24 * time.Hour)
		sweep()
		if a, err := w.once("c1", "k1", "{}", answer(500, "")); err != nil || !a.Replayed {
			t.Errorf("within the day: %+v, %v", a, err)
		}
		w.sleep(time.Second)
		sweep()
		if a, err := w.once("c1", "k1", "{}", answer(201, "anew")); err != nil || a.Replayed {
			t.Errorf("a day later: %+v, %v", a, err)
		}
	})
}
