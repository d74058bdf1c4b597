package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"keyward/examples/exchange"
	"keyward/internal/config"
	"keyward/internal/demo"
	"keyward/internal/gate"
	"keyward/internal/keyring"
	"keyward/internal/notify"
	"keyward/internal/oauth"
	"keyward/internal/store"
)

// demoCmd runs everything on this machine with a throw-away database.
type demoCmd struct {
	Tour      bool   `help:"Play the whole story on free ports with software keys, print each step, and stop."`
	Curl      bool   `help:"With --tour: print each step as the curl command that does the same."`
	TLS       bool   `name:"tls" help:"Serve https with a certificate made for this run."`
	Dir       string `help:"Keep the database here instead of a temporary folder." type:"path"`
	Database  string `help:"Use this PostgreSQL database instead of SQLite; it must be empty or one of ours."`
	Free      bool   `help:"Take free ports instead of the usual ones."`
	Templates string `help:"Read pages from this folder instead of the binary." type:"existingdir"`
}

// Demo doors, fixed because people type them (DESIGN §9).
const (
	demoPublic    = "localhost:7480"
	demoOperators = "localhost:7485"
	demoGate      = "localhost:7481"
	demoExchange  = "localhost:7490"
	demoOps       = "127.0.0.1:7489"
)

func (cmd demoCmd) Run(e *env) error {
	d, err := cmd.open(e)
	if err != nil {
		return err
	}
	defer d.close()
	if cmd.Tour {
		return d.tour(e, cmd.Curl)
	}
	fmt.Fprintf(e.stdout, "Keyward demo\n\n  pages      %s\n  stage      %s/demo\n  mail       %s/demo/mail\n  exchange   %s\n  gate       %s  (API for bots)\n  operators  %s\n  ops        http://%s/metrics\n\n",
		d.origin, d.origin, d.origin, d.exchangeOrigin, d.gateOrigin, d.operatorsOrigin, d.opsL.Addr())
	if err := d.app.operators.printFirstLink(e.ctx, e.stdout); err != nil {
		return err
	}
	if d.tls != nil {
		fmt.Fprintf(e.stdout, "Browsers offer passkeys once they trust %s;\nit can speak for localhost alone, for a week.\n", d.tls.AuthorityFile)
	}
	if d.temporary {
		fmt.Fprintf(e.stdout, "Everything is in %s and goes when you stop it (Ctrl-C).\n", d.dir)
	} else {
		fmt.Fprintf(e.stdout, "Everything stays in %s. Stop it with Ctrl-C.\n", d.dir)
	}
	return d.run(e.ctx)
}

// demoRun is a demo with its doors open.
type demoRun struct {
	app             *app
	env             *env
	dir             string
	temporary       bool
	origin          string
	exchangeOrigin  string
	operatorsOrigin string
	gateOrigin      string
	publicL         net.Listener
	exchangeL       net.Listener
	opsL            net.Listener
	operatorsL      net.Listener
	gateL           net.Listener
	botsL           net.Listener // the exchange's API for programs, which only the gate talks to
	bots            *exchange.Bots
	exchange        *exchange.Exchange
	across          *http.Transport
	catcher         *notify.Catcher
	tls             *demo.Certificate
	phones          demo.Phones
	payerSecret     string // of the back end that asks for approvals
}

