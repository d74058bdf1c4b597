package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/softkey"
	"keyward/internal/web"
)

// The owner's bot on the stage. The thief has been on its machine: they have its key,
// and read along what it sends.

// ownerBot makes the bot's key, as the owner would: touched for, to trade from one place.
func (s *Stage) ownerBot(ctx context.Context) error {
	sit, _ := s.state()
	if sit == nil {
		return nil
	}
	if err := s.fresh(ctx, sit); err != nil {
		return err
	}
	bot := softkey.NewBot(s.GateAuthority)
	n, err := apikey.NewKey{
		Purpose: "Grid bot on my VPS", Alg: apikey.Ed25519, Public: bot.Public(), Scopes: apikey.ReadAccount | apikey.TradeSpot | apikey.TradeCancel, Symbols: []string{"BTC-USD"},
		Allow: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(botHome), 32)}, Life: 90 * 24 * time.Hour,
	}.Checked()
	if err != nil {
		return err
	}
	if err := well(sit.touch(ctx, n.Act().Kind, n.Act().Object)); err != nil {
		return err
	}
	a, err := sit.do(ctx, call{method: http.MethodPost, path: "/keys/new", form: map[string][]string{
		"where": {"server"}, "purpose": {n.Purpose}, "scope": n.Scopes.Names(), "symbols": n.Symbols, "places": {botHome}, "days": {"90"},
		"kind": {string(n.Alg)}, "public": {base64.StdEncoding.EncodeToString(bot.Public())},
	}})
	if err := well(a, err); err != nil {
		return err
	}
	if bot.ID = keyID.FindString(string(a.body)); bot.ID == "" {
		return errors.New("the page of a new key does not name it")
	}
	s.mu.Lock()
	s.bot = bot
	s.mu.Unlock()
	return nil
}

var keyID = regexp.MustCompile(`kwk_live_[0-9A-Za-z]{28}`)

// botTry is what the thief does with what they took from the bot's machine.
func (s *Stage) botTry(ctx context.Context, id web.TryID) (*answer, error) {
	s.mu.Lock()
	bot := s.bot
	s.mu.Unlock()
	from := farAddr
	if id == web.TryOrder {
		from = botHome // from the bot's own machine
	}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Gate+"/v1/orders", strings.NewReader(order))
		if err != nil {
			return nil, err
		}
		bot.Sign(r, []byte(order), s.DB.Now())
		r.Header.Set("X-Forwarded-For", from)
		if id == web.TryOrder {
			// The bot sends it, and the thief the same bytes a moment later.
			a, err := askGate(s.client, s.DB.Now, r.Clone(ctx), order)
			if err != nil || a.status != http.StatusOK && a.Code != "STARTING" {
				return a, err
			}
			if a.Code == "STARTING" { // as a bot does: sign anew in a second
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(time.Second):
				}
				continue
			}
		}
		return askGate(s.client, s.DB.Now, r, order)
	}
}

// askGate sends a signed request as it stands.
func askGate(client *http.Client, now func() time.Time, r *http.Request, body string) (*answer, error) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	start := now()
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{sent: sent{r, []byte(body)}, status: res.StatusCode, header: res.Header, took: now().Sub(start)}
	return a, a.read(res)
}

// read takes in the body of an answer, and what a refusal says.
func (a *answer) read(res *http.Response) (err error) {
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err != nil || a.status < 400 {
		return err
	}
	var told struct{ Message string } // of a gate, where a problem has a detail
	if json.Unmarshal(a.body, a) != nil || json.Unmarshal(a.body, &told) != nil {
		return fmt.Errorf("%d %s", a.status, a.body)
	}
	if a.Detail == "" {
		a.Detail = told.Message
	}
	return nil
}
