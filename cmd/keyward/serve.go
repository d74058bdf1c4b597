package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"keyward/internal/config"
)

// drainFor: how long open requests may take after a stop was asked for. Longer
// than any handler (10 s), shorter than what process managers grant (30 s).
const drainFor = 15 * time.Second

type serveCmd struct{}

func (serveCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	logger := e.logger(l.Config.Log)
	a, err := newApp(e.ctx, l.Config, logger, extras{})
	var faults config.Faults
	if errors.As(err, &faults) {
		return l.Located(faults)
	}
	if err != nil {
		return err
	}
	return a.serve(e.ctx, logger, e.stdout)
}

// listeners opens the two doors before anything else, so that a taken port is an
// error at once and not a silent half-start.
func listeners(cfg config.Config) (public, ops net.Listener, err error) {
	if public, err = net.Listen("tcp", cfg.Listen.Public); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if ops, err = net.Listen("tcp", cfg.Listen.Ops); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w: %w", errUnavailable, err), public.Close())
	}
	return public, ops, nil
}

// serve runs until ctx ends, then lets open requests finish, then the background
// work, then the database: in that order, because each needs the next.
func (a *app) serve(ctx context.Context, logger *slog.Logger, out io.Writer) error {
	defer a.close()
	publicL, opsL, err := listeners(a.cfg)
	if err != nil {
		return err
	}
	operatorsL, err := listenForOperators(a.cfg)
	if err == nil {
		err = a.operators.printFirstLink(ctx, out)
	}
	if err != nil {
		if operatorsL != nil {
			operatorsL.Close()
		}
		return errors.Join(err, publicL.Close(), opsL.Close())
	}
	gateL, err := listenForBots(a.cfg)
	if err != nil {
		return errors.Join(err, publicL.Close(), opsL.Close())
	}
	return a.serveOn(ctx, logger, publicL, opsL, operatorsL, gateL)
}

// listenForBots opens the gate; nil when there is none.
func listenForBots(cfg config.Config) (net.Listener, error) {
	if cfg.Gate.Listen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.Gate.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	return l, nil
}

// serveOn answers at the doors it is given; operatorsL and gateL are nil where there are none.
func (a *app) serveOn(ctx context.Context, logger *slog.Logger, publicL, opsL, operatorsL, gateL net.Listener) error {
	cert, err := openCertificate(a.cfg.TLS, logger)
	if err != nil {
		return err
	}
	envoys, err := openEnvoyDoor(a.cfg, a.gate)
	if err != nil {
		return err
	}
	bg, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); a.background(bg) }()

	relax(bg)
	public := a.edge.Server(a.public)
	ops := &http.Server{Handler: a.ops.Handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 5)
	go func() { failed <- serveHTTP(public, publicL, cert) }()
	go func() { failed <- serveHTTP(ops, opsL, nil) }()
	staff := new(http.Server)
	if operatorsL != nil {
		staff = a.operators.edge.Server(a.operators.routes)
		go func() { failed <- serveHTTP(staff, operatorsL, cert) }()
		logger.Info("serving operators", "origin", a.cfg.Operators.Origin, "listen", operatorsL.Addr().String())
	}
	bots := new(http.Server)
	if gateL != nil {
		bots = gateServer(a.bots, logger)
		bots.RegisterOnShutdown(a.gate.EndStreams)
		go func() { failed <- serveHTTP(bots, gateL, cert) }()
		logger.Info("gate", "authority", a.cfg.Gate.Authority, "listen", gateL.Addr().String(), "upstream", a.cfg.Gate.Upstream)
		envoys.serve(cert, failed, logger)
	}
	logger.Info("serving", "public", a.cfg.PublicURL, "listen", publicL.Addr().String(), "ops", opsL.Addr().String())

	select {
	case <-ctx.Done():
		logger.Info("stopping: open requests may finish", "for", drainFor)
	case err = <-failed:
	}
	a.ops.Drain()
	drained := make(chan error, 3)
	go func() { envoys.close(ctx); drained <- nil }()
	go func() { drained <- finish(ctx, staff, logger) }()
	go func() { drained <- finish(ctx, bots, logger) }()
	err = errors.Join(err, finish(ctx, public, logger), <-drained, <-drained, <-drained)
	if gateL != nil {
		a.gate.EndStreams() // its server does not wait for them
	}
	stopBackground()
	<-done
	return errors.Join(err, ops.Close())
}

// finish lets open requests end. Whoever takes longer than drainFor is cut off:
// that is how slow clients are, and no failure of the stop.
func finish(ctx context.Context, s *http.Server, logger *slog.Logger) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	err := s.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		logger.Warn("cut off requests that did not finish", "after", drainFor)
		return s.Close()
	}
	return err
}

func serveHTTP(s *http.Server, l net.Listener, cert *certificate) error {
	var err error
	if cert != nil {
		s.TLSConfig = &tls.Config{GetCertificate: cert.get}
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
