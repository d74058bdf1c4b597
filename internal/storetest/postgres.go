package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"keyward/internal/store"
)

var background = context.Background()

// PostgresURL is the address of a fresh, migrated PostgreSQL database, dropped
// when the test ends. Without PostgreSQL it skips the test, or fails it when
// KEYWARD_TEST_REQUIRE_ALL=1.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return postgres(t, true)
}

// EmptyPostgresURL is like [PostgresURL] with a database that no migration has touched.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return postgres(t, false)
}

func postgres(t testing.TB, migrated bool) string {
	t.Helper()
	s, err := theServer()
	if err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatalf("PostgreSQL is required: %v", err)
		}
		t.Skipf("skipped over PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("keyward_test_%d_%08x", os.Getpid(), rand.Uint32())
	template := "template0"
	if migrated {
		if template, err = s.template(); err != nil {
			t.Fatalf("template database: %v", err)
		}
	}
	if err := s.create(name, template); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.drop(name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return s.database(name)
}

// A server is a PostgreSQL on which tests may create databases.
type server struct {
	url    *url.URL
	ours   bool   // the shared cluster, which is thrown away
	copies string // how CREATE DATABASE copies

	mu    sync.Mutex // guards the rest
	c     *pgx.Conn
	tp    string   // name of the template, once it is known to exist
	trash []string // databases to drop
}

// theServer finds or starts PostgreSQL, once per process.
var theServer = sync.OnceValues(func() (*server, error) {
	address := os.Getenv("TEST_POSTGRES_URL")
	ours := address == ""
	if ours {
		var err error
		if address, err = joinCluster(); err != nil {
			return nil, err
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("TEST_POSTGRES_URL: %w", err)
	}
	s := &server{url: u, ours: ours}
	if s.c, err = pgx.Connect(background, address); err != nil {
		return nil, err
	}
	var version int
	if err := s.c.QueryRow(background, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return nil, err
	}
	if version >= 150000 {
		s.copies = " STRATEGY FILE_COPY" // half the time of the default
	}
	return s, nil
})

// database is the address of another database on the same server.
func (s *server) database(name string) string {
	u := *s.url
	u.Path = "/" + name
	return u.String()
}

func (s *server) create(name, template string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.empty(); err != nil {
		return err
	}
	_, err := s.c.Exec(background, "CREATE DATABASE "+name+" TEMPLATE "+template+s.copies)
	return err
}

// drop drops a database, in our own cluster only before the next one is made:
// PostgreSQL sleeps for a tenth of a second when the connections have only just
// been closed.
func (s *server) drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trash = append(s.trash, name)
	if s.ours && len(s.trash) < 4 {
		return nil
	}
	return s.empty()
}

func (s *server) empty() error {
	for _, name := range s.trash {
		if _, err := s.c.Exec(background, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	s.trash = nil
	return nil
}

// template names a migrated database to copy, and makes it when no test process
// has done so yet. Its name says which schema it has, because two processes may
// be built from different sources.
func (s *server) template() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tp != "" {
		return s.tp, nil
	}
	unlock, err := hold("template.lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	sum, err := store.SchemaChecksum(store.PostgreSQL)
	if err != nil {
		return "", err
	}
	name := "keyward_template_" + sum[:16]
	var n int
	if err := s.c.QueryRow(background, "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&n); err != nil {
		return "", err
	}
	if n == 0 {
		if err := s.build(name); err != nil {
			return "", err
		}
	}
	s.tp = name
	return name, nil
}

// build migrates under another name, so that a process that dies halfway leaves
// no half template.
func (s *server) build(name string) error {
	draft := fmt.Sprintf("keyward_draft_%d_%08x", os.Getpid(), rand.Uint32())
	if _, err := s.c.Exec(background, "CREATE DATABASE "+draft+" TEMPLATE template0"); err != nil {
		return err
	}
	if _, err := store.Migrate(background, store.Options{URL: s.database(draft)}); err != nil {
		_, _ = s.c.Exec(background, "DROP DATABASE "+draft+" WITH (FORCE)")
		return err
	}
	_, err := s.c.Exec(background, "ALTER DATABASE "+draft+" RENAME TO "+name)
	return err
}
