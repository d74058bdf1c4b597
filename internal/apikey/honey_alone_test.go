package apikey_test

import (
	"context"
	"testing"
)

// A gate of its own writes no events: what it saw of a trap a server tells, and a row that a
// gate in wrong hands made up about another key is none.
func TestATrapAtAGateOfItsOwn(t *testing.T) {
	o, gate, _, _ := alone(t, 0)
	bot, _ := o.trap("In the wiki")
	far := at(gate, o)
	for range 3 {
		far.want(far.request(bot, balance), look, "(AUTH_FAILED)")
	}
	o.w.Must(gate.SoundAlarms(t.Context()))
	if n := o.w.Count("apikey_sighting WHERE kind = 'honey' AND n = 3"); n != 1 {
		t.Errorf("%d rows of what the gate saw", n)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); o.w.BotKeys.Run(ctx, func(err error) { t.Error(err) }) }()
	o.soon("a server tells it", func() bool { return o.count("apikey.honeytoken_used") == 1 })
	stop()
	<-done
}
