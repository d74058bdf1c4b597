package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Durability, held against kill -9: the server dies at a random moment while
// people refresh, comes back, and everybody goes on with the newest token they
// were given. An acknowledged refresh that was lost would show as a refused
// token; so would a token that was turned without an answer and is not answered
// again (DESIGN §6.3). At the end the whole log must verify.

const (
	killPeers = 16
	lifetime  = 150 * time.Millisecond // between ready and dead, on average
)

func (b *bench) killsSQLite(ctx context.Context) error { return b.killsOn(ctx, "SQLite", "") }

func (b *bench) killsPostgres(ctx context.Context) error {
	c, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	url, err := c.database(ctx)
	if err != nil {
		return err
	}
	return b.killsOn(ctx, "PostgreSQL", url)
}

func (b *bench) killsOn(ctx context.Context, on, url string) (err error) {
	t, err := b.populate(ctx, "kills-"+slug(on, 0), url, population{rows: 1000, used: 1000})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	people := t.plain(killPeers)
	answered, refused := 0, 0
	for k := range b.kills {
		n, lost, err := t.live(ctx, people, lifetime/2+rand.N(lifetime))
		answered += n
		refused += lost
		if err != nil {
			return fmt.Errorf("after %d kills: %w", k, err)
		}
		if _, err := t.start(ctx); err != nil {
			return fmt.Errorf("after %d kills: %w", k+1, err)
		}
		if (k+1)%50 == 0 {
			b.say("  %s: %d kills, %d refreshes answered, %d refused", on, k+1, answered, refused)
		}
	}
	// Everybody once more, also those whose turn it was not in the last life.
	for i := range people {
		for _, s := range people[i].(*refresher).seats {
			lost, err := t.once(s)
			if err != nil {
				return err
			}
			refused += lost
		}
	}
	verified := 0
	if err := t.verify(ctx); err != nil {
		b.say("  the log does not verify: %v", err)
		verified = 1
	}
	part := "kill -9, " + on
	b.add(
		figure{Part: part, Name: "answered refreshes that were lost", Ours: float64(refused), Unit: "tokens", Zero: true, Remark: fmt.Sprintf("%d kills, %s refreshes answered between them", b.kills, thousands(int64(answered)))},
		figure{Part: part, Name: "logs that do not verify", Ours: float64(verified), Unit: "logs", Zero: true, Remark: "keyward audit verify, afterwards"},
	)
	return nil
}

// live lets people refresh until the server is killed. It returns how many were
// answered and how many refused.
func (t *town) live(ctx context.Context, people []script, d time.Duration) (answered, refused int, err error) {
	var yes, no atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		each(len(people), func(i int) {
			w, err := dial(t.public)
			if err != nil {
				return // killed before the first
			}
			defer w.c.Close()
			r := people[i].(*refresher)
			for first := true; ; first = false {
				if !first || r.now == nil {
					r.now = r.seats[rand.IntN(len(r.seats))]
				} // else: whoever was left without an answer tries again
				a, err := w.do(r.ask(nil))
				if err != nil {
					return
				}
				if r.see(a) != nil {
					no.Add(1)
				}
				yes.Add(1)
			}
		})
	}()
	if err := sleep(ctx, d); err != nil {
		return 0, 0, err
	}
	if err := t.server.ended(); err != nil {
		return 0, 0, err // by itself
	}
	err = t.server.cmd.Process.Kill()
	<-t.server.died
	t.server = nil
	<-done
	return int(yes.Load()), int(no.Load()), err
}

// once refreshes one person and reports 1 when they are refused.
func (t *town) once(s *seat) (refused int, err error) {
	w, err := dial(t.public)
	if err != nil {
		return 0, err
	}
	defer w.c.Close()
	r := &refresher{host: t.host(), origin: t.origin(), now: s}
	a, err := w.do(r.ask(nil))
	if err != nil {
		return 0, err
	}
	if r.see(a) != nil {
		return 1, nil
	}
	return 0, nil
}

// sealerTakesOver: a sealer that was killed is believed alive for two seconds.
const sealerTakesOver = 5 * time.Second

// verify stops the server and has its log exported and verified by the binary.
func (d *deployment) verify(ctx context.Context) error {
	if err := sleep(ctx, sealerTakesOver); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	file := filepath.Join(d.dir, "export")
	for _, args := range [][]string{{"audit", "export", file}, {"audit", "verify", file}} {
		said, err := exec.CommandContext(ctx, d.binary, append([]string{"-c", d.config()}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, said)
		}
	}
	return nil
}
