package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"keyward/internal/account"
	"keyward/internal/api"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/confirm"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/gate"
	"keyward/internal/job"
	"keyward/internal/keyring"
	"keyward/internal/notify"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/staff"
	"keyward/internal/store"
	"keyward/internal/web"
)

// core is what every subcommand that touches the database needs.
type core struct {
	cfg  config.Config
	db   *store.DB
	ring *keyring.Ring // nil at a gate of its own that has only a safe
	safe *keyring.Safe // nil: that of the ring
	log  *audit.Log

	maker *x509.Certificate // nil: the makers' own roots; a demo's phones have another
}

// openCore opens database and keys. It creates the root key file only for a
// database that holds nothing yet: a missing file beside a used database means
// it was lost or not mounted, and a new one could open nothing.
func openCore(ctx context.Context, cfg config.Config, logger *slog.Logger) (*core, error) {
	db, err := store.Open(ctx, store.Options{URL: cfg.Database.URL, MaxConns: cfg.Database.MaxConns, Logger: logger})
	if err != nil {
		return nil, err
	}
	ring, err := openRing(ctx, cfg, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &core{cfg: cfg, db: db, ring: ring, log: audit.New(ring)}, nil
}

// beholdCore opens database and keys for looking only, beside a running server.
// It makes nothing, so there must be keys.
func beholdCore(ctx context.Context, cfg config.Config, logger *slog.Logger) (*core, error) {
	db, err := store.Behold(ctx, store.Options{URL: cfg.Database.URL, MaxConns: 2, Logger: logger})
	if err != nil {
		return nil, err
	}
	ring, err := beholdRing(ctx, cfg, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &core{cfg: cfg, db: db, ring: ring, log: audit.New(ring)}, nil
}

// errUnserved: keys are made by the first start and by nothing that only looks.
var errUnserved = errors.New("this database was never served: the first `keyward serve` makes its keys")

func beholdRing(ctx context.Context, cfg config.Config, db *store.DB) (*keyring.Ring, error) {
	used, err := keyring.HasRoot(ctx, db)
	if err != nil {
		return nil, err
	}
	if !used {
		return nil, errUnserved
	}
	kek, err := openKEK(cfg, db.Now)
	if err != nil {
		return nil, err
	}
	return keyring.Open(ctx, kek, db, db.Now)
}

func openRing(ctx context.Context, cfg config.Config, db *store.DB) (*keyring.Ring, error) {
	kek, err := openKEK(cfg, db.Now)
	if errors.Is(err, keyring.ErrKeyMissing) {
		used, err2 := keyring.HasRoot(ctx, db)
		if err2 != nil || used {
			return nil, errors.Join(err, err2)
		}
		if err := keyring.CreateKeyFile(cfg.KeyFile); err != nil {
			return nil, err
		}
		kek, err = openKEK(cfg, db.Now)
	}
	if err != nil {
		return nil, err
	}
	return keyring.Open(ctx, kek, db, db.Now)
}

// domains are the floors between the log and HTTP, wired once.
type domains struct {
	accounts *account.Service
	devices  *device.Service
	sessions *session.Service
	signin   *signin.Service
	botKeys  *apikey.Service
	contain  *contain.Service
	mint     *session.Mint
	oauth    *oauth.Service
	confirm  *confirm.Service
	watch    *audit.Watch
}

func (c *core) domains(met session.Metrics, transport http.RoundTripper, bots botAlarms) (*domains, error) {
	host, _ := os.Hostname()
	d := &domains{accounts: account.New(c.log, c.ring)}
	apps, err := phoneApps(c.cfg.Apps)
	if err != nil {
		return nil, err
	}
	known := device.Config{RPID: c.cfg.RP.ID, RPName: c.cfg.RP.Name, Origins: c.cfg.RP.Origins, Now: c.db.Now, Ask: c.cfg.Attestation.Ask, Apps: apps, Least: least(c.cfg.StepUp)}
	if c.maker != nil {
		known.AndroidRoots, known.AppleRoot = []*x509.Certificate{c.maker}, c.maker
	}
	d.devices, err = device.New(known, c.ring, c.log)
	if err != nil {
		return nil, err
	}
	d.watch = audit.NewWatch(c.db, c.log, host, time.Now)
	d.watch.OfflineFor = c.cfg.Sessions.Access
	d.sessions = session.New(c.db, c.ring, c.log, lifetimes(c.cfg), d.watch.Valid, met)
	d.watch.OnEffect(d.sessions.Heard)
	d.signin = signin.New(signin.Parts{DB: c.db, Ring: c.ring, Log: c.log, Accounts: d.accounts, Devices: d.devices, Sessions: d.sessions, SelfSignUp: c.cfg.SelfSignUp})
	d.botKeys = c.newBotKeys(d, bots)
	d.watch.OnEffect(d.botKeys.Heard)
	d.contain = contain.New(c.db, c.log, d.accounts, d.devices, d.sessions, d.botKeys, d.watch)
	d.contain.AlsoErase(d.signin.Erase)
	d.contain.AlsoErase(d.botKeys.Erase)
	d.contain.AlsoRestored(staff.Restored)
	d.contain.AlsoRestored(apikey.Restored)
	d.contain.AlsoRestored(account.RestoredSubs)
	d.mint = session.NewMint(c.ring, c.cfg.PublicURL, c.db.Now)
	d.oauth = oauth.New(oauth.Parts{
		DB: c.db, Log: c.log, Accounts: d.accounts, Sessions: d.sessions, SignIn: d.signin, Mint: d.mint, Access: c.cfg.Sessions.Access, Transport: transport,
		Rules: scopeRules(c.cfg.StepUp),
		Fresh: d.watch.Valid, Gates: d.watch,
	})
	d.watch.OnEffect(d.oauth.Heard)
	d.confirm, err = confirm.New(confirm.Parts{
		DB: c.db, Ring: c.ring, Log: c.log, Accounts: d.accounts, Devices: d.devices, Sessions: d.sessions, Mint: d.mint,
	}, confirmSettings(c.cfg.Confirm))
	if err != nil {
		return nil, err
	}
	d.contain.AlsoErase(d.confirm.Erase)
	return d, nil
}

func lifetimes(c config.Config) session.Lifetimes {
	return session.Lifetimes{Access: c.Sessions.Access, Idle: c.Sessions.Idle, Absolute: c.Sessions.Absolute, Remember: c.Sessions.Remember}
}

// botAlarms hear of API keys that are traps.
type botAlarms struct {
	logger  *slog.Logger
	trapped func(proved bool)
}

func (c *core) newBotKeys(d *domains, alarms botAlarms) *apikey.Service {
	return apikey.New(apikey.Parts{
		Logger: alarms.logger, Trapped: alarms.trapped,
		DB: c.db, Ring: c.ring, Safe: c.safe, Log: c.log, Accounts: d.accounts, Devices: d.devices, Fresh: d.watch.Valid,
		Lost: d.watch.Lost, Grace: c.cfg.Gate.Grace,
		Gates: func(ctx context.Context) error { _, err := d.watch.WaitGates(ctx, c.db.Now()); return err },
	})
}

// app is the running server.
type app struct {
	*core
	*domains
	logger   *slog.Logger
	metrics  *edge.Metrics
	edge     *edge.Edge
	web      *web.Server
	notify   *notify.Service
	sealer   *audit.Sealer
	refusals *audit.Refusals
	jobs     *job.Runner
	lists    *lists
	ops      *edge.Ops
	public   http.Handler

	operators *operators   // nil: they have no door here
	bots      http.Handler // the gate; nil: bots have no door here
	gate      *gate.Gate   // behind it
}

// extras are what a demo adds to the server it runs.
type extras struct {
	mailer    notify.Mailer
	templates string // read pages from this folder instead of the binary
	demo      bool
	routes    func(*http.ServeMux, *app) // more pages
	transport http.RoundTripper          // to apps
	maker     *x509.Certificate          // root of the demo's phones
}

func newApp(ctx context.Context, cfg config.Config, logger *slog.Logger, x extras) (*app, error) {
	c, err := openCore(ctx, cfg, logger)
	if err != nil {
		return nil, err
	}
	c.maker = x.maker
	a, err := c.build(ctx, logger, x)
	if err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return a, nil
}

func (c *core) build(ctx context.Context, logger *slog.Logger, x extras) (*app, error) {
	a := &app{core: c, logger: logger, metrics: edge.NewMetrics()}
	places, err := openPlaces(c.cfg.PlaceFile)
	if err != nil {
		return nil, err
	}
	if err := listsThere(c.cfg.Attestation); err != nil {
		return nil, err
	}
	if err := c.log.CheckAnchor(ctx, c.db, c.cfg.AnchorFile); err != nil {
		return nil, err
	}
	a.domains, err = c.domains(session.Metrics{
		Retry: a.metrics.RefreshRetry, Superseded: a.metrics.RefreshSuperseded, Mismatch: a.metrics.PoPMismatch, Reuse: a.metrics.Reuse,
		Device: a.metrics.DeviceKey,
	}, x.transport, botAlarms{logger, a.metrics.Honeytoken})
	if err != nil {
		return nil, err
	}
	a.lists = newLists(a)
	a.lists.look(ctx) // before the first registration is judged
	a.watch.LogTo(logger)
	a.sealer = audit.NewSealer(c.db, c.log, c.cfg.AnchorFile, time.Now, logger)

	if x.mailer == nil {
		if x.mailer, err = mailer(c.cfg.Mail, logger); err != nil {
			return nil, err
		}
	}
	a.notify, err = notify.New(notify.Parts{
		DB: c.db, Log: c.log, Ring: c.ring, Accounts: a.accounts, Mailer: x.mailer, Places: places, Kick: func() { a.jobs.Kick() },
	}, notify.Config{Origin: c.cfg.PublicURL, Brand: c.cfg.BrandName})
	if err != nil {
		return nil, err
	}
	a.jobs = job.NewRunner(c.db, logger, map[string]job.Handler{
		notify.JobKind: a.notify.Deliver, oauth.JobLogout: a.oauth.Logout, oauth.JobLogoutAll: a.oauth.LogoutAll,
	})

	render, err := web.NewRenderer(x.templates)
	if err != nil {
		return nil, err
	}
	a.refusals = audit.NewRefusals(c.db, c.log)
	a.edge, err = edge.New(edge.Options{
		Now: c.db.Now, Logger: logger, PublicURL: c.cfg.PublicURL, Proxies: c.cfg.TrustedProxies, Language: c.cfg.Languages.Default,
		CrossOrigin: slices.Concat(api.CrossSite, web.CrossSite), MaxBody: c.cfg.Limits.BodyBytes, Timeout: c.cfg.Limits.RequestTimeout,
		RateFactor: c.cfg.Limits.RateFactor, Metrics: a.metrics, Refused: a.refusals.Count,
		Pages: func(w http.ResponseWriter, r *http.Request, p edge.Problem) { a.web.Problem(w, r, p) },
	})
	if err != nil {
		return nil, err
	}
	a.web = web.NewServer(web.Parts{
		DB: c.db, Ring: c.ring, Log: c.log, Accounts: a.accounts, Devices: a.devices, Sessions: a.sessions, SignIn: a.signin,
		OAuth: a.oauth, Contain: a.contain, BotKeys: a.botKeys, Confirm: a.confirm, Notify: a.notify, Limiter: a.edge.Limiter, Renderer: render, Places: places, Logger: logger,
	}, pageSettings(c.cfg, x.demo))

	gitHub, err := openGitHubKeys(c.cfg.Leaks.GitHubKeysFile)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.web.Routes(mux, a.edge)
	apiServer := api.New(api.Parts{
		DB: c.db, Ring: c.ring, Log: c.log, Accounts: a.accounts, Devices: a.devices, Sessions: a.sessions, SignIn: a.signin,
		Contain: a.contain, OAuth: a.oauth, BotKeys: a.botKeys, Confirm: a.confirm, Limiter: a.edge.Limiter, Logger: logger,
	}, api.Settings{PublicURL: c.cfg.PublicURL, Backends: c.cfg.Backends, GitHub: gitHub})
	apiServer.Routes(mux, a.edge)
	api.NewOAuth(apiServer, a.oauth).Routes(mux, a.edge)
	if x.routes != nil {
		x.routes(mux, a)
	}
	a.public = a.edge.Handler(whileOpen(c.ring, c.db.Now, edge.Routes(mux)))
	if a.operators, err = a.newOperators(render); err != nil {
		return nil, err
	}
	g, err := c.newGate(a.domains, a.edge.Limiter, c.db.Now, logger)
	if err != nil {
		return nil, err
	}
	if g != nil {
		a.bots, a.gate = gateHandler(g), g
	}
	a.ops = edge.NewOps(logger, a.metrics, a.checks()...)
	return a, nil
}

// checks are what /readyz asks.
func (a *app) checks() []edge.Check {
	return []edge.Check{
		{Name: "database", Run: func(ctx context.Context) error {
			var one int
			return a.db.Get(ctx, "SELECT 1").Scan(&one)
		}},
		{Name: "writes", Run: a.db.Probe},
		{Name: "keys", Run: keysOpen(a.ring, a.db.Now)},
		{Name: "audit", Run: func(context.Context) error {
			if err := a.sealer.Err(); errors.Is(err, audit.ErrForged) {
				return err
			}
			return nil
		}},
	}
}

// background runs everything that follows the log or the clock, until ctx ends.
// It returns when all of it has stopped.
func (a *app) background(ctx context.Context) {
	report := func(part string) func(error) {
		return func(err error) {
			a.logger.WarnContext(ctx, "background work failed, will try again", "part", part, "cause", err)
		}
	}
	var wg sync.WaitGroup
	run := func(part string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				report(part)(err)
			}
		})
	}
	// The sealer outlives the rest: what the others write last is sealed too.
	sealCtx, stopSealer := context.WithCancel(context.WithoutCancel(ctx))
	sealed := make(chan struct{})
	go func() {
		defer close(sealed)
		if err := a.sealer.Run(sealCtx); err != nil {
			report("sealer")(err)
		}
	}()
	run("watch", a.watch.Run)
	run("jobs", a.jobs.Run)
	run("notify", func(ctx context.Context) error { a.notify.Run(ctx, report("notify")); return nil })
	run("logout", func(ctx context.Context) error { a.oauth.Follower().Run(ctx, report("logout")); return nil })
	run("sessions", func(ctx context.Context) error { a.sessions.Run(ctx, report("sessions")); return nil })
	run("keys of bots", func(ctx context.Context) error { a.botKeys.Run(ctx, report("keys of bots")); return nil })
	run("meter of keys", func(ctx context.Context) error { a.botKeys.RunMeter(ctx, report("meter of keys")); return nil })
	run("reminders about keys", func(ctx context.Context) error {
		a.botKeys.RunReminders(ctx, report("reminders about keys"))
		return nil
	})
	run("withdrawals that ran out", func(ctx context.Context) error {
		a.confirm.Run(ctx, report("withdrawals that ran out"))
		return nil
	})
	run("refusals", func(ctx context.Context) error { return a.refusals.Run(ctx, a.logger) })
	run("keys", func(ctx context.Context) error { a.ring.Follow(ctx, time.Minute, report("keys")); return nil })
	run("key that wraps keys", func(ctx context.Context) error { followKEK(ctx, a.ring, a.logger); return nil })
	run("sweep", a.sweep)
	run("lists", a.lists.Run)
	wg.Wait()
	stopSealer()
	<-sealed
}

