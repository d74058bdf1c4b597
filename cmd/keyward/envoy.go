package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"

	"keyward/internal/config"
	"keyward/internal/gate"
)

// envoyDoor is where Envoys ask over gRPC. nil: nowhere.
type envoyDoor struct {
	l net.Listener
	e *gate.Envoy
}

// openEnvoyDoor opens the door of a configuration; nil when it has none.
func openEnvoyDoor(cfg config.Config, g *gate.Gate) (*envoyDoor, error) {
	if g == nil || cfg.Gate.ExtAuthzListen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.Gate.ExtAuthzListen)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	return &envoyDoor{l, g.Envoy()}, nil
}

// serve answers until close, under the certificate where there is one.
func (d *envoyDoor) serve(cert *certificate, failed chan<- error, logger *slog.Logger) {
	if d == nil {
		return
	}
	var over *tls.Config
	if cert != nil {
		over = &tls.Config{GetCertificate: cert.get, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	}
	go func() { failed <- d.e.Serve(d.l, over) }()
	logger.Info("gate for Envoy (ext_authz, gRPC)", "listen", d.l.Addr().String())
}

// close lets open questions be answered.
func (d *envoyDoor) close(ctx context.Context) {
	if d == nil {
		return
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	d.e.Close(drain)
}
