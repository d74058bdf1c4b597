package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"keyward/internal/config"
	"keyward/internal/console"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/staff"
)

// operators is the door of those who work here: a rim, routes and a relying party
// of its own. It shares the database, and nothing that a visitor of the public
// pages could hold.
type operators struct {
	staff  *staff.Service
	edge   *edge.Edge
	routes http.Handler
	origin string
}

// newOperators wires the door; nil when the configuration has none.
func (a *app) newOperators(look console.Look) (*operators, error) {
	cfg := a.cfg.Operators
	if cfg.Listen == "" {
		return nil, nil
	}
	u, err := url.Parse(cfg.Origin)
	if err != nil {
		return nil, err
	}
	o := &operators{origin: cfg.Origin}
	o.staff, err = staff.New(a.db, a.ring, a.log, device.Config{RPID: u.Hostname(), RPName: a.cfg.BrandName + " operators", Origins: []string{cfg.Origin}})
	if err != nil {
		return nil, err
	}
	pages, err := console.New(console.Parts{
		DB: a.db, Staff: o.staff, OAuth: a.oauth, Look: look, Logger: a.logger,
		Acts: map[staff.Kind]staff.Act{staff.VerifyPublisher: a.oauth.Publisher},
	}, console.Settings{Origin: cfg.Origin, Product: a.cfg.BrandName})
	if err != nil {
		return nil, err
	}
	o.edge, err = edge.New(edge.Options{
		Now: a.db.Now, Logger: a.logger, PublicURL: cfg.Origin, DocsBase: a.cfg.PublicURL + "/docs/errors#", Proxies: a.cfg.TrustedProxies,
		Language: a.cfg.Languages.Default, MaxBody: a.cfg.Limits.BodyBytes, Timeout: a.cfg.Limits.RequestTimeout,
		RateFactor: a.cfg.Limits.RateFactor, Refused: a.refusals.Count, Pages: pages.Problem,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	pages.Routes(mux, o.edge)
	o.routes = o.edge.Handler(whileOpen(a.ring, a.db.Now, edge.Routes(mux)))
	return o, nil
}

// printFirstLink prints the link of the first admin while there is no operator. It
// goes to whoever started the program and to no log: it makes an admin.
func (o *operators) printFirstLink(ctx context.Context, out io.Writer) error {
	if o == nil {
		return nil
	}
	inv, made, err := o.staff.Bootstrap(ctx)
	if err != nil || !made {
		return err
	}
	_, err = fmt.Fprintf(out, "There is no operator yet. This link makes the first admin, once, until %s;\na restart replaces it:\n\n  %s\n\n",
		inv.Expires.UTC().Format("15:04 MST"), console.JoinLink(o.origin, inv))
	return err
}

// listenForOperators opens their door; nil when there is none.
func listenForOperators(cfg config.Config) (net.Listener, error) {
	if cfg.Operators.Listen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.Operators.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	return l, nil
}
