package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"keyward/gatekit"
	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/gate"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
	"keyward/rs"
)

// newGate is the gate of a configuration; nil when it has none.
func (c *core) newGate(d *domains, limiter *edge.Limiter, now func() time.Time, logger *slog.Logger) (*gate.Gate, error) {
	g, cfg := c.cfg.Gate, c.cfg
	if g.Listen == "" {
		return nil, nil
	}
	key, err := gatekit.ReadKeyFile(g.UpstreamKeyFile)
	if err != nil {
		return nil, config.Faults{{Key: "gate.upstream_key_file", What: err.Error(), Why: "the upstream could not tell the gate's word from anybody's",
			Fix: "make one with: openssl rand -base64 32 > upstream.key; chmod 600 upstream.key"}}
	}
	s := gate.Settings{Authority: g.Authority, Key: key, Peers: g.Peers, Proxies: cfg.TrustedProxies, BodyLimit: cfg.Limits.BodyBytes}
	if g.Upstream != "" {
		if s.Upstream, err = url.Parse(g.Upstream); err != nil {
			return nil, err
		}
	}
	s.BodyFromPeers = g.ExtAuthzBody
	if s.Profiles, err = profilesOf(g); err != nil {
		return nil, err
	}
	if keepsBodies(g) && len(g.Profiles) == 0 {
		logger.Info("the fronts that ask keep the bodies: keyward-v1 works in full, other profiles only for requests without one")
	}
	for i, r := range g.Routes {
		route := gate.Route(r)
		if err := gate.ParseRoute(route); err != nil {
			return nil, config.Faults{{Key: fmt.Sprintf("gate.routes[%d]", i), What: err.Error(), Why: "a route that matches nothing, or too much, is worse than none", Fix: "keyward.example.yaml shows routes"}}
		}
		if keepsBodies(g) && r.Symbol != "" && !strings.HasPrefix(r.Symbol, "query:") {
			return nil, config.Faults{{Key: fmt.Sprintf("gate.routes[%d].symbol", i), What: "stands in the body, which fronts that ask do not hand over",
				Why: "such requests could never pass through them", Fix: "use query:NAME, the proxy alone (no gate.peers), or an Envoy that hands bodies over (gate.ext_authz_body)"}}
		}
		for _, x := range [][2]string{{"to", r.To}, {"notional", r.Notional}} {
			if len(g.Peers) > 0 && x[1] != "" && !strings.HasPrefix(x[1], "query:") {
				return nil, config.Faults{{Key: fmt.Sprintf("gate.routes[%d].%s", i, x[0]), What: "stands in the body, which fronts that ask do not hand over",
					Why: "such requests could never pass through them", Fix: "use query:NAME, or the proxy alone (no gate.peers)"}}
			}
		}
		s.Routes = append(s.Routes, route)
	}
	people, err := c.people(d)
	if err != nil {
		return nil, err
	}
	s.Bounds = gate.Bounds{Streams: g.Streams.Total, PerKey: g.Streams.PerKey}
	parts := gate.Parts{BotKeys: d.botKeys, Limiter: limiter, Now: now, Logger: logger, People: people}
	if d.watch != nil {
		parts.Fresh = d.watch.Valid
	}
	made, err := gate.New(parts, s)
	if err == nil && d.watch != nil {
		d.watch.OnEffect(made.Heard) // behind the keys, which forget first
	}
	return made, err
}

// people are what decides about tokens and sessions, where routes take them.
func (c *core) people(d *domains) (p gate.People, err error) {
	tokens := -1
	for i, r := range c.cfg.Gate.Routes {
		if slices.Contains(r.Takes, "session") {
			p.Browsers = true
			if c.ring == nil {
				return p, config.Faults{{Key: fmt.Sprintf("gate.routes[%d].takes", i), What: "names session, which a gate with gate.key_file cannot check",
					Why: "the keys of sessions open far more than API keys, and stay with the server", Fix: "take sessions at the gate of `keyward serve`, or remove session here"}}
			}
		}
		if slices.Contains(r.Takes, "token") {
			tokens = i
		}
	}
	p.Sessions = d.sessions
	if tokens < 0 {
		return p, nil
	}
	url := gate.PublicURL(c.cfg.Gate.Authority)
	conf := rs.Config{Issuer: c.cfg.PublicURL, Audience: c.cfg.Gate.Audience, PublicURL: url, Now: c.db.Now,
		Replay: gate.ProofMemory{Keys: d.botKeys, Reads: rs.NewMemory(c.db.Now)}}
	if conf.Audience == "" {
		conf.Audience = url
	}
	if c.ring != nil { // which has the keys itself
		conf.JWKSURL, conf.HTTPClient = "https://keyward.invalid/oauth/jwks", &http.Client{Transport: ownKeys{c.ring}}
	}
	p.Tokens, err = rs.New(conf)
	return p, err
}

