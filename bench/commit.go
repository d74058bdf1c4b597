package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"
)

// What the disk and the database allow, with nothing of ours around them. Each
// transaction writes what a refresh must: it reads a row, turns it, and inserts
// one row of 200 bytes.

const (
	bareRows   = 10_000
	bareHeader = 200
)

// bareSQLite commits one by one on one connection: the rate of a server without
// group commit. It returns the gauge and what to call at the end.
func bareSQLite(ctx context.Context, dir string) (gauge, func() error, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return gauge{}, nil, err
	}
	pragmas := url.Values{"_pragma": {"journal_mode=WAL", "synchronous=FULL", "cache_size=-16384"}}
	u := url.URL{Scheme: "file", Path: filepath.Join(dir, "bare.db"), RawQuery: pragmas.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return gauge{}, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return gauge{}, nil, err
	}
	b := &bareConn{conn: conn, stmts: map[string]*sql.Stmt{}}
	err = b.fill(ctx)
	n := 0
	header := make([]byte, bareHeader)
	return gauge{"bare SQLite, one commit at a time", func(ctx context.Context) (sample, error) {
		begin, done := time.Now(), 0
		for time.Since(begin) < time.Second {
			n++
			if err := b.turn(ctx, n, header); err != nil {
				return sample{}, err
			}
			done++
		}
		return sample{rate: float64(done) / time.Since(begin).Seconds()}, nil
	}}, func() error { return errors.Join(conn.Close(), db.Close()) }, err
}

// bareConn is a connection that prepares each statement once.
type bareConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (b *bareConn) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := b.stmts[q]; ok {
		return s, nil
	}
	s, err := b.conn.PrepareContext(ctx, q)
	b.stmts[q] = s
	return s, err
}

func (b *bareConn) exec(ctx context.Context, q string, args ...any) error {
	s, err := b.stmt(ctx, q)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

func (b *bareConn) fill(ctx context.Context) error {
	for _, q := range []string{
		"CREATE TABLE family (id TEXT PRIMARY KEY, gen BIGINT NOT NULL, cur BLOB NOT NULL, prev BLOB)",
		"CREATE TABLE event (id TEXT PRIMARY KEY, at BIGINT NOT NULL, header BLOB NOT NULL)",
		"BEGIN",
	} {
		if err := b.exec(ctx, q); err != nil {
			return err
		}
	}
	for i := range bareRows {
		if err := b.exec(ctx, "INSERT INTO family (id, gen, cur) VALUES (?, 1, ?)", bareID("fam", i), make([]byte, 32)); err != nil {
			return err
		}
	}
	return b.exec(ctx, "COMMIT")
}

func (b *bareConn) turn(ctx context.Context, n int, header []byte) error {
	family := bareID("fam", rand.IntN(bareRows))
	if err := b.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	s, err := b.stmt(ctx, "SELECT gen, cur FROM family WHERE id = ?")
	if err != nil {
		return err
	}
	var gen int64
	var cur []byte
	if err := s.QueryRowContext(ctx, family).Scan(&gen, &cur); err != nil {
		return err
	}
	if err := b.exec(ctx, "UPDATE family SET gen = ?, prev = cur, cur = ? WHERE id = ?", gen+1, header[:32], family); err != nil {
		return err
	}
	if err := b.exec(ctx, "INSERT INTO event (id, at, header) VALUES (?, ?, ?)", bareID("evt", n), time.Now().UnixMicro(), header); err != nil {
		return err
	}
	return b.exec(ctx, "COMMIT")
}

func bareID(prefix string, i int) string { return fmt.Sprintf("%s_%026d", prefix, i) }

// barePostgres turns a row and inserts another in one statement, from 16
// connections: the fewest trips there can be.
func barePostgres(ctx context.Context, address string) (gauge, func() error, error) {
	const conns = 16
	var all []*pgx.Conn
	shut := func() error {
		var err error
		for _, c := range all {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
		}
		return err
	}
	for range conns {
		c, err := pgx.Connect(ctx, address)
		if err != nil {
			return gauge{}, shut, err
		}
		all = append(all, c)
	}
	for _, q := range []string{
		"CREATE TABLE family (id TEXT PRIMARY KEY, gen BIGINT NOT NULL, cur BYTEA NOT NULL, prev BYTEA)",
		"CREATE TABLE event (id TEXT PRIMARY KEY, at BIGINT NOT NULL, header BYTEA NOT NULL)",
		fmt.Sprintf("INSERT INTO family SELECT 'fam_' || lpad(i::text, 26, '0'), 1, decode(repeat('00', 32), 'hex') FROM generate_series(0, %d) i", bareRows-1),
		"VACUUM (ANALYZE) family",
	} {
		if _, err := all[0].Exec(ctx, q); err != nil {
			return gauge{}, shut, err
		}
	}
	const turn = `WITH turned AS (UPDATE family SET gen = gen + 1, prev = cur, cur = $1 WHERE id = $2 RETURNING gen)
		INSERT INTO event (id, at, header) SELECT $3, $4, $5 FROM turned`
	var next atomic.Int64
	return gauge{"bare PostgreSQL, one statement, 16 connections", func(ctx context.Context) (sample, error) {
		var (
			wg    sync.WaitGroup
			done  atomic.Int64
			errs  = make([]error, conns)
			begin = time.Now()
		)
		for i, c := range all {
			wg.Go(func() {
				header := make([]byte, bareHeader)
				for time.Since(begin) < time.Second && errs[i] == nil {
					_, errs[i] = c.Exec(ctx, turn, header[:32], bareID("fam", rand.IntN(bareRows)), bareID("evt", int(next.Add(1))), time.Now().UnixMicro(), header)
					done.Add(1)
				}
			})
		}
		wg.Wait()
		return sample{rate: float64(done.Load()) / time.Since(begin).Seconds()}, errors.Join(errs...)
	}}, shut, nil
}
