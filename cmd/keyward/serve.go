package main

import (
	"context"
	"errors"
	"fmt"
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
	if err != nil {
		return err
	}
	return a.serve(e.ctx, logger)
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
func (a *app) serve(ctx context.Context, logger *slog.Logger) error {
	defer a.close()
	publicL, opsL, err := listeners(a.cfg)
	if err != nil {
		return err
	}
	return a.serveOn(ctx, logger, publicL, opsL)
}

func (a *app) serveOn(ctx context.Context, logger *slog.Logger, publicL, opsL net.Listener) error {
	bg, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); a.background(bg) }()

	public := a.edge.Server(a.public)
	ops := &http.Server{Handler: a.ops.Handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- serveHTTP(public, publicL, a.cfg.TLS) }()
	go func() { failed <- serveHTTP(ops, opsL, config.TLS{}) }()
	logger.Info("serving", "public", a.cfg.PublicURL, "listen", publicL.Addr().String(), "ops", opsL.Addr().String())

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.ops.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	err = errors.Join(err, public.Shutdown(drain))
	stopBackground()
	<-done
	return errors.Join(err, ops.Shutdown(drain))
}

func serveHTTP(s *http.Server, l net.Listener, tls config.TLS) error {
	var err error
	if tls.CertFile != "" {
		err = s.ServeTLS(l, tls.CertFile, tls.KeyFile)
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
