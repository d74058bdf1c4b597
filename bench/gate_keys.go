package main

import (
	"context"
	"errors"
	"runtime"

	"keyward/internal/apikey"
	"keyward/internal/store"
)

// Many keys: what each of them costs in memory once it was used, whether finding one
// among a million takes longer, and whether a server that has them starts later.

func (b *bench) manyKeys(ctx context.Context) error { return b.gateKeys(ctx, 1_000_000) }

func (b *bench) gateKeys(ctx context.Context, n int) (err error) {
	d, err := b.deploy(ctx, "gate-"+slug("many", n), "")
	if err != nil {
		return err
	}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	shut := false
	defer func() {
		if !shut {
			err = errors.Join(err, c.db.Close())
		}
	}()
	b.say("  loading %s keys", count(n))
	bots, err := c.loadBots(ctx, n, apikey.HMACSHA256)
	if err != nil {
		return err
	}
	keys := c.botKeys()
	before := living()
	const chunk = 4096
	for i := 0; i < n; i += chunk {
		some := bots[i:min(i+chunk, n)]
		for _, q := range asks(some, len(some)) {
			if _, no := keys.Verify(ctx, q, looks); no != nil {
				return no
			}
		}
		if err := keys.Flush(ctx); err != nil { // the story of a minute is no part of a key
			return err
		}
	}
	each := float64(living()-before) / float64(n)
	few := c.botKeys()
	s, err := b.rounds(ctx, verified("among 4 k keys", few, bots[:min(4096, n)], 4096, false), verified("among "+count(n), keys, bots, min(n, 1<<18), false))
	if err != nil {
		return err
	}
	runtime.KeepAlive(bots)
	shut = true
	if err := c.db.Close(); err != nil {
		return err
	}
	if _, err := d.start(ctx); err != nil { // the first start makes the keys of the server
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	ready, err := d.start(ctx)
	if err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	part := "gate, " + count(n) + " keys"
	b.add(
		figure{Part: part, Name: "memory of a key in use", Ours: each, Unit: "B", AtMost: 400, Remark: "with its speed and a quarter of its account; its story goes to the database"},
		against(figure{Part: part, Name: "HMAC check among them", Of: "ours among 4 k keys", Least: 0.9, Remark: "0.95 is asked for at a million; less than a tenth is noise"}, s[1], s[0]),
		figure{Part: part, Name: "ready after", Ours: millis(ready), Unit: "ms", AtMost: 150, Remark: "keys are read when they are first used"},
	)
	return nil
}

// living is what is reachable, in bytes.
func living() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools give back what they hold at the second one
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (c *core) housekeep(ctx context.Context, q string, args ...any) error {
	return c.db.Housekeeping(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	})
}
