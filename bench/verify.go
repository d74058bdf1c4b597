package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"keyward/internal/session"
	"keyward/rs"
)

// What a service of the exchange pays for a token that Keyward made: package rs, in
// process, on all cores, with its tail running. Beside a bare signature check, and
// beside the check that a service with a shared secret would make instead.

const firsts = 30_000 // tokens that are shown once; fewer than rs remembers

// inProcess counts what all cores do in half a second. each makes the work of one.
func inProcess(name string, each func() (func() error, error)) gauge {
	return gauge{name, func(ctx context.Context) (sample, error) {
		n := runtime.GOMAXPROCS(0)
		work, errs := make([]func() error, n), make([]error, n)
		for i := range n {
			var err error
			if work[i], err = each(); err != nil {
				return sample{}, err
			}
		}
		var done atomic.Int64
		var wg sync.WaitGroup
		before, err := cpuTime(os.Getpid())
		if err != nil {
			return sample{}, err
		}
		begin := time.Now()
		for i := range n {
			wg.Go(func() {
				k := int64(0)
				for ; (k&63 != 0 || time.Since(begin) < time.Second/2) && ctx.Err() == nil; k++ {
					if errs[i] = work[i](); errs[i] != nil {
						break
					}
				}
				done.Add(k)
			})
		}
		wg.Wait()
		took := time.Since(begin)
		after, err := cpuTime(os.Getpid())
		if err != nil {
			return sample{}, err
		}
		for _, err := range errs {
			if err != nil && !errors.Is(err, errShown) {
				return sample{}, err
			}
		}
		return sample{rate: float64(done.Load()) / took.Seconds(), cpu: (after - before) / time.Duration(max(done.Load(), 1))}, ctx.Err()
	}}
}

// alone is a gauge on one core, for a figure that is asked for by the core: two threads that
// share a core would each be charged for the other's waiting.
func alone(g gauge) gauge {
	return gauge{g.name + ", one core", func(ctx context.Context) (sample, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		return g.measure(ctx)
	}}
}

// errShown ends a run: every token has been shown.
var errShown = errors.New("all shown")

func (b *bench) verify(ctx context.Context) (err error) {
	d, err := b.deploy(ctx, "verify", "")
	if err != nil {
		return err
	}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	mint := session.NewMint(c.ring, d.origin(), c.db.Now)
	key, ok := c.ring.Signer().Public().Key.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("the signing key is of another kind")
	}
	tokens := make([]string, firsts)
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	each(workers, func(w int) {
		for i := w; i < len(tokens) && errs[w] == nil; i += workers {
			tokens[i], _, errs[w] = mint.AccessOf(session.Grant{
				ID: session.GrantID(fmt.Sprintf("grt_%026d", i)), Account: "acc_00000000000000000000000001", Session: "ses_00000000000000000000000001",
				Client: "app_00000000000000000000000001", Audience: d.origin(), ACR: "phr", AMR: []string{"swk", "user"}, AuthTime: c.db.Now(), AbsExp: c.db.Now().Add(time.Hour),
			}, "read trade", 50*time.Minute)
		}
	})
	if err := errors.Join(append(errs, c.db.Close())...); err != nil {
		return err
	}
	if _, err := d.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	ends, err := serveTail(ctx)
	if err != nil {
		return err
	}
	tail, err := rs.NewTail(rs.TailConfig{URL: ends.url})
	if err != nil {
		return err
	}
	follow, stop := context.WithCancel(ctx)
	defer stop()
	go tail.Run(follow)
	fresh := func() (*rs.Verifier, error) {
		v, err := rs.New(rs.Config{Issuer: d.origin(), Audience: d.origin(), PublicURL: "https://api.example.com", AcceptBearer: true, Tail: tail})
		if err != nil {
			return nil, err
		}
		return v, b.checkOnce(v, tokens[0]) // it has the keys, and the tail a lease, from here on
	}
	first := gauge{"rs, first sight", func(ctx context.Context) (sample, error) {
		v, err := fresh()
		if err != nil {
			return sample{}, err
		}
		var next atomic.Int64
		return inProcess("", func() (func() error, error) {
			r := shows("")
			return func() error {
				i := next.Add(1)
				if i >= firsts {
					return errShown
				}
				r.Header["Authorization"][0] = "Bearer " + tokens[i]
				return patient(v, r)
			}, nil
		}).measure(ctx)
	}}
	v, err := fresh()
	if err != nil {
		return err
	}
	const again = 1000 // tokens that keep coming back
	var shown []string // by all, as the MACs are: memory is not the figure
	for _, t := range tokens[:again] {
		shown = append(shown, "Bearer "+t)
	}
	var turn atomic.Int64
	repeated := inProcess("rs, remembered", func() (func() error, error) {
		r, i := shows(""), int(turn.Add(97))
		return func() error { i++; r.Header["Authorization"][0] = shown[i%again]; return patient(v, r) }, nil
	})
	s, err := b.rounds(ctx, bareES256(key, tokens[0]), first, bareHMAC(tokens[:again]), repeated)
	if err != nil {
		return err
	}
	took, err := b.bites(ctx, v, ends, tokens[7], "grt_00000000000000000000000007")
	if err != nil {
		return err
	}
	const part = "rs, in process"
	b.add(
		figure{Part: part, Name: "bare ES256 verify", Ours: s[0].rate(), Unit: "/s", Remark: "crypto/ecdsa with its SHA-256, all cores"},
		against(figure{Part: part, Name: "a token at first sight", Of: "bare verify", Least: 0.6, Remark: "bearer, scope and acr checked, tail with 1 k ends"}, s[1], s[0]),
		figure{Part: part, Name: "bare HMAC check", Ours: s[2].rate(), Unit: "/s", Remark: "of the same token under a keyed state, all cores"},
		against(figure{Part: part, Name: "the same tokens again", Of: "HMAC check", Least: 0.9, Remark: fmt.Sprintf("an end on the tail was obeyed %d ms later", took.Milliseconds())}, s[3], s[2]),
	)
	return nil
}

