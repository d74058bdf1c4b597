package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// doctorCmd looks for what would keep people from signing in. It changes nothing
// and works beside the running server.
type doctorCmd struct{}

// finding is one thing it looked at.
type finding struct {
	what string
	err  error // nil: fine
	fix  string
}

// seeText: the error says the fix itself.
const seeText = ""

func (doctorCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	cfg := l.Config
	ctx, cancel := context.WithTimeout(e.ctx, 20*time.Second)
	defer cancel()
	out := lookAtStorage(ctx, cfg)
	public, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return err
	}
	if cfg.TLS.CertFile != "" {
		out = append(out, finding{"the certificate speaks for the public name", lookAtCertificate(cfg.TLS, public.Hostname(), time.Now()), "renew it, with its chain, and restart"})
	}
	if cfg.PlaceFile != "" {
		_, err := openPlaces(cfg.PlaceFile)
		out = append(out, finding{"the place file can be read", err, seeText})
	}
	out = append(out, lookAtLists(cfg.Attestation, time.Now())...)
	answers := lookAtServer(ctx, cfg.PublicURL)
	out = append(out,
		finding{"the public name resolves", lookup(ctx, public.Hostname()), "add a DNS record for it"},
		finding{"the server answers at its public URL", answers, "start it, or look at the proxy in front"},
		lookAtMail(ctx, cfg.Mail))
	if answers != nil {
		out = append(out, finding{"the official places are as configured", errUnseen, seeText})
	} else {
		out = append(out, lookAtPlaces(ctx, http.DefaultTransport, cfg, public, time.Now())...)
	}
	return e.report(out)
}

// lookAtStorage asks what a start would ask of database, key and anchor.
func lookAtStorage(ctx context.Context, cfg config.Config) []finding {
	database := finding{what: "the database has this version's schema"}
	key := finding{what: "the root key opens the database"}
	anchor := finding{what: "the anchor witnesses the log"}
	db, err := store.Behold(ctx, store.Options{URL: cfg.Database.URL, MaxConns: 2})
	if err != nil {
		database.err, key.err, anchor.err = err, errUnseen, errUnseen
		return []finding{database, key, anchor}
	}
	defer db.Close()
	ring, err := beholdRing(ctx, cfg, db)
	if errors.Is(err, errUnserved) {
		// What the first start will find: no file to overwrite, or one it can use.
		kek, err := openKEK(cfg, db.Now)
		if errors.Is(err, keyring.ErrKeyMissing) {
			err = lookAtFolder(cfg.KeyFile)
		} else if err == nil {
			err = keyring.TryKEK(ctx, kek)
		}
		key.what, key.err = "the first start can make the root key", err
		anchor.what, anchor.err = "the anchor can be written", lookAtFolder(cfg.AnchorFile)
		return []finding{database, key, anchor}
	}
	if err != nil {
		key.err, anchor.err = err, errUnseen
		return []finding{database, key, anchor}
	}
	anchor.err = lookAtAnchor(ctx, db, audit.New(ring), cfg.AnchorFile)
	return []finding{database, key, anchor}
}

var errUnseen = errors.New("cannot be told before the above is mended")

// lookAtAnchor: a server starts without an anchor, because a new one has none; so
// somebody must say when one that should be there is not.
func lookAtAnchor(ctx context.Context, db *store.DB, log *audit.Log, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		sealed, _, err := log.Tail(ctx, db, -1, 1)
		if err != nil || len(sealed) == 0 {
			return errors.Join(err, lookAtFolder(path))
		}
		return fmt.Errorf("%s does not exist, but the log has events. The running server writes it within a minute; "+
			"if it was there before, find out who removed it: without it nobody notices a database that was rolled back", path)
	}
	return log.CheckAnchor(ctx, db, path)
}

func lookAtFolder(path string) error {
	dir := filepath.Dir(path)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return fmt.Errorf("its folder does not exist; if no disk is missing, run: mkdir -m 700 %s", dir)
	}
	return nil
}

// tooSoon: a certificate that ends sooner was not renewed in time; the usual
// robots renew thirty days before.
const tooSoon = 7 * 24 * time.Hour

func lookAtCertificate(t config.TLS, name string, now time.Time) error {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return err
	}
	if err := pair.Leaf.VerifyHostname(name); err != nil {
		return err
	}
	if left := pair.Leaf.NotAfter.Sub(now); left < tooSoon {
		return fmt.Errorf("it ends at %s", pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func lookup(ctx context.Context, host string) error {
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	return err
}

func lookAtServer(ctx context.Context, origin string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/signin", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", res.Status)
	}
	// Clocks that part make proofs fail on good devices (RFC 9449 §11.1).
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if apart := time.Since(at).Abs(); apart > 5*time.Second {
			return fmt.Errorf("its clock is %s away from this machine's", apart.Round(time.Second))
		}
	}
	return nil
}

func lookAtMail(ctx context.Context, m config.Mail) finding {
	if m.Host == "" {
		return finding{"mail can leave", errors.New("no relay is configured"), "set mail.host; without it nobody's address can be checked and no notice arrives"}
	}
	f := finding{what: "the mail relay answers", fix: "check mail.host and mail.port and the firewall between"}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(m.Host, strconv.Itoa(m.Port)))
	if err != nil {
		f.err = err
		return f
	}
	f.err = c.Close()
	return f
}

func (e *env) report(out []finding) error {
	bad := 0
	for _, f := range out {
		if f.err == nil {
			fmt.Fprintln(e.stdout, "ok   ", f.what)
			continue
		}
		bad++
		fmt.Fprintf(e.stdout, "FAIL  %s: %v\n", f.what, f.err)
		if f.fix != seeText {
			fmt.Fprintf(e.stdout, "      %s\n", f.fix)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(out))
	}
	return nil
}
