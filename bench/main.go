package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	dir     string // temporary, on the disk that is measured
	binary  string // keyward, built as `make build` does
	nRounds int
	span    time.Duration // of one closed loop
	many    int           // sessions of the grown database
	grown   float64       // what share of the small one's rate it must keep
	events  int           // of the grown log
	kills   int
	cluster *cluster
	report  report
}

// part is a group of figures that can be measured alone.
type part struct {
	name    string
	measure func(*bench, context.Context) error
}

var parts = []part{
	{"footprint", (*bench).footprint}, // first: nothing has warmed the machine up, and the binary is needed anyway
	{"check", (*bench).check},
	{"gate", (*bench).gate},
	{"gate-postgres", (*bench).gatePostgres},
	{"refresh-sqlite", (*bench).refreshSQLite},
	{"refresh-postgres", (*bench).refreshPostgres},
	{"grants-sqlite", (*bench).grantsSQLite},
	{"grants-postgres", (*bench).grantsPostgres},
	{"tokens", (*bench).tokens},
	{"rs", (*bench).verify},
	{"signin", (*bench).signIn},
	{"touch", (*bench).touches},
	{"evidence", (*bench).evidence},
	{"audit", (*bench).auditLog},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	var (
		asJSON = flag.Bool("json", false, "print JSON instead of tables")
		only   = flag.String("only", "", "measure these parts only, separated by commas: "+strings.Join(names(), ", "))
		dir    = flag.String("dir", "", "measure on the disk of this folder (default: the system's temporary one)")
		rounds = flag.Int("rounds", 5, "rounds; a ratio is their median")
		span   = flag.Duration("span", 1500*time.Millisecond, "how long one closed loop runs")
		soak   = flag.Bool("soak", false, "the long figures: ten million sessions, many kills")
		kills  = flag.Int("kills", 500, "how often the server is killed (soak)")
		checks = flag.String("serve-checks", "", "serve the session check for a parent (internal)")
		gates  = flag.String("serve-gate", "", "serve the gate for a parent (internal)")
		gateDB = flag.String("serve-gate-db", "", "on this database (internal)")
	)
	flag.Parse()
	if *gates != "" {
		return serveGate(ctx, *gates, *gateDB)
	}
	if *checks != "" {
		return serveChecks(ctx, *checks)
	}
	b := &bench{nRounds: max(*rounds, 1), span: *span, many: manyRows, grown: 0.7, events: manyRows, kills: *kills}
	b.report = report{At: time.Now().UTC(), Machine: thisMachine(), Rounds: b.nRounds}
	chosen := parts
	if *soak {
		chosen = soakParts
		b.long()
	}
	chosen, err := choose(chosen, *only)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(*dir, "keyward-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	// The user that runs PostgreSQL passes through here; folders inside are closed.
	if err := os.Chmod(b.dir, 0o711); err != nil {
		return err
	}
	b.binary = b.path("keyward")
	b.say("building keyward")
	if err := goBuild(ctx, b.binary, "./cmd/keyward"); err != nil {
		return err
	}
	defer func() { b.cluster.stop() }()
	for _, p := range chosen {
		b.say("%s", p.name)
		switch err := p.measure(b, ctx); {
		case errors.Is(err, errNoPostgres):
			b.report.Skipped = append(b.report.Skipped, p.name+": "+err.Error())
		case err != nil:
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.report.Took = time.Since(b.report.At).Round(time.Second).String()
	if *asJSON {
		return b.report.json(os.Stdout)
	}
	b.report.text(os.Stdout)
	return nil
}

func names() (out []string) {
	for _, p := range slices.Concat(parts, soakParts) {
		if !slices.Contains(out, p.name) {
			out = append(out, p.name)
		}
	}
	return out
}

// choose keeps the parts that were asked for.
func choose(all []part, only string) ([]part, error) {
	if only == "" {
		return all, nil
	}
	var out []part
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q here; there are: %s", name, strings.Join(names(), ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

func (b *bench) add(f ...figure) { b.report.Figures = append(b.report.Figures, f...) }

// say tells whoever waits what happens; the tables go to standard output.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// postgres starts the cluster when it is first needed.
func (b *bench) postgres(ctx context.Context) (*cluster, error) {
	if b.cluster != nil {
		return b.cluster, nil
	}
	c, err := startCluster(ctx, b.path("pg"))
	if err != nil {
		return nil, err
	}
	b.cluster = c
	return c, nil
}

// slug names a folder.
func slug(on string, rows int) string {
	return strings.ToLower(on) + "-" + strings.ReplaceAll(count(rows), " ", "")
}

// count says a number of rows shortly.
func count(n int) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%g M", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%g k", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// each runs f for 0 to n-1 at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
