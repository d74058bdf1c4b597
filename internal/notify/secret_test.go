package notify

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"keyward/internal/job"
	"keyward/internal/store"
)

// dump is everything the database holds, as text.
func (w *world) dump() string {
	w.t.Helper()
	var out strings.Builder
	w.ok(w.db.View(w.t.Context(), func(tx *store.Tx) error {
		strs := func(q string, args ...any) (list []string) {
			rows, err := tx.Rows(q, args...)
			w.ok(err)
			defer rows.Close()
			for rows.Next() {
				var s string
				w.ok(rows.Scan(&s))
				list = append(list, s)
			}
			w.ok(rows.Err())
			return list
		}
		if w.db.Dialect() == store.PostgreSQL {
			for _, table := range strs(`SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()`) {
				out.WriteString(strings.Join(strs(`SELECT row_to_json(t)::text FROM `+table+` t`), "\n"))
			}
			return nil
		}
		for _, table := range strs(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`) {
			cols := strs(`SELECT 'quote(' || name || ')' FROM pragma_table_info($1)`, table)
			out.WriteString(strings.Join(strs(`SELECT `+strings.Join(cols, ` || ' ' || `)+` FROM `+table), "\n"))
		}
		return nil
	}))
	return out.String()
}

// TestNoLinkIsInAnyRowOrLog: whoever reads the database or the log can neither
// confirm an address nor freeze an account. Mails fail on their way, too, because
// error texts are where secrets like to hide.
func TestNoLinkIsInAnyRowOrLog(t *testing.T) {
	each(t, func(w *world) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		acc := w.owner("canary@mail.example", "en")
		w.signsUp("second@mail.example", "en")
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			return w.service.AskFreezeLink(tx, by(""), "canary@mail.example", "Chrome on Windows")
		}))
		var seen []Message
		var final bool
		w.post.failWith(func(m Message) error {
			seen = append(seen, m)
			if final {
				return &Refusal{Code: 554, Step: "content"}
			}
			return errors.New("451 try " + m.To + " later: " + m.Text)
		})
		w.follows()
		var payloads []string
		w.ok(w.db.View(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Rows(`SELECT payload FROM job_job WHERE state = 'due'`)
			w.ok(err)
			defer rows.Close()
			for rows.Next() {
				var p string
				w.ok(rows.Scan(&p))
				payloads = append(payloads, p)
			}
			return rows.Err()
		}))
		for _, p := range payloads {
			err := w.service.Deliver(t.Context(), []byte(p))
			var f *job.Failure
			if !errors.As(err, &f) || f.Final {
				t.Fatalf("a mail that may pass later ended with %v", err)
			}
			logger.Warn(f.Text) // what a job row keeps
		}
		w.works()
		before := w.dump()
		final = true
		for _, p := range payloads {
			if err := w.service.Deliver(t.Context(), []byte(p)); err == nil {
				t.Fatal("a refused mail ended well")
			} else {
				logger.Error("a job failed", "error", err)
			}
		}
		rows := before + w.dump()

		links := 0
		for _, m := range seen {
			for _, part := range []string{verifyPath, freezePath} {
				for rest := m.Text; ; {
					_, after, found := strings.Cut(rest, part)
					if !found {
						break
					}
					token, more, _ := strings.Cut(after, "\n")
					rest = more
					_, secret, _ := strings.Cut(token, ".")
					links++
					if strings.Contains(rows, secret) {
						t.Errorf("a row holds the link of %q", m.Subject)
					}
					if strings.Contains(log.String(), secret) {
						t.Errorf("the log holds the link of %q", m.Subject)
					}
				}
			}
		}
		if links < 6 {
			t.Fatalf("only %d links were looked for", links)
		}
		for _, word := range []string{"We never send", "mail/verify", "freeze/link"} {
			if strings.Contains(rows, word) {
				t.Errorf("a row holds a mail: %q", word)
			}
		}
		if strings.Contains(log.String(), "mail.example") {
			t.Errorf("an address is in the log:\n%s", log.String())
		}
	})
}
