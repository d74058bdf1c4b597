package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// doctorCmd looks for what would keep people from signing in. It changes nothing.
type doctorCmd struct{}

// finding is one thing it looked at.
type finding struct {
	what string
	err  error // nil: fine
	fix  string
}

func (doctorCmd) Run(e *env) error {
	l, err := e.load()
	if err != nil {
		return err
	}
	cfg := l.Config
	ctx, cancel := context.WithTimeout(e.ctx, 20*time.Second)
	defer cancel()
	var out []finding
	look := func(what, fix string, f func() error) { out = append(out, finding{what, f(), fix}) }

	look("the root key file can be used", "see the text", func() error {
		_, err := keyring.OpenKeyFile(cfg.KeyFile, cfg.KeyFileGroupReadable)
		return err
	})
	look("the database has this version's schema", "run: keyward migrate apply", func() error {
		steps, err := store.Plan(ctx, store.Options{URL: cfg.Database.URL})
		if err == nil && len(steps) > 0 {
			err = fmt.Errorf("%d steps are missing", len(steps))
		}
		return err
	})
	host := strings.TrimPrefix(strings.TrimPrefix(cfg.PublicURL, "https://"), "http://")
	look("the public name resolves", "add a DNS record for it", func() error {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		_, err = net.DefaultResolver.LookupHost(ctx, name)
		return err
	})
	look("the server answers at its public URL", "start it, or look at the proxy in front", func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.PublicURL+"/signin", nil)
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
	})
	if cfg.Mail.Host == "" {
		out = append(out, finding{"mail can leave", errors.New("no relay is configured"), "set mail.host; without it nobody's address can be checked and no notice arrives"})
	} else {
		look("the mail relay answers", "check mail.host and mail.port and the firewall between", func() error {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(cfg.Mail.Host, strconv.Itoa(cfg.Mail.Port)))
			if err != nil {
				return err
			}
			return c.Close()
		})
	}
	return e.report(out)
}

func (e *env) report(out []finding) error {
	bad := 0
	for _, f := range out {
		if f.err == nil {
			fmt.Fprintln(e.stdout, "ok   ", f.what)
			continue
		}
		bad++
		fmt.Fprintf(e.stdout, "FAIL  %s: %v\n      %s\n", f.what, f.err, f.fix)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(out))
	}
	return nil
}
