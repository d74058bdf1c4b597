package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	sqlHasMigrationTable = `SELECT count(*) FROM information_schema.tables
		WHERE table_schema = current_schema() AND table_name = 'store_migration'`

	// Row 0 is the lock: who updates it migrates, the others wait for it to
	// commit. An advisory lock would not work on every server that speaks this wire.
	sqlMakeMigrationLock = `INSERT INTO store_migration (version, name, checksum, at)
		VALUES (0, 'lock', '', 0) ON CONFLICT (version) DO NOTHING`
	sqlTakeMigrationLock = `UPDATE store_migration SET at = $1 WHERE version = 0`
)

// postgresSchema migrates one PostgreSQL database, over connections of its own.
type postgresSchema struct {
	url string
	now func() time.Time
}

func (postgresSchema) folder() string { return "postgres" }

func (m postgresSchema) on(ctx context.Context, f func(*pgx.Conn) error) error {
	cfg, err := postgresConfig(m.url)
	if err != nil {
		return err
	}
	pc, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("store: connect: %w", err)
	}
	return errors.Join(f(pc), pc.Close(context.WithoutCancel(ctx)))
}

func (m postgresSchema) applied(ctx context.Context) (done []applied, err error) {
	err = m.on(ctx, func(pc *pgx.Conn) error {
		var n int
		if err := pc.QueryRow(ctx, sqlHasMigrationTable).Scan(&n); err != nil || n == 0 {
			return err
		}
		done, err = postgresApplied(ctx, pc)
		return err
	})
	return done, err
}

func postgresApplied(ctx context.Context, pc *pgx.Conn) ([]applied, error) {
	rows, err := pc.Query(ctx, sqlApplied)
	if err != nil {
		return nil, err
	}
	return scanApplied(&postgresRows{Rows: rows})
}

func (m postgresSchema) apply(ctx context.Context, todo func([]applied) ([]migration, error)) (did []string, err error) {
	err = m.on(ctx, func(pc *pgx.Conn) error {
		if err := bootstrap(ctx, pc); err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, pc, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(t pgx.Tx) error {
			if _, err := t.Exec(ctx, sqlTakeMigrationLock, Micros(m.now())); err != nil {
				return err
			}
			done, err := postgresApplied(ctx, pc)
			if err != nil {
				return err
			}
			ms, err := todo(done)
			if err != nil {
				return err
			}
			for _, f := range ms {
				// The simple protocol, because a file holds several statements.
				if _, err := pc.PgConn().Exec(ctx, f.text).ReadAll(); err != nil {
					return fmt.Errorf("store: migration %s: %w", f.name, err)
				}
				if _, err := t.Exec(ctx, sqlNoteMigration, int64(f.version), f.name, f.checksum, Micros(m.now())); err != nil {
					return fmt.Errorf("store: migration %s: %w", f.name, err)
				}
			}
			did = names(ms)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return did, nil
}

// bootstrap makes the table and its lock row. Two processes that create the same
// table at once collide in the server's catalogue even with IF NOT EXISTS, so a
// collision is tried again and then finds the table.
func bootstrap(ctx context.Context, pc *pgx.Conn) error {
	for try := 0; ; try++ {
		_, err := pc.Exec(ctx, sqlMigrationTable)
		if err == nil {
			_, err = pc.Exec(ctx, sqlMakeMigrationLock)
		}
		var e *pgconn.PgError
		if err == nil || try == 5 || !errors.As(err, &e) {
			return err
		}
		switch e.Code {
		case "23505", "42P07", "42710", "40001", "40P01", "XX000": // the other one was quicker
		default:
			return err
		}
	}
}