// sweepEvery: expired rows of housekeeping tables are small; hours would do.
const sweepEvery = 10 * time.Minute

// sweep forgets what has expired: spent challenges, kept touches, answers of
// idempotent calls, finished jobs.
func (a *app) sweep(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		err := a.db.Housekeeping(ctx, func(tx *store.Tx) error {
			err := errors.Join(a.devices.Sweep(tx), a.signin.SweepJoins(tx), a.accounts.Sweep(tx), a.botKeys.Sweep(tx))
			if a.operators != nil {
				err = errors.Join(err, a.operators.staff.Sweep(tx))
			}
			return err
		})
		if err2 := a.botKeys.Dormancy(ctx); err2 != nil {
			err = errors.Join(err, err2)
		}
		if err2 := a.oauth.Sweep(ctx); err2 != nil {
			err = errors.Join(err, err2)
		}
		if _, err2 := job.Purge(ctx, a.db); err2 != nil {
			err = errors.Join(err, err2)
		}
		if err != nil && ctx.Err() == nil {
			a.logger.WarnContext(ctx, "sweeping failed, will try again", "cause", err)
		}
	}
}

func (a *app) close() error { return a.db.Close() }

// mailer is the SMTP relay of the configuration. Without one, mails wait as jobs
// and say why.
func mailer(m config.Mail, logger *slog.Logger) (notify.Mailer, error) {
	if m.Host == "" {
		logger.Warn("no mail relay is configured (mail.host): mails are kept until there is one")
		return noMail{}, nil
	}
	return notify.NewSMTP(notify.SMTPOptions{
		Host: m.Host, Port: m.Port, TLS: notify.TLSMode(m.TLS), Username: m.Username, Password: m.Password, From: m.From,
	})
}

type noMail struct{}

func (noMail) Send(context.Context, notify.Message) error {
	return fmt.Errorf("no mail relay is configured (mail.host)")
}
