package ccxt

import (
	"context"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
)

// ccxt logs in to a stream, and reads there that its key has ended. Binance is not among
// them: ccxt signs each subscription there instead of logging in.
func TestCCXTWatchesItsOrdersUntilItsKeyEnds(t *testing.T) {
	t.Parallel()
	node(t)
	y := newYard(t)
	for _, e := range venues {
		if e.profile != apikey.OKX && e.profile != apikey.Bybit {
			continue
		}
		t.Run(string(e.profile), func(t *testing.T) {
			p := y.plan(e)
			ended := y.endsAfterAnOrder(t, p)
			var said struct {
				Seen         struct{ ID, Status string }
				Ended, Again thrown
			}
			runScript(t, "watch.mjs", p, &said)
			<-ended
			if said.Seen.ID == "" || said.Seen.Status != "open" {
				t.Errorf("of its order: %+v", said.Seen)
			}
			if !strings.Contains(said.Ended.Text, "1008") {
				t.Errorf("of its end: %+v", said.Ended)
			}
			if said.Again.Class != "AuthenticationError" {
				t.Errorf("of a login with a key that has ended: %+v", said.Again)
			}
			t.Logf("%+v", said)
		})
	}
}

// endsAfterAnOrder ends the plan's key a second after its first order stands.
func (y *yard) endsAfterAnOrder(t *testing.T, p plan) (ended chan struct{}) {
	before := y.bots.Open()
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		for y.bots.Open() == before && t.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second) // the bot has read of its order
		if _, err := y.w.Contain.EndBotKey(context.Background(), p.owner.Cause(), p.owner.Account, apikey.ID(p.Good.Key)); err != nil {
			t.Error(err)
		}
	}()
	return ended
}

func TestABotOfBinanceLogsInToAStream(t *testing.T) {
	t.Parallel()
	node(t)
	y := newYard(t)
	p := y.plan(venues[0])
	ended := y.endsAfterAnOrder(t, p)
	var said struct {
		Logon, Subscribed int
		As                bool
		Seen              struct{ ID, Status string }
		Ended             struct {
			Code   int
			Reason string
		}
		Extensions string
	}
	runScript(t, "logon.mjs", p, &said)
	<-ended
	if said.Logon != 200 || !said.As || said.Subscribed != 200 || said.Seen.Status != "NEW" || said.Ended.Code != 1008 || said.Ended.Reason == "" || said.Extensions != "" {
		t.Errorf("%+v", said)
	}
	t.Logf("%+v", said)
}
