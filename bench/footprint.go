package main

import (
	"context"
	"os"
	"time"
)

// What the server weighs: the binary, the memory of a server nobody talks to, and
// how long a restart keeps people waiting.

const (
	idleAfter = 10 * time.Second
	starts    = 5
)

func (b *bench) footprint(ctx context.Context) error {
	fi, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	d, err := b.deploy(ctx, "footprint", "")
	if err != nil {
		return err
	}
	defer func() { d.stop() }()
	// The first start makes the keys; people wait for the later ones.
	if _, err := d.start(ctx); err != nil {
		return err
	}
	var ready []float64
	for range starts {
		if err := d.stop(); err != nil {
			return err
		}
		took, err := d.start(ctx)
		if err != nil {
			return err
		}
		b.say("  ready in %s", took.Round(time.Millisecond))
		ready = append(ready, millis(took))
	}
	if err := sleep(ctx, idleAfter); err != nil {
		return err
	}
	rss, err := residentMB(d.server.pid())
	if err != nil {
		return err
	}
	const part = "footprint"
	b.add(
		figure{Part: part, Name: "binary", Ours: float64(fi.Size()) / 1e6, Unit: "MB", AtMost: 40, Remark: "-trimpath -ldflags='-s -w'"},
		figure{Part: part, Name: "resident memory, idle", Ours: rss, Unit: "MB", AtMost: 40, Remark: "10 s after the start, empty SQLite database, demo off"},
		figure{Part: part, Name: "ready after", Ours: median(ready), Unit: "ms", AtMost: 150, Remark: "process start to the first 200 of /readyz"},
	)
	return nil
}