// bites makes sure that what was measured as remembered is still looked after: a
// token that ends on the tail is refused from then on.
func (b *bench) bites(ctx context.Context, v *rs.Verifier, ends *tailDoor, token, grant string) (time.Duration, error) {
	if err := b.checkOnce(v, token); err != nil {
		return 0, err
	}
	begin := time.Now()
	ends.end("grant", grant)
	for time.Since(begin) < 2*time.Second {
		if _, err := v.Check(shows(token), need); err != nil {
			return time.Since(begin), nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("a remembered token outlived its end by two seconds")
}

var need = rs.Need{Scope: []string{"trade"}, ACR: rs.Phr}

func shows(token string) *http.Request {
	return &http.Request{Method: "GET", Header: http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json"}}}
}

// patient is one check. All cores are busy with checks and the tail needs a
// moment on them every 100 ms: where that is missed nothing is answered, and it comes
// again.
func patient(v *rs.Verifier, r *http.Request) error {
	_, err := v.Check(r, need)
	for err != nil && strings.Contains(err.Error(), "tail") {
		time.Sleep(time.Millisecond)
		_, err = v.Check(r, need)
	}
	return err
}

func (b *bench) checkOnce(v *rs.Verifier, token string) (err error) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err = v.Check(shows(token), need); err == nil {
			return nil
		}
	}
	return err
}

// tailDoor is the issuer's end of a tail.
type tailDoor struct {
	url string

	mu    sync.Mutex // guards lines
	lines []string
}

func serveTail(ctx context.Context) (*tailDoor, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &tailDoor{url: "http://" + l.Addr().String() + "/oauth/tail"}
	for i := range 1000 {
		d.end("session", fmt.Sprintf("ses_ended_%d", i))
	}
	s := &http.Server{Handler: d, ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { s.Close() })
	go s.Serve(l)
	return d, nil
}

func (d *tailDoor) end(kind, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(`{"n":%d,"kind":%q,"id":%q,"before":%d}`, len(d.lines)+1, kind, id, time.Now().Unix()))
}

func (d *tailDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	lines := slices.Clone(d.lines)
	d.mu.Unlock()
	after := 0
	fmt.Sscan(r.URL.Query().Get("after"), &after)
	for _, line := range lines[min(after, len(lines)):] {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, `{"n":%d,"kind":"now","id":"l_1"}`+"\n", len(lines))
}

// bareES256 verifies the signature of a token and looks at nothing else of it.
func bareES256(key *ecdsa.PublicKey, token string) gauge {
	dot := strings.LastIndexByte(token, '.')
	signed := []byte(token[:dot])
	raw, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	var sig []byte
	if err == nil {
		half := len(raw) / 2
		sig, err = asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
	}
	return inProcess("bare ES256 verify", func() (func() error, error) {
		return func() error {
			digest := sha256.Sum256(signed)
			if !ecdsa.VerifyASN1(key, digest[:], sig) {
				return errors.New("it does not verify")
			}
			return nil
		}, err
	})
}

// bareHMAC checks a MAC over each token, with the state of the key made once.
func bareHMAC(tokens []string) gauge {
	secret := make([]byte, 32)
	texts, macs := make([][]byte, len(tokens)), make([][]byte, len(tokens))
	for i, t := range tokens {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(t))
		texts[i], macs[i] = []byte(t), m.Sum(nil)
	}
	return inProcess("bare HMAC check", func() (func() error, error) {
		var m hash.Hash = hmac.New(sha256.New, secret)
		var room [32]byte
		i := 0
		return func() error {
			i++
			m.Reset()
			m.Write(texts[i%len(texts)])
			if !hmac.Equal(m.Sum(room[:0]), macs[i%len(macs)]) {
				return errors.New("another MAC")
			}
			return nil
		}, nil
	})
}
