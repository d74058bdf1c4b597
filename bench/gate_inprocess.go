package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"

	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/softkey"
)

// The check itself, without any front: what a gate spends on a request, on all cores.

var looks = apikey.Need{Scope: apikey.ReadAccount, Class: apikey.ClassRead}

// ask is a signed read as a front hands it over.
func ask(bot *softkey.Bot) *apikey.Request {
	r := signedBy(bot, false)
	h := http.Header{}
	for _, x := range botHeaders {
		h[x[0]] = []string{x[1]}
	}
	for name, v := range r.Header {
		h[name] = v
	}
	return &apikey.Request{Method: r.Method, Authority: apiName, Path: r.URL.Path, Query: r.URL.RawQuery, Header: h, Peer: netip.MustParseAddr(botAddr)}
}

// signatureBase is what a bot signed, for the bare checks.
func signatureBase(q *apikey.Request) string {
	return fmt.Sprintf("\"@method\": %s\n\"@authority\": %s\n\"@path\": %s\n\"@query\": ?%s\n\"@signature-params\": %s", q.Method, q.Authority, q.Path, q.Query,
		strings.TrimPrefix(q.Header["Signature-Input"][0], "sig1="))
}

func asks(bots []*softkey.Bot, n int) []*apikey.Request {
	out := make([]*apikey.Request, n)
	each(runtime.GOMAXPROCS(0), func(k int) {
		for i := k; i < n; i += runtime.GOMAXPROCS(0) {
			out[i] = ask(bots[i%len(bots)])
		}
	})
	return out
}

// verified is a gauge over requests: again and again, or each once. They are signed anew
// for each measurement, because none is good for long.
func verified(name string, keys *apikey.Service, bots []*softkey.Bot, n int, once bool) gauge {
	return gauge{name, func(ctx context.Context) (sample, error) {
		list := asks(bots, n)
		if !once {
			for _, q := range list {
				if _, no := keys.Verify(ctx, q, looks); no != nil {
					return sample{}, no
				}
			}
		}
		var next atomic.Int64
		return inProcess(name, func() (func() error, error) {
			i := int(next.Add(97))
			return func() error {
				if once {
					if i = int(next.Add(1)); i >= n {
						return errShown
					}
				} else {
					i++
				}
				if _, no := keys.Verify(ctx, list[i%n], looks); no != nil {
					return no
				}
				return nil
			}, nil
		}).measure(ctx)
	}}
}

func (b *bench) gateInProcess(ctx context.Context) (err error) {
	d, err := b.deploy(ctx, "gate-keys", "")
	if err != nil {
		return err
	}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	macs, err := c.loadBots(ctx, gateBots, apikey.HMACSHA256)
	if err != nil {
		return err
	}
	pairs, err := c.loadBots(ctx, 1024, apikey.Ed25519)
	if err != nil {
		return err
	}
	keys := c.botKeys()
	var texts []string
	for _, q := range asks(macs, 1000) {
		texts = append(texts, signatureBase(q))
	}
	bareEd25519 := inProcess("bare Ed25519 verify", func() (func() error, error) {
		text, bot := []byte(texts[0]), pairs[0]
		sig := ed25519.Sign(bot.Private, text)
		public := ed25519.PublicKey(bot.Public())
		return func() error {
			if !ed25519.Verify(public, text, sig) {
				return errors.New("it does not verify")
			}
			return nil
		}, nil
	})
	s, err := b.rounds(ctx, bareHMAC(texts), verified("HMAC, a read", keys, macs, gateBots, false),
		bareEd25519, verified("Ed25519, first sight", keys, pairs, 16_000, true), verified("Ed25519, again", keys, pairs, 1024, false),
		alone(bareHMAC(texts)), alone(verified("HMAC, a read", keys, macs, gateBots, false)))
	if err != nil {
		return err
	}
	allocated, err := allocations(ctx, keys, asks(macs, 1024))
	if err != nil {
		return err
	}
	if err := c.biteOne(ctx, keys, pairs[7]); err != nil {
		return err
	}
	const part = "gate, in process"
	// By the time that the core worked on it, not by the clock: neighbours take the clock.
	aCore := func(s series) float64 { return 1e9 / s.nanos() }
	b.add(
		figure{Part: part, Name: "bare HMAC check, a core", Ours: aCore(s[5]), Unit: "/s", Remark: "of the same text under a keyed state; one core, by CPU time"},
		figure{Part: part, Name: "HMAC check of a read, a core", Ours: aCore(s[6]), Unit: "/s", Limit: 500_000, Of: "asked for", Ratio: aCore(s[6]) / 500_000, Least: 1, Remark: "window, address, account, right, speed, story; one core, by CPU time"},
		against(figure{Part: part, Name: "HMAC check of a read", Of: "bare HMAC check", Remark: "all cores; no bar of this kind"}, s[1], s[0]),
		figure{Part: part, Name: "allocations of it", Ours: allocated, Unit: "", Zero: true},
		figure{Part: part, Name: "bare Ed25519 verify", Ours: s[2].rate(), Unit: "/s", Remark: "crypto/ed25519, all cores"},
		against(figure{Part: part, Name: "Ed25519 request, first sight", Of: "bare verify", Least: 0.6}, s[3], s[2]),
		against(figure{Part: part, Name: "the same reads again", Of: "our HMAC check", Least: 0.9, Remark: "a revoked key was refused at once"}, s[4], s[1]),
	)
	return nil
}

// allocations of one check, on average.
func allocations(ctx context.Context, keys *apikey.Service, list []*apikey.Request) (float64, error) {
	var before, after runtime.MemStats
	runtime.GC()
	for _, q := range list {
		if _, no := keys.Verify(ctx, q, looks); no != nil {
			return 0, no
		}
	}
	runtime.ReadMemStats(&before)
	const rounds = 10
	for range rounds {
		for _, q := range list {
			if _, no := keys.Verify(ctx, q, looks); no != nil {
				return 0, no
			}
		}
	}
	runtime.ReadMemStats(&after)
	// Others of this process allocate too; what is less than one in a hundred checks is theirs.
	per := float64(after.Mallocs-before.Mallocs) / float64(rounds*len(list))
	if per < 0.01 {
		per = 0
	}
	return per, nil
}

// biteOne makes sure that what was seen before is still looked after: a key that is
// revoked lets in nothing more, and neither what it signed before.
func (c *core) biteOne(ctx context.Context, keys *apikey.Service, bot *softkey.Bot) error {
	q := ask(bot)
	for range 2 {
		if _, no := keys.Verify(ctx, q, looks); no != nil {
			return no
		}
	}
	if err := c.revoke(ctx, keys, bot.ID); err != nil {
		return err
	}
	if _, no := keys.Verify(ctx, q, looks); no == nil {
		return errors.New("a read that was seen before outlived its key")
	}
	return nil
}

func (c *core) revoke(ctx context.Context, keys *apikey.Service, id string) error {
	if err := c.housekeep(ctx, "UPDATE apikey_key SET status = 'revoked', version = version + 1 WHERE id = $1", id); err != nil {
		return err
	}
	keys.Heard(audit.Effect{Kind: "apikey", ID: id, Version: 2}, audit.Record{}) // as the log would tell it
	return nil
}