// ownKeys answers with the keys of this process what would be asked of it over HTTP.
type ownKeys struct{ ring *keyring.Ring }

func (o ownKeys) RoundTrip(r *http.Request) (*http.Response, error) {
	set, err := json.Marshal(o.ring.JWKS())
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(set)), Request: r}, nil
}

// keepsBodies: there are fronts that ask, and all they say of a body is what was signed
// about it.
func keepsBodies(g config.Gate) bool { return len(g.Peers) > 0 && !g.ExtAuthzBody }

// profilesOf reads the ways of signing that are taken. One that signs the body itself is
// no use where a front keeps it: that is said at the start, and not to each bot.
func profilesOf(g config.Gate) (list []apikey.Profile, err error) {
	for i, name := range g.Profiles {
		p, key := apikey.Profile(name), fmt.Sprintf("gate.profiles[%d]", i)
		if !p.Known() {
			return nil, config.Faults{{Key: key, What: fmt.Sprintf("%q is no way of signing that we know", name), Why: "no bot could use it", Fix: fmt.Sprintf("one of %v", apikey.Profiles())}}
		}
		if keepsBodies(g) && p.SignsBody() {
			return nil, config.Faults{{Key: key, What: name + " signs the body itself, which the fronts in gate.peers do not hand over", Why: "no order of such a bot could pass through them",
				Fix: "use the proxy alone (no gate.peers), or an Envoy that hands bodies over (gate.ext_authz_body: true and with_request_body)"}}
		}
		list = append(list, p)
	}
	return list, nil
}

// gateHandler is all fronts at one door: those that ask under /gate, engines with sockets
// of their own among them, and the rest for the upstream.
func gateHandler(g *gate.Gate) http.Handler {
	check, ext := http.NotFoundHandler(), http.NotFoundHandler()
	if len(g.Peers) > 0 {
		ext = g.EnvoyHTTP()
		if !g.BodyFromPeers {
			check = g.Check() // it never has the body
		}
	}
	ask, tail, proxy := g.Ask(), g.Tail(), http.NotFoundHandler()
	if g.Upstream != nil {
		proxy = g.Proxy()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// No mux: it would answer a doubled slash with a redirect.
		switch {
		case r.URL.Path == "/gate/check" && len(g.Peers) > 0:
			check.ServeHTTP(w, r)
		case r.URL.Path == "/gate/stream" && len(g.Peers) > 0:
			ask.ServeHTTP(w, r)
		case r.URL.Path == "/gate/tail" && len(g.Peers) > 0:
			tail.ServeHTTP(w, r)
		case strings.HasPrefix(r.RequestURI, gate.EnvoyPath+"/") && len(g.Peers) > 0:
			ext.ServeHTTP(w, r)
		default:
			proxy.ServeHTTP(w, r)
		}
	})
}

// gateServer has the bounds of the public door.
func gateServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

type gateCmd struct{}

// errGateSQLite: SQLite belongs to one process.
var errGateSQLite = errors.New("with SQLite the gate runs inside `keyward serve`: set gate.listen there; a gate of its own takes PostgreSQL")

// Run is a gate of its own: any number of them, on one PostgreSQL.
func (gateCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	if l.Config.Gate.Listen == "" {
		return l.Located(config.Faults{{Key: "gate.listen", What: "is not set", Why: "there is no gate in this configuration", Fix: "gate.listen: 127.0.0.1:7481"}})
	}
	logger := e.logger(l.Config.Log)
	open := openCore
	if l.Config.Gate.KeyFile != "" {
		open = openGateCore
	}
	c, err := open(e.ctx, l.Config, logger)
	if err != nil {
		return err
	}
	defer c.db.Close()
	if c.db.Dialect() == store.SQLite {
		return errGateSQLite
	}
	err = c.runGate(e.ctx, logger)
	var faults config.Faults
	if errors.As(err, &faults) {
		return l.Located(faults)
	}
	return err
}

