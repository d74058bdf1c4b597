package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/keyring"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// API keys are loaded as rows, as sessions are; secrets are sealed with the deployment's
// own key, and if they were wrong the first request would say so.

const (
	apiName     = "api.example.com" // what bots sign
	keysEach    = 4                 // of an account
	accountCols = "id, status, brand, jurisdiction, lang, epoch, freezes, version, created_at, phrase"
	keyCols     = "id, account, sub, purpose, profile, alg, scopes, symbols, allow, deny, starts, expires, window_ms, per_min, partner, made_at, made_addr, made_agent, made_device, status, locked, locked_by, version, used_at, ended_at, ended_why, browser_at, clock_at"
	versionCols = "key_id, n, public, sealed, made_at, ends_at"
)

// botKeys is the service that decides about keys, as cmd/keyward makes it where one
// process is all there is.
func (c *core) botKeys() *apikey.Service {
	return apikey.New(apikey.Parts{DB: c.db, Ring: c.ring, Log: c.log, Accounts: c.accounts, Devices: c.devices})
}

// loadBots writes n keys of one algorithm, each used from the bots' own address.
func (c *core) loadBots(ctx context.Context, n int, alg apikey.Alg) (bots []*softkey.Bot, err error) {
	const perStatement, perTransaction = 32, 4096
	now := c.db.Now()
	at, end := store.Micros(now.Add(-time.Hour)), store.Micros(now.Add(90*24*time.Hour))
	owner := ""
	for done := 0; done < n; {
		upTo := min(done+perTransaction, n)
		err := c.db.Housekeeping(ctx, func(tx *store.Tx) error {
			for done < upTo {
				var accounts, keys, versions []any
				k := min(perStatement, upTo-done)
				for i := range k {
					if (done+i)%keysEach == 0 || owner == "" {
						owner = string(keyring.NewID("acc_", now))
						accounts = append(accounts, owner, string(account.Active), "", "", "en", int64(0), int64(0), int64(1), at, "")
					}
					bot, id := softkey.NewBot(apiName), apikey.NewID()
					var public, sealed any = []byte(bot.Private.Public().(ed25519.PublicKey)), nil
					if alg == apikey.HMACSHA256 {
						bot.Private, bot.Secret = nil, string(keyring.NewID("kws_", now))
						box, err := c.ring.Seal([]byte(bot.Secret), "apikey_version", string(id)+"/1", "sealed")
						if err != nil {
							return err
						}
						public, sealed = nil, box
					}
					bot.ID, bot.Life = string(id), time.Minute
					bots = append(bots, bot)
					keys = append(keys, string(id), owner, "", "Grid bot on my server", string(apikey.Native), string(alg), "read.account trade.spot", "", botAddr+"/32", "", at, end, int64(60_000), int64(60_000), "",
						at, botAddr, "Firefox on Linux", "dev_"+owner[4:], string(apikey.Active), false, "", int64(1), at, int64(0), "", int64(0), int64(0))
					versions = append(versions, string(id), int64(1), public, sealed, at, int64(0))
				}
				for _, t := range []struct {
					name, columns string
					values        []any
				}{{"account_account", accountCols, accounts}, {"apikey_key", keyCols, keys}, {"apikey_version", versionCols, versions}} {
					columns := strings.Count(t.columns, ",") + 1
					if len(t.values) == 0 {
						continue
					}
					if err := tx.Later("INSERT INTO "+t.name+" ("+t.columns+") VALUES "+places(len(t.values)/columns, columns), t.values...); err != nil {
						return err
					}
				}
				done += k
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	return bots, nil
}

const botAddr = "203.0.113.7"
