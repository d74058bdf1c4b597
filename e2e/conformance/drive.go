package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"keyward/e2e/person"
)

// suite is the part of the suite's API that offers addresses to somebody.
type suite struct {
	base   string
	client *http.Client
}

// trusting takes the certificate that the suite made for itself, at the suite's
// address and on this machine only.
func trusting(base string) *http.Client {
	u, err := url.Parse(base)
	if err != nil {
		return http.DefaultClient
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if to, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !to.IP.IsLoopback() {
			conn.Close()
			return nil, errors.New("the suite is not on this machine")
		}
		return conn, nil
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true},
	}}
}

// offered are the addresses that a running test wants somebody to visit.
func (s suite) offered(ctx context.Context, test string) (urls []string, err error) {
	var b struct{ URLs []string }
	err = s.get(ctx, "/api/runner/browser/"+url.PathEscape(test), &b)
	return b.URLs, err
}

func (s suite) get(ctx context.Context, path string, v any) error {
	return s.ask(ctx, http.MethodGet, path, v)
}

// visited says that somebody went there.
func (s suite) visited(ctx context.Context, test, address string) error {
	return s.ask(ctx, http.MethodPost, "/api/runner/browser/"+url.PathEscape(test)+"/visit?url="+url.QueryEscape(address), nil)
}

func (s suite) ask(ctx context.Context, method, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, nil)
	if err != nil {
		return err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(v)
}

// drive signs up and then goes wherever running tests want somebody to go, until it
// is interrupted.
func drive(ctx context.Context, s suite, issuer, mail string) error {
	if issuer == "" {
		return errors.New("say where Keyward is: -issuer")
	}
	profile, err := os.MkdirTemp("", "keyward-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	// The suite's certificate is its own; the browser is this driver's, with a profile
	// that is thrown away.
	p, err := person.Sit(ctx, profile, "ignore-certificate-errors")
	if err != nil {
		return err
	}
	defer p.Leave()
	if err := p.SignUp(issuer, mail); err != nil {
		return err
	}
	fmt.Println("signed up as", mail, "- waiting for tests")
	for seen := map[string]bool{}; ; {
		var running []string
		if err := s.get(ctx, "/api/runner/running", &running); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "suite:", err)
		}
		for _, test := range running {
			urls, err := s.offered(ctx, test)
			if err != nil {
				continue // it ended meanwhile
			}
			for _, u := range slices.DeleteFunc(urls, func(u string) bool { return seen[test+u] }) {
				seen[test+u] = true
				came, err := visit(ctx, s, p, test, u)
				fmt.Println(test, came, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// visit goes to one address. The suite hears of it first: a test may wait for the
// page and not for its answer.
func visit(ctx context.Context, s suite, p *person.Person, test, address string) (came string, err error) {
	if err := p.Open(address); err != nil {
		return "", err
	}
	if err := s.visited(ctx, test, address); err != nil {
		return "", err
	}
	if came, err = p.Onward(address, true); err != nil {
		return "", err
	}
	return came, p.Until("document.readyState === 'complete'") // the suite's page sends on what it got
}