func (c *core) runGate(ctx context.Context, logger *slog.Logger) error {
	d, err := c.gateDomains(ctx, logger)
	if err != nil {
		return err
	}
	if err := d.botKeys.Opens(ctx); err != nil {
		return fmt.Errorf("%w: the newest secret of an API key does not open: write the file anew, where the server runs, with `keyward keys gate FILE`", err)
	}
	g, err := c.newGate(d, edge.NewLimiter(c.db.Now, c.cfg.Limits.RateFactor), c.db.Now, logger)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.cfg.Gate.Listen)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	envoys, err := openEnvoyDoor(c.cfg, g)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	bg, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		report := func(err error) {
			logger.WarnContext(bg, "background work failed, will try again", "part", "keys of bots", "cause", err)
		}
		watching := make(chan struct{})
		go func() { defer close(watching); _ = d.watch.Run(bg) }() // ends with bg; a lost tail is a lapsed lease, and shows
		if c.ring != nil {
			go c.ring.Follow(bg, time.Minute, func(err error) { report(err) }) // ends with bg
			go followKEK(bg, c.ring, logger)                                   // ends with bg
		}
		var running sync.WaitGroup
		if c.ring != nil {
			running.Go(func() { d.sessions.Run(bg, report) })
		}
		running.Go(func() { d.botKeys.RunMeter(bg, report) })
		d.botKeys.Run(bg, report)
		running.Wait()
		<-watching
	}()
	relax(bg)
	server := gateServer(gateHandler(g), logger)
	server.RegisterOnShutdown(g.EndStreams)
	failed := make(chan error, 2)
	go func() { failed <- serveHTTP(server, listener, nil) }()
	envoys.serve(nil, failed, logger)
	logger.Info("gate", "authority", c.cfg.Gate.Authority, "listen", listener.Addr().String(), "upstream", c.cfg.Gate.Upstream)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	envoys.close(ctx)
	err = errors.Join(err, finish(ctx, server, logger))
	g.EndStreams() // the server does not wait for them
	stop()
	<-done
	return err
}

// openGateCore opens the database with the gate's own role, and of the keys only those
// that open API keys: whoever takes this process over has no others.
func openGateCore(ctx context.Context, cfg config.Config, logger *slog.Logger) (*core, error) {
	safe, err := keyring.OpenSafeFile(cfg.Gate.KeyFile, cfg.KeyFileGroupReadable)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{URL: cfg.Database.URL, MaxConns: cfg.Database.MaxConns, Logger: logger})
	if err != nil {
		return nil, err
	}
	return &core{cfg: cfg, db: db, safe: safe, log: audit.NewReader("")}, nil
}

// gateDomains are what a gate of its own needs, and no more.
func (c *core) gateDomains(ctx context.Context, logger *slog.Logger) (*domains, error) {
	host, _ := os.Hostname()
	name := host + "/gate"
	d := &domains{accounts: account.NewReader()}
	if c.ring != nil {
		d.accounts = account.New(c.log, c.ring)
	} else if c.db.Dialect() == store.PostgreSQL {
		// A gate's role moves leases on that begin with its name, and no others
		// (deploy/sql/gate-role.sql).
		var login string
		if err := c.db.Get(ctx, "SELECT current_user").Scan(&login); err != nil {
			return nil, err
		}
		name = login + "/" + name
		c.log = audit.NewReader(login + "/")
	}
	d.watch = audit.NewWatch(c.db, c.log, name, time.Now)
	d.watch.Guest = c.ring == nil
	d.watch.LogTo(logger)
	d.botKeys = c.newBotKeys(d, botAlarms{logger: logger})
	d.watch.OnEffect(d.botKeys.Heard)
	if c.ring != nil {
		d.sessions = session.New(c.db, c.ring, c.log, lifetimes(c.cfg), d.watch.Valid, session.Metrics{})
	} else {
		d.sessions = session.NewReader(c.db, d.watch.Valid)
	}
	d.watch.OnEffect(d.sessions.Heard)
	return d, nil
}
