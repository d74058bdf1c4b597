package rs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// issuerKey is one of the issuer's keys. As long as the issuer publishes it, its address stays the same.
type issuerKey struct {
	kid string
	publicKey
}

type keySet struct {
	byKid map[string]*issuerKey
	at    time.Time // when it was fetched
}

// keys fetches the issuer's keys and keeps the last good set.
type keys struct {
	issuer string
	url    string // "" to look it up in the issuer's metadata
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	set atomic.Pointer[keySet] // nil until the first good fetch

	mu     sync.Mutex    // guards what follows
	flight chan struct{} // closed when the fetch under way ends; nil when there is none
	tried  time.Time     // when the last fetch began
	failed bool          // it brought nothing
}

// find is the key called kid. What a flood of made-up names can cause is one fetch in fetchEvery.
func (k *keys) find(ctx context.Context, kid string) (*issuerKey, *Error) {
	now := k.now()
	if set := k.good(now); set != nil && set.byKid[kid] != nil {
		return set.byKid[kid], nil
	}
	if flight := k.fetch(now); flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, errKeysAway.because(ctx.Err())
		}
	}
	set := k.good(k.now())
	if set != nil && set.byKid[kid] != nil {
		return set.byKid[kid], nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if set == nil || k.failed {
		return nil, errKeysAway // it may well be a new key
	}
	return nil, errTokenKey
}

// published reports whether the issuer still publishes this very key.
func (k *keys) published(key *issuerKey, now time.Time) bool {
	set := k.good(now)
	return set != nil && set.byKid[key.kid] == key
}

// good is the set if it may be used; one that is no longer fresh is fetched again beside that.
func (k *keys) good(now time.Time) *keySet {
	set := k.set.Load()
	if set == nil {
		return nil
	}
	age := now.Sub(set.at)
	if age > keysFresh {
		k.fetch(now)
	}
	if age > keysGood {
		return nil
	}
	return set
}

// fetch begins a fetch, unless one is under way or the last began just now. The channel is that of the fetch
// under way; nil when there is none to wait for.
func (k *keys) fetch(now time.Time) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight
	}
	if since := now.Sub(k.tried); !k.tried.IsZero() && since >= 0 && since < fetchEvery {
		return nil
	}
	flight := make(chan struct{})
	k.flight, k.tried = flight, now
	go func() {
		// Not the context of a request: others wait for the same answer.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		byKid, err := k.read(ctx)
		if err != nil {
			k.log.Warn("the issuer's keys could not be read", "err", err)
		} else {
			k.install(byKid, now)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.failed = err != nil
		k.flight = nil
		close(flight)
	}()
	return flight
}

func (k *keys) install(byKid map[string]*issuerKey, now time.Time) {
	if old := k.set.Load(); old != nil {
		for kid, key := range byKid {
			if had := old.byKid[kid]; had != nil && had.canonical == key.canonical {
				byKid[kid] = had // so that the tokens verified with it stay good
			}
		}
	}
	k.set.Store(&keySet{byKid, now})
}

func (k *keys) read(ctx context.Context) (map[string]*issuerKey, error) {
	at := k.url
	if at == "" {
		text, err := k.load(ctx, metadataURL(k.issuer))
		if err != nil {
			return nil, err
		}
		doc, ok := readObject(text, nil)
		if !ok {
			return nil, errors.New("the issuer's metadata are no JSON object")
		}
		// RFC 8414 §3.3: otherwise one issuer could pass its keys off as another's.
		if iss, _, _ := doc.text("issuer"); iss != k.issuer {
			return nil, fmt.Errorf("the metadata are those of %q", iss)
		}
		at, _, _ = doc.text("jwks_uri")
		if err := trustworthy(at); err != nil {
			return nil, fmt.Errorf("jwks_uri: %w", err)
		}
	}
	text, err := k.load(ctx, at)
	if err != nil {
		return nil, err
	}
	return readKeys(text)
}

// readKeys takes what can verify an access token out of a JWK set (RFC 7517 §5) and leaves the rest aside:
// the set may hold keys for other things. Two keys with one name are an error, since each of them could be meant.
func readKeys(text string) (map[string]*issuerKey, error) {
	doc, ok := readObject(text, nil)
	list, _ := doc.raw("keys")
	items, isList := list.items()
	if !ok || !isList {
		return nil, errors.New("no JWK set")
	}
	byKid := map[string]*issuerKey{}
	for _, it := range items {
		m, ok := readObject(it.text, nil)
		if !ok || it.kind != 'o' {
			continue
		}
		kid, _, _ := m.text("kid")
		use, _, _ := m.text("use")
		alg, hasAlg, _ := m.text("alg")
		if !goodID(kid, 1) || use != "sig" || hasAlg && alg != algES256 || !m.mayVerify() {
			continue
		}
		key, ok := m.keyFor(algES256) // which refuses private members
		if !ok {
			continue
		}
		if byKid[kid] != nil {
			return nil, fmt.Errorf("two keys are called %q", kid)
		}
		if len(byKid) == maxKeys {
			return nil, errors.New("too many keys")
		}
		byKid[kid] = &issuerKey{kid, key}
	}
	if len(byKid) == 0 {
		return nil, errors.New("the set has no key for ES256")
	}
	return byKid, nil
}

// mayVerify looks at key_ops (RFC 7517 §4.3), where there are any.
func (m members) mayVerify() bool {
	ops, there := m.raw("key_ops")
	if !there {
		return true
	}
	list, ok := ops.texts(false)
	return ok && len(list) == 1 && list[0] == "verify"
}

// load reads one document. Redirects are not followed: the issuer says where its keys are.
func (k *keys) load(ctx context.Context, at string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/json")
	res, err := k.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", at, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err == nil && len(text) > maxDocument {
		err = fmt.Errorf("%s: more than %d bytes", at, maxDocument)
	}
	return string(text), err
}

// metadataURL puts the well-known part between host and path (RFC 8414 §3.1).
func metadataURL(issuer string) string {
	const wellKnown = "/.well-known/oauth-authorization-server"
	u, err := url.Parse(issuer)
	if err != nil {
		return "" // New has parsed it
	}
	return u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}

// trustworthy: whoever can write into the answer can sign tokens. So https, or the same machine for trying things out.
func trustworthy(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return err
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("want an https address")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("want an https address")
	}
	switch host := u.Hostname(); {
	case host == "localhost", host == "127.0.0.1", host == "::1", strings.HasSuffix(host, ".localhost"):
		return nil
	}
	return errors.New("plain http is for the same machine only")
}