func (cmd demoCmd) open(e *env) (_ *demoRun, err error) {
	d := &demoRun{env: e, dir: cmd.Dir, catcher: notify.NewCatcher(), phones: demo.NewPhones()}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "keyward-demo-"); err != nil {
			return nil, err
		}
		d.temporary = true
	} else if err = os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	public, exch, ops, operators, bots := demoPublic, demoExchange, demoOps, demoOperators, demoGate
	if cmd.Tour || cmd.Free {
		public, exch, ops, operators, bots = "localhost:0", "localhost:0", "127.0.0.1:0", "localhost:0", "localhost:0"
	}
	if d.publicL, err = listen(public); err != nil {
		return nil, err
	}
	if d.exchangeL, err = listen(exch); err != nil {
		return nil, err
	}
	if d.opsL, err = listen(ops); err != nil {
		return nil, err
	}
	if d.operatorsL, err = listen(operators); err != nil {
		return nil, err
	}
	if d.gateL, err = listen(bots); err != nil {
		return nil, err
	}
	if d.botsL, err = listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	scheme := "http"
	if cmd.TLS {
		scheme = "https"
		if d.tls, err = demo.NewCertificate(d.dir, time.Now(), "localhost", "exchange.localhost"); err != nil {
			return nil, err
		}
	}
	d.origin = fmt.Sprintf("%s://localhost:%d", scheme, port(d.publicL))
	d.operatorsOrigin = fmt.Sprintf("%s://localhost:%d", scheme, port(d.operatorsL))
	d.exchangeOrigin = fmt.Sprintf("%s://exchange.localhost:%d", scheme, port(d.exchangeL))

	d.gateOrigin = fmt.Sprintf("%s://localhost:%d", scheme, port(d.gateL))

	d.across = demo.Transport(d.tls)
	key, keyFile, err := demo.UpstreamKey(d.dir)
	if err != nil {
		return nil, err
	}
	d.bots = exchange.NewBots(key)
	cfg, err := d.config(cmd, keyFile)
	if err != nil {
		return nil, err
	}
	if _, err := store.Migrate(e.ctx, store.Options{URL: cfg.Database.URL}); err != nil {
		return nil, err
	}
	logger := e.logger(config.Log{Level: "warn", Format: "text"})
	d.app, err = newApp(e.ctx, cfg, logger, extras{
		mailer: d.catcher, templates: cmd.Templates, demo: true, transport: d.across, maker: d.phones.Root(),
		routes: func(mux *http.ServeMux, a *app) {
			demo.Mailbox{Pages: a.web, Catcher: d.catcher, Origin: d.origin}.Routes(mux)
			demo.NewStage(demo.StageParts{
				DB: a.db, Log: a.log, Pages: a.web, SignIn: a.signin, Sessions: a.sessions, Catcher: d.catcher, Origin: d.origin, Transport: d.across,
				Exchange: d.exchangeOrigin, PayerSecret: d.payerSecret, Phones: d.phones, Gate: d.gateOrigin, GateAuthority: fmt.Sprintf("localhost:%d", port(d.gateL)),
			}).Routes(mux)
		},
	})
	if err != nil {
		return nil, err
	}
	d.exchange, err = d.openExchange(e.ctx)
	return d, err
}

