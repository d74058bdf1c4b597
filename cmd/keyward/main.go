package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Exit codes (sysexits where they fit); documented, never changed.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitUnavailable = 69
	exitTryAgain    = 75
	exitPermission  = 77
	exitConfig      = 78
)

// cli is every subcommand with its help.
type cli struct {
	Config string `short:"c" help:"Configuration file." default:"keyward.yaml" type:"path"`
	JSON   bool   `name:"json" help:"Answer as JSON."`

	Serve   serveCmd   `cmd:"" help:"Serve pages and API."`
	Gate    gateCmd    `cmd:"" help:"Check API keys in front of your API, as a process of its own (PostgreSQL)."`
	Demo    demoCmd    `cmd:"" help:"Run everything on this machine with a throw-away database: pages, API, a demo exchange, a mail catcher and the stage."`
	Conf    configCmd  `cmd:"" name:"config" help:"Check or print the configuration."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this version's schema."`
	Doctor  doctorCmd  `cmd:"" help:"Look for what would keep people from signing in."`
	Account accountCmd `cmd:"" help:"Look up, freeze, close or erase an account."`
	Session sessionCmd `cmd:"" help:"List and end sessions."`
	Client  clientCmd  `cmd:"" help:"Register apps, list them, switch them off."`
	Passkey passkeyCmd `cmd:"" help:"Try lists and rules on the keys that people sign in with."`
	Key     keyCmd     `cmd:"" help:"Look at API keys, end them, bring them in, lay out traps."`
	KEK     kekCmd     `cmd:"" name:"kek" help:"Look at the key that wraps the server's keys, and move to another one."`
	Keys    keysCmd    `cmd:"" help:"Rotate the server's own keys."`
	Audit   auditCmd   `cmd:"" help:"Export, follow and verify the log."`
	Restore restoreCmd `cmd:"" help:"Take responsibility for a restored database."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// env is what subcommands get.
type env struct {
	ctx    context.Context
	cli    *cli
	stdout io.Writer
	stderr io.Writer
	level  *slog.LevelVar
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// relax lets a server's heap grow to five times what lives in it before it is collected,
// instead of twice: what lives is small and short, and that gives back a tenth of the
// processor under load (docs/performance.md). What the start left behind goes first, so
// that it is not kept for that.
func relax(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.FreeOSMemory()
	debug.SetGCPercent(400)
	go settle(ctx)
}

// settle gives back what the loops of a server that nobody asks leave lying: with a heap
// that may grow to five times what lives, that would be all of it before it is collected
// once. A server that is asked collects by itself, and one that remembers much is left
// alone: a collection would cost more than it gives.
func settle(ctx context.Context) {
	const small = 64 << 20
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	seen := m.NumGC - m.NumForcedGC        // those that nobody asked for
	wait := time.NewTimer(4 * time.Second) // the first looks of all loops are over
	defer wait.Stop()
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if first {
			dropStart()
		}
		runtime.ReadMemStats(&m)
		now := m.NumGC - m.NumForcedGC
		if now == seen && m.HeapAlloc < small {
			debug.FreeOSMemory()
		}
		seen = now
		wait.Reset(time.Minute)
	}
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	asked := false // for help: kong wants to exit there, and would find fault with the rest if it does not
	parser, err := kong.New(&c, kong.Name("keyward"), kong.Writers(stdout, stderr),
		kong.Description("Account security for exchanges, wallets and trading platforms."),
		kong.UsageOnError(), kong.Exit(func(int) { asked = true }))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailure
	}
	k, err := parser.Parse(args)
	if asked {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "keyward:", err)
		return exitUsage
	}
	if err := k.Run(&env{ctx: ctx, cli: &c, stdout: stdout, stderr: stderr, level: new(slog.LevelVar)}); err != nil {
		fmt.Fprintln(stderr, "keyward:", edge.Scrub(err.Error()))
		return exitCode(err)
	}
	return exitOK
}

// exitCode sorts errors into the documented codes.
func exitCode(err error) int {
	var faults config.Faults
	switch {
	case errors.As(err, &faults), isAny(err, keyring.ErrKeyMissing, keyring.ErrKeyExists, keyring.ErrKeyReadable, keyring.ErrKeyFolder,
		keyring.ErrKeyLink, keyring.ErrKeyOwner, keyring.ErrKeySize, keyring.ErrKeyForeign, keyring.ErrSealed, keyring.ErrRootLost,
		keyring.ErrKEKOther, keyring.ErrKEKRefused, keyring.ErrKEKUnbound, keyring.ErrKEKSettings, keyring.ErrNoPKCS11,
		errCertificate, store.ErrSchemaNewer, store.ErrSchemaOlder, audit.ErrBehindAnchor, audit.ErrAnchorForeign):
		return exitConfig
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrBusy):
		return exitTryAgain
	case errors.Is(err, os.ErrPermission):
		return exitPermission
	case errors.Is(err, errUnavailable), errors.Is(err, keyring.ErrKEKUnavailable), errors.Is(err, store.ErrUnwritable):
		return exitUnavailable
	}
	return exitFailure
}

var errUnavailable = errors.New("unavailable")

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// load reads the configuration.
func (e *env) load() (config.Loaded, error) { return config.Load(e.cli.Config, os.Environ()) }

// logger writes to standard error; edge.Redact keeps secrets out of it.
func (e *env) logger(l config.Log) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) == nil {
		e.level.Set(level)
	}
	opts := &slog.HandlerOptions{Level: e.level}
	var h slog.Handler = slog.NewTextHandler(e.stderr, opts)
	if l.Format == "json" {
		h = slog.NewJSONHandler(e.stderr, opts)
	}
	return slog.New(edge.Redact(h))
}

// core opens database and keys for a subcommand.
func (e *env) core() (*core, error) {
	l, err := e.load()
	if err != nil {
		return nil, err
	}
	return openCore(e.ctx, l.Config, e.logger(l.Config.Log))
}

// behold opens database and keys for a subcommand that only looks.
func (e *env) behold() (*core, error) {
	l, err := e.load()
	if err != nil {
		return nil, err
	}
	return beholdCore(e.ctx, l.Config, e.logger(l.Config.Log))
}
