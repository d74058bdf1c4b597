package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// deployment is one Keyward: a database, a root key, a configuration and, when it
// runs, the real binary.
type deployment struct {
	dir    string
	url    string // of the database
	public string // host:port of the pages
	ops    string
	binary string
	server *process
}

// origin is what people would type.
func (d *deployment) origin() string { return "http://" + d.host() }

// host is for the Host header. The name, not the address: passkeys need one.
func (d *deployment) host() string {
	_, port, _ := net.SplitHostPort(d.public)
	return "localhost:" + port
}

// deploy prepares a migrated, empty database. url is "" for SQLite in dir.
func (b *bench) deploy(ctx context.Context, name, url string) (*deployment, error) {
	d := &deployment{dir: filepath.Join(b.dir, name), url: url, binary: b.binary}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, err
	}
	if d.url == "" {
		d.url = "sqlite:" + filepath.Join(d.dir, "keyward.db")
	}
	for _, addr := range []*string{&d.public, &d.ops} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*addr = l.Addr().String()
		defer l.Close() // both are held until both are chosen
	}
	if err := os.WriteFile(d.config(), []byte(d.yaml()), 0o600); err != nil {
		return nil, err
	}
	if _, err := store.Migrate(ctx, store.Options{URL: d.url}); err != nil {
		return nil, err
	}
	return d, keyring.CreateKeyFile(d.keyFile())
}

func (d *deployment) config() string  { return filepath.Join(d.dir, "keyward.yaml") }
func (d *deployment) keyFile() string { return filepath.Join(d.dir, "keyward.key") }

// yaml is the configuration behind a proxy that is us, so that every visitor has
// an address of their own: one address sending everything would measure the rate
// limits. Everything else is as it comes, the access log included.
func (d *deployment) yaml() string {
	return fmt.Sprintf(`public_url: %s
listen:
  public: %s
  ops: %s
behind_proxy: true
trusted_proxies: [127.0.0.1]
database:
  url: %q
key_file: %s
anchor_file: %s
limits:
  rate_factor: 100
`, d.origin(), d.public, d.ops, d.url, d.keyFile(), filepath.Join(d.dir, "keyward.anchor"))
}

// core is an opened deployment without its server.
type core struct {
	db       *store.DB
	ring     *keyring.Ring
	log      *audit.Log
	accounts *account.Service
	devices  *device.Service
	sessions *session.Service
	signin   *signin.Service
	oauth    *oauth.Service
	issuer   string
}

// open wires what loading and checking need, as cmd/keyward does.
func (d *deployment) open(ctx context.Context) (_ *core, err error) {
	c := new(core)
	if c.db, err = store.Open(ctx, store.Options{URL: d.url, MaxConns: 16}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.db.Close())
		}
	}()
	kek, err := keyring.OpenKeyFile(d.keyFile(), false)
	if err != nil {
		return nil, err
	}
	if c.ring, err = keyring.Open(ctx, kek, c.db, c.db.Now); err != nil {
		return nil, err
	}
	c.log = audit.New(c.ring)
	c.accounts = account.New(c.log, c.ring)
	c.devices, err = device.New(device.Config{RPID: "localhost", RPName: "bench", Origins: []string{d.origin()}, Now: c.db.Now}, c.ring, c.log)
	if err != nil {
		return nil, err
	}
	c.sessions = session.New(c.db, c.ring, c.log, session.DefaultLifetimes(), nil, session.Metrics{})
	c.signin = signin.New(signin.Parts{DB: c.db, Ring: c.ring, Log: c.log, Accounts: c.accounts, Devices: c.devices, Sessions: c.sessions, SelfSignUp: true})
	c.issuer = d.origin()
	c.oauth = oauth.New(oauth.Parts{
		DB: c.db, Log: c.log, Accounts: c.accounts, Sessions: c.sessions, SignIn: c.signin, Mint: session.NewMint(c.ring, c.issuer, c.db.Now), Access: 5 * time.Minute,
	})
	return c, nil
}

// start runs the binary and returns how long it took to be ready.
func (d *deployment) start(ctx context.Context) (ready time.Duration, err error) {
	begin := time.Now()
	if d.server, _, err = launch(filepath.Join(d.dir, "log"), d.binary, "serve", "-c", d.config()); err != nil {
		return 0, err
	}
	client := &http.Client{Timeout: time.Second}
	for time.Since(begin) < 20*time.Second {
		res, err := client.Get("http://" + d.ops + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				client.CloseIdleConnections()
				return time.Since(begin), nil
			}
		}
		if err := d.server.ended(); err != nil {
			return 0, err
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, errors.Join(errors.New("the server was not ready within 20 s"), d.stop())
}

func (d *deployment) stop() error {
	if d == nil {
		return nil
	}
	p := d.server
	d.server = nil
	return p.stop()
}
