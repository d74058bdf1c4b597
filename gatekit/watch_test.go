package gatekit

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAnAskIsForOneMethodTargetBodyAndMoment(t *testing.T) {
	key, now := Key{1}, time.UnixMilli(1700000000000)
	ask := func(change func(r *http.Request)) *http.Request {
		r, err := http.NewRequest("POST", "http://gate/gate/stream?a=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		key.SignAsk(r, []byte("body"), now)
		if change != nil {
			change(r)
		}
		return r
	}
	for _, row := range []struct {
		name   string
		r      *http.Request
		key    Key
		target string
		body   string
		at     time.Time
		want   bool
	}{
		{"as it was signed", ask(nil), key, "/gate/stream?a=1", "body", now, true},
		{"by a clock four seconds behind", ask(nil), key, "/gate/stream?a=1", "body", now.Add(4 * time.Second), true},
		{"six seconds later", ask(nil), key, "/gate/stream?a=1", "body", now.Add(6 * time.Second), false},
		{"six seconds early", ask(nil), key, "/gate/stream?a=1", "body", now.Add(-6 * time.Second), false},
		{"under another key", ask(nil), Key{2}, "/gate/stream?a=1", "body", now, false},
		{"under no key", ask(nil), Key{}, "/gate/stream?a=1", "body", now, false},
		{"with another body", ask(nil), key, "/gate/stream?a=1", "bodY", now, false},
		{"for another target", ask(nil), key, "/gate/stream?a=2", "body", now, false},
		{"by another method", ask(func(r *http.Request) { r.Method = "PUT" }), key, "/gate/stream?a=1", "body", now, false},
		{"at another time", ask(func(r *http.Request) {
			r.Header.Set(HeaderAsk, strings.Replace(r.Header.Get(HeaderAsk), "1700000000000", "1700000000001", 1))
		}), key, "/gate/stream?a=1", "body", now, false},
		{"twice", ask(func(r *http.Request) { r.Header.Add(HeaderAsk, r.Header.Get(HeaderAsk)) }), key, "/gate/stream?a=1", "body", now, false},
		{"not at all", ask(func(r *http.Request) { r.Header.Del(HeaderAsk) }), key, "/gate/stream?a=1", "body", now, false},
		{"as an answer", ask(func(r *http.Request) {
			r.Header.Set(HeaderAsk, "kwa1.1700000000000."+key.SignAnswer(r.Header.Get(HeaderAsk), 200, []byte("body")))
		}), key, "/gate/stream?a=1", "body", now, false},
	} {
		if _, ok := row.key.CheckAsk(row.r, row.target, []byte(row.body), row.at); ok != row.want {
			t.Errorf("%s: %v", row.name, ok)
		}
	}
	tag := key.SignAnswer("kwa1.1.x", 200, []byte("yes"))
	if !key.checkAnswer("kwa1.1.x", 200, []byte("yes"), tag) || key.checkAnswer("kwa1.1.y", 200, []byte("yes"), tag) || key.checkAnswer("kwa1.1.x", 410, []byte("yes"), tag) ||
		key.checkAnswer("kwa1.1.x", 200, []byte("no"), tag) || key.checkAnswer("kwa1.1.x", 200, []byte("yes"), "") {
		t.Error("an answer is for one ask, status and body")
	}
}

func TestATailThatWasCutCountsForNothing(t *testing.T) {
	whole := `{"n":1,"kind":"apikey","id":"kwk_a"}` + "\n" + `{"n":2,"kind":"account","id":"acc_b"}` + "\n" + `{"n":3,"kind":"now","id":"lea_x.1"}` + "\n"
	keys, accounts, all, n, lease, err := readTail([]byte(whole))
	if err != nil || !keys["kwk_a"] || !accounts["acc_b"] || all || n != 3 || lease != "lea_x.1" {
		t.Errorf("%v %v %v %d %q %v", keys, accounts, all, n, lease, err)
	}
	if _, _, all, _, _, _ := readTail([]byte(strings.Replace(whole, "account", "whatever", 1))); !all {
		t.Error("a kind that is not known may be about anybody")
	}
	for i := 1; i < len(whole)-2; i++ {
		if _, _, _, _, _, err := readTail([]byte(whole[:i])); !errors.Is(err, ErrGate) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	if _, _, _, _, _, err := readTail([]byte(whole + whole)); err == nil {
		t.Error("something after the last line")
	}
}

func TestAWatchWithoutALeasePassesNothing(t *testing.T) {
	w, err := NewWatch(WatchConfig{URL: "http://127.0.0.1:1", Key: Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan int, 1)
	s := w.Follow(Asked{Allowed: true, Stream: &Standing{Key: "kwk_a"}}, func(status int, _ string) { ended <- status })
	passed := make(chan error, 1)
	go func() { passed <- s.Pass(func() error { t.Error("it passed"); return nil }) }()
	if status := <-ended; status != 1013 {
		t.Errorf("closed with %d", status)
	}
	if err := <-passed; !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	refused := w.Follow(Asked{}, func(int, string) { t.Error("ended twice") })
	if err := refused.Pass(func() error { return nil }); !errors.Is(err, ErrEnded) {
		t.Errorf("a stream that was refused: %v", err)
	}
	refused.Leave()
	for _, bad := range []WatchConfig{{URL: "http://gate"}, {URL: "gate:7481", Key: Key{1}}, {URL: "http://gate/path", Key: Key{1}}, {URL: "ftp://gate", Key: Key{1}}} {
		if _, err := NewWatch(bad); err == nil {
			t.Errorf("%s is taken", bad.URL)
		}
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte(`{"n":1,"kind":"apikey","id":"kwk_a"}` + "\n" + `{"n":3,"kind":"now","id":"lea_x.1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _, _, lease, err := readTail(b)
		if err == nil && lease == "" {
			t.Fatal("an answer without a lease")
		}
	})
}