// openExchange registers the demo exchange as an app of the house, under a key that
// lives as long as this process; those of earlier runs in the same folder go.
func (d *demoRun) openExchange(ctx context.Context) (*exchange.Exchange, error) {
	const owner, kid = "the demo exchange", "demo"
	cause := store.Cause{Actor: "system:demo"}
	old, err := d.app.oauth.Clients(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range old {
		if c.Owner == owner && !c.Off {
			if _, err := d.app.oauth.TurnOff(ctx, cause, c.ID); err != nil {
				return nil, err
			}
		}
	}
	key, jwks, err := exchange.NewKey(kid)
	if err != nil {
		return nil, err
	}
	c, _, err := d.app.oauth.Register(ctx, cause, oauth.NewClient{
		Name: "Demo exchange", Owner: owner, Auth: oauth.AuthKey, JWKS: jwks, FirstParty: true, Audience: d.exchangeOrigin,
		Redirects: []string{d.exchangeOrigin + "/enter"}, Scopes: []string{"openid", "read", "trade", "tail"},
		Backchannel: d.exchangeOrigin + "/backchannel-logout", AfterLogout: []string{d.exchangeOrigin + "/"},
	})
	if err != nil {
		return nil, err
	}
	payouts, err := exchange.NewPayouts(d.origin, demo.Payer, "localhost", d.across)
	if err != nil {
		return nil, err
	}
	return exchange.New(exchange.Config{
		Payouts: payouts, Keyward: d.origin, Self: d.exchangeOrigin, Client: string(c.ID), Key: key, KeyID: kid, Transport: d.across, Log: d.app.logger,
	})
}

// config is the demo's configuration, made in code and checked like any other.
func (d *demoRun) config(cmd demoCmd, upstreamKey string) (config.Config, error) {
	sum := keyring.Hash(keyring.Secret()) // of a back end that nobody plays
	// Anew at each start, and in the folder for whoever wants to play the back end by hand.
	d.payerSecret = keyring.Secret()
	if err := os.WriteFile(filepath.Join(d.dir, "treasury.secret"), []byte(d.payerSecret), 0o600); err != nil {
		return config.Config{}, err
	}
	payer := keyring.Hash(d.payerSecret)
	cfg := config.Config{
		PublicURL: d.origin, BrandName: "Keyward",
		RP:        config.RP{ID: "localhost", Name: "Keyward demo", Origins: []string{d.origin}},
		Listen:    config.Listen{Public: d.publicL.Addr().String(), Ops: d.opsL.Addr().String()},
		Operators: config.Operators{Listen: d.operatorsL.Addr().String(), Origin: d.operatorsOrigin},
		Database:  config.Database{URL: "sqlite:" + filepath.Join(d.dir, "keyward.db")},
		KeyFile:   filepath.Join(d.dir, "keyward.key"), AnchorFile: filepath.Join(d.dir, "keyward.anchor"),
		SelfSignUp: true,
		Mail:       config.Mail{Host: "localhost", TLS: "none", From: "security@localhost"}, // the catcher takes what would go there
		Backends: []config.Backend{{
			ID: "exchange", SecretSHA256: fmt.Sprintf("%x", sum[:]), May: []string{config.MayProvision, config.MayIntrospect, config.MayEnd},
		}, {
			ID: demo.Payer, SecretSHA256: fmt.Sprintf("%x", payer[:]), May: []string{config.MayConfirm},
		}},
		Gate: config.Gate{
			Listen: d.gateL.Addr().String(), Authority: fmt.Sprintf("localhost:%d", port(d.gateL)), Audience: d.origin, Upstream: "http://" + d.botsL.Addr().String(), UpstreamKeyFile: upstreamKey,
			Routes: append(demo.BotRoutes(), demo.ShapeRoutes()...),
		},
		Limits: config.Limits{RateFactor: 20, RequestTimeout: 25 * time.Second}, // one machine plays many people
	}
	cfg.Apps = config.Apps{Android: []config.AndroidApp{{Package: demo.PhonePackage, SHA256: []string{hex.EncodeToString(demo.PhoneDigest[:])}}}, IOS: []string{demo.PhoneAppID}}
	var err error
	if cfg.Attestation.AndroidStatusFile, err = demo.NoneRevoked(d.dir); err != nil {
		return cfg, err
	}
	if cmd.Database != "" {
		cfg.Database.URL = cmd.Database
	}
	if d.tls != nil {
		cfg.TLS = config.TLS{CertFile: d.tls.CertFile, KeyFile: d.tls.KeyFile}
	}
	cfg, err = cfg.Complete()
	// After the rules, which rightly refuse it where nothing stands in front: the
	// stage's thief speaks from another address, which only a trusted proxy may
	// claim, and the demo hears this machine alone.
	cfg.TrustedProxies = demo.Loopback()
	return cfg, err
}

func (d *demoRun) run(ctx context.Context) error {
	server := &http.Server{Handler: d.exchange, ReadHeaderTimeout: 5e9}
	cert, err := openCertificate(d.app.cfg.TLS, d.app.logger)
	if err != nil {
		return err
	}
	go func() {
		if err := serveHTTP(server, d.exchangeL, cert); err != nil {
			d.app.logger.Error("the demo exchange stopped", "cause", err)
		}
	}()
	defer server.Close()
	bots := &http.Server{Handler: d.bots, ReadHeaderTimeout: 5e9}
	go func() {
		if err := serveHTTP(bots, d.botsL, nil); err != nil {
			d.app.logger.Error("the exchange's API for programs stopped", "cause", err)
		}
	}()
	defer bots.Close()
	following, stop := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() { defer close(followed); d.exchange.Run(following) }()
	defer func() { stop(); <-followed }()
	return d.app.serveOn(ctx, d.app.logger, d.publicL, d.opsL, d.operatorsL, d.gateL)
}

// tour plays the story against a running demo.
func (d *demoRun) tour(e *env, curl bool) error {
	ctx, stop := context.WithCancel(e.ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.run(ctx) }()
	const appBack = "http://127.0.0.1/back" // a native app: the port is the system's to choose
	app, _, err := d.app.oauth.Register(ctx, store.Cause{Actor: "system:demo"}, oauth.NewClient{
		Name: "Demo wallet", Owner: "the demo", Auth: oauth.AuthNone, FirstParty: true, Redirects: []string{appBack},
		Scopes: []string{"openid", "offline_access", "read", "email"},
	})
	if err != nil {
		stop()
		return errors.Join(err, <-stopped)
	}
	err = demo.Tour(ctx, demo.TourParts{
		Phones: d.phones,
		Out:    e.stdout, Origin: d.origin, Exchange: d.exchangeOrigin, Gate: d.gateOrigin, GateName: gate.PublicURL(fmt.Sprintf("localhost:%d", port(d.gateL))), ExchangeAddr: d.exchangeL.Addr().String(),
		App: string(app.ID), AppBack: appBack, PayerSecret: d.payerSecret, Catcher: d.catcher, Transport: d.across, Curl: curl, Now: d.app.db.Now,
		Verify: func(ctx context.Context) (demo.Proof, error) { return d.proof(ctx) },
	})
	stop()
	return errors.Join(err, <-stopped)
}

// proof verifies the whole log, for the last line of the tour.
func (d *demoRun) proof(ctx context.Context) (demo.Proof, error) {
	rep, err := d.app.log.VerifyDB(ctx, d.app.db)
	return demo.Proof{Size: rep.Size, Root: rep.Root}, err
}

func (d *demoRun) close() {
	if d.app != nil {
		d.app.close()
	}
	for _, l := range []net.Listener{d.publicL, d.exchangeL, d.opsL, d.operatorsL, d.gateL, d.botsL} {
		if l != nil {
			l.Close()
		}
	}
	if d.temporary && strings.Contains(filepath.Base(d.dir), "keyward-demo-") {
		os.RemoveAll(d.dir)
	}
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; is another demo running?", errUnavailable, err)
	}
	return l, nil
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
