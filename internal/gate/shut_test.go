package gate

import (
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// What people have rests on the same root as the secrets of bots, and stops with them.
func TestTokensAndSessionsStopWithTheKeyThatWrapsKeys(t *testing.T) {
	clock := signintest.NewClock()
	db := storetest.SQLite(t, storetest.WithNow(func() time.Time { return clock.Now() }))
	w := signintest.Process(t, db, keyringtest.Open(t, keyringtest.NewFar(t), db, db.Now), clock)
	g := &Gate{Parts: Parts{BotKeys: w.BotKeys, Now: db.Now, Logger: slog.New(slog.DiscardHandler)}}
	asks := func(by Takes) apikey.Code {
		_, no := g.person(t.Context(), &asked{method: "GET", target: "/", header: http.Header{}, peer: netip.MustParseAddr("203.0.113.7")}, &route{}, by)
		if no == nil {
			t.Fatal("let in")
		}
		return no.code
	}
	clock.Sleep(14 * time.Minute)
	if code := asks(TakesToken); code != apikey.AuthFailed {
		t.Errorf("after 14 minutes: %s", code)
	}
	clock.Sleep(2 * time.Minute)
	for _, by := range []Takes{TakesToken, TakesSession} {
		if code := asks(by); code != apikey.KeysShut {
			t.Errorf("after 16 minutes: %s", code)
		}
	}
}
