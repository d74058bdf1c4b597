package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"keyward/gatekit"
	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/gate"
	"keyward/internal/store"
)

// newGate is the gate of a configuration; nil when it has none.
func newGate(cfg config.Config, botKeys *apikey.Service, limiter *edge.Limiter, now func() time.Time, logger *slog.Logger) (*gate.Gate, error) {
	g := cfg.Gate
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
	for i, r := range g.Routes {
		route := gate.Route(r)
		if err := gate.ParseRoute(route); err != nil {
			return nil, config.Faults{{Key: fmt.Sprintf("gate.routes[%d]", i), What: err.Error(), Why: "a route that matches nothing, or too much, is worse than none", Fix: "keyward.example.yaml shows routes"}}
		}
		if len(g.Peers) > 0 && r.Symbol != "" && !strings.HasPrefix(r.Symbol, "query:") {
			return nil, config.Faults{{Key: fmt.Sprintf("gate.routes[%d].symbol", i), What: "stands in the body, which fronts that ask do not hand over",
				Why: "such requests could never pass through them", Fix: "use query:NAME, or the proxy alone (no gate.peers)"}}
		}
		s.Routes = append(s.Routes, route)
	}
	return gate.New(gate.Parts{BotKeys: botKeys, Limiter: limiter, Now: now, Logger: logger}, s)
}

// gateHandler is both fronts at one door: /gate/check for those that ask, the rest for
// the upstream.
func gateHandler(g *gate.Gate) http.Handler {
	mux := http.NewServeMux()
	if len(g.Peers) > 0 {
		mux.Handle("/gate/check", g.Check())
	}
	proxy := http.NotFoundHandler()
	if g.Upstream != nil {
		proxy = g.Proxy()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not through the mux: it would answer a doubled slash with a redirect.
		if r.URL.Path == "/gate/check" && len(g.Peers) > 0 {
			mux.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
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
	c, err := openCore(e.ctx, l.Config, logger)
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
	d, err := c.gateDomains(logger)
	if err != nil {
		return err
	}
	g, err := newGate(c.cfg, d.botKeys, edge.NewLimiter(c.db.Now, c.cfg.Limits.RateFactor), c.db.Now, logger)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.cfg.Gate.Listen)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	bg, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		report := func(err error) {
			logger.WarnContext(bg, "background work failed, will try again", "part", "keys of bots", "cause", err)
		}
		watching := make(chan struct{})
		go func() { defer close(watching); _ = d.watch.Run(bg) }()         // ends with bg; a lost tail is a lapsed lease, and shows
		go c.ring.Follow(bg, time.Minute, func(err error) { report(err) }) // ends with bg
		metered := make(chan struct{})
		go func() { defer close(metered); d.botKeys.RunMeter(bg, report) }()
		d.botKeys.Run(bg, report)
		<-metered
		<-watching
	}()
	relax()
	server := gateServer(gateHandler(g), logger)
	failed := make(chan error, 1)
	go func() { failed <- serveHTTP(server, listener, nil) }()
	logger.Info("gate", "authority", c.cfg.Gate.Authority, "listen", listener.Addr().String(), "upstream", c.cfg.Gate.Upstream)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, finish(ctx, server, logger))
	stop()
	<-done
	return err
}

// gateDomains are what a gate of its own needs, and no more.
func (c *core) gateDomains(logger *slog.Logger) (*domains, error) {
	host, _ := os.Hostname()
	d := &domains{accounts: account.New(c.log, c.ring)}
	var err error
	if d.devices, err = device.New(device.Config{RPID: c.cfg.RP.ID, RPName: c.cfg.RP.Name, Origins: c.cfg.RP.Origins, Now: c.db.Now}, c.ring, c.log); err != nil {
		return nil, err
	}
	d.watch = audit.NewWatch(c.db, c.log, host+"/gate", time.Now)
	d.watch.LogTo(logger)
	d.botKeys = c.newBotKeys(d)
	d.watch.OnEffect(d.botKeys.Heard)
	return d, nil
}
