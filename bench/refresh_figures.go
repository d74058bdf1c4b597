package main

import (
	"context"
	"errors"
	"time"

	"keyward/internal/softkey"
)

// Figures of a refresh: durable, with reuse detection and its audit event.

const (
	fewRows  = 10_000
	manyRows = 1_000_000
	longRows = 10_000_000

	provers = 16 // connections, and binding keys, of the figure with DPoP
)

func (b *bench) refreshSQLite(ctx context.Context) error {
	return b.onSQLite(ctx, "bare-sqlite", b.refreshOn)
}
func (b *bench) refreshPostgres(ctx context.Context) error { return b.onPostgres(ctx, b.refreshOn) }

// measured are figures on one database, against what it gives bare: the least ratio,
// and where a database of their own comes from ("" is the one of a new deployment).
type measured func(ctx context.Context, on string, bare gauge, of string, least float64, database func() (string, error)) error

func (b *bench) onSQLite(ctx context.Context, name string, figures measured) error {
	bare, shut, err := bareSQLite(ctx, b.path(name))
	if err != nil {
		return err
	}
	defer shut()
	return figures(ctx, "SQLite", bare, "one-by-one commits", 1.0, func() (string, error) { return "", nil })
}

func (b *bench) onPostgres(ctx context.Context, figures measured) error {
	c, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	address, err := c.database(ctx)
	if err != nil {
		return err
	}
	bare, shut, err := barePostgres(ctx, address)
	defer shut()
	if err != nil {
		return err
	}
	return figures(ctx, "PostgreSQL", bare, "one statement", 0.2, func() (string, error) { return c.database(ctx) })
}

// refreshOn measures all figures of a refresh on one database.
func (b *bench) refreshOn(ctx context.Context, on string, bare gauge, of string, least float64, database func() (string, error)) (err error) {
	var keys []*softkey.BindingKey
	for range provers {
		keys = append(keys, softkey.NewBindingKey())
	}
	settled := func(p population) (*town, error) {
		url, err := database()
		if err != nil {
			return nil, err
		}
		return b.populate(ctx, slug(on, p.rows), url, p)
	}
	few, err := settled(population{rows: fewRows, used: fewRows, keys: keys})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.stop()) }()
	many, err := settled(population{rows: b.many, used: min(b.many, 100_000)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.stop()) }()
	at := func(name string, t *town, n int) gauge {
		return gauge{on + " " + name, func(ctx context.Context) (sample, error) { return t.served(ctx, t.plain(n), b.span) }}
	}
	proofs := 4000
	s, err := b.rounds(ctx,
		bare,
		at("refresh, 1 connection", few, 1),
		at("refresh, 16 connections", few, 16),
		at("refresh, 64 connections", few, 64),
		at("refresh, 512 connections", few, 512),
		gauge{on + " refresh with DPoP, 16 connections", func(ctx context.Context) (sample, error) {
			scripts, err := few.proving(proofs)
			if err != nil {
				return sample{}, err
			}
			s, err := few.served(ctx, scripts, b.span)
			proofs = int(1.5*s.rate*b.span.Seconds()) + 1000 // so that they outlast the next round
			return s, err
		}},
		at("refresh, 16 connections, many rows", many, 16),
	)
	if err != nil {
		return err
	}
	one, sixteen, sixtyFour, crowd, proving, grown := s[1], s[2], s[3], s[4], s[5], s[6]
	part := "refresh, " + on
	late, err := b.waits(ctx, few.deployment, few.plain(64), sixteen.rate()/2)
	if err != nil {
		return err
	}
	b.add(
		against(figure{Part: part, Name: "1 connection", Of: of, Remark: "waits for the disk each time; no bar"}, one, s[0]),
		late(against(figure{Part: part, Name: "16 connections", Of: of, Least: least}, sixteen, s[0])),
		against(figure{Part: part, Name: "64 connections", Of: of, Least: least}, sixtyFour, s[0]),
		against(figure{Part: part, Name: "512 connections", Of: "ours at 16", Least: noise, Remark: "must not fall; less than 10 % is noise"}, crowd, sixteen),
		against(figure{Part: part, Name: "16 connections, DPoP", Of: "ours without", Least: 0.6}, proving, sixteen),
		against(figure{Part: part, Name: "16 connections, " + count(b.many) + " sessions", Of: "ours at " + count(fewRows), Least: b.grown}, grown, sixteen),
	)
	return nil
}

// noise is how much of a figure two equal runs on this kind of machine differ by.
const noise = 0.9

// waits measures latency from an open loop at half the rate that was reached, and
// returns what writes it into a figure.
func (b *bench) waits(ctx context.Context, d *deployment, scripts []script, rate float64) (func(figure) figure, error) {
	r, err := open(ctx, d.public, scripts, rate, 2*b.span)
	if err != nil {
		return nil, err
	}
	b.say("  open loop at %.0f/s: p50 %s, p99 %s", rate, r.quantile(0.5).Round(time.Microsecond), r.quantile(0.99).Round(time.Microsecond))
	return func(f figure) figure {
		f.P50, f.P99 = millis(r.quantile(0.5)), millis(r.quantile(0.99))
		return f
	}, d.server.settle(ctx)
}
