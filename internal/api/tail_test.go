package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/oauth"
	"keyward/internal/proof/prooftest"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
	"keyward/rs"
)

// shop is a resource server beside a deployment: it verifies with package rs and
// follows the tail.
type shop struct {
	*fapi
	at       *httptest.Server
	verifier *rs.Verifier
	tail     string // its token
	stop     context.CancelFunc
	stopped  chan struct{}
}

func newShop(w *signintest.World) *shop {
	w.T.Helper()
	s := &shop{fapi: newFAPI(w)}
	s.at = httptest.NewServer(s.server)
	w.T.Cleanup(s.at.Close)
	s.tail = s.tailToken(func(*oauth.NewClient) {})
	tail, err := rs.NewTail(rs.TailConfig{URL: s.at.URL + "/oauth/tail", Authorize: func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+s.tail)
		return nil
	}})
	w.Must(err)
	s.verifier, err = rs.New(rs.Config{Issuer: signintest.Origin, Audience: signintest.Origin, PublicURL: "https://shop.example", JWKSURL: s.at.URL + "/oauth/jwks",
		Tail: tail, Now: w.DB.Now})
	w.Must(err)
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.stopped = stop, make(chan struct{})
	go func() { defer close(s.stopped); tail.Run(ctx) }()
	w.T.Cleanup(func() { stop(); <-s.stopped })
	return s
}

func (s *shop) tailToken(change func(*oauth.NewClient)) string {
	s.T.Helper()
	n := oauth.NewClient{Name: "The shop", Owner: "us", Auth: oauth.AuthSecret, FirstParty: true, Scopes: []string{"tail", "read"}}
	change(&n)
	c, secret, err := s.oauth.Register(context.Background(), store.Cause{Actor: "operator:test"}, n)
	s.Must(err)
	scope := strings.Join(n.Scopes, " ")
	w := s.send("POST", "/oauth/token", "application/x-www-form-urlencoded", "grant_type=client_credentials&scope="+strings.ReplaceAll(scope, " ", "+"),
		http.Header{"Authorization": {basic(string(c.ID), secret)}})
	var out struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Access == "" {
		s.T.Fatalf("%d %s", w.Code, w.Body)
	}
	return out.Access
}

// order is one request at the shop with a token and its key.
func (s *shop) order(access string) error {
	r := httptest.NewRequest("POST", "https://shop.example/orders", nil)
	r.Header.Set("Authorization", "DPoP "+access)
	r.Header.Set("DPoP", s.bind.Proof("POST", "https://shop.example/orders", s.DB.Now(), prooftest.Token(access)))
	_, err := s.verifier.Check(r, rs.Need{Scope: []string{"read"}})
	return err
}

// opened waits for the first lease.
func (s *shop) opened(access string) {
	s.T.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := s.order(access)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.T.Fatal(err)
		}
	}
}

func TestWhatEndsIsRefusedByAResourceServerOnceAcknowledged(t *testing.T) {
	run := func(t *testing.T, w *signintest.World) {
		s := newShop(w)
		for _, row := range []struct {
			name string
			end  func() (contain.Effect, error)
		}{
			{"its session is ended", func() (contain.Effect, error) {
				return s.Contain.EndSession(t.Context(), s.person.Cause(), s.person.Session(), s.person.Session().ID)
			}},
			{"everything is ended", func() (contain.Effect, error) {
				return s.Contain.EndAll(t.Context(), s.person.Cause(), s.person.Account)
			}},
		} {
			s.person = w.Person()
			s.renonce()
			tok := s.tokens()
			s.opened(tok.Access)
			at := time.Now()
			e, err := row.end()
			w.Must(err)
			if err := s.order(tok.Access); err == nil {
				t.Errorf("%s: let in after the end was acknowledged", row.name)
			}
			if took := time.Since(at); e.Gates.Passed < 2 || took > 3*time.Second {
				t.Errorf("%s: %d had passed after %s", row.name, e.Gates.Passed, took)
			}
		}
		// Another person's token is still good, so the shop has not just closed.
		s.person = w.Person()
		s.renonce()
		tok := s.tokens()
		time.Sleep(3100 * time.Millisecond) // the end of an account reaches three seconds further than its own time
		s.renonce()
		tok = s.tokens()
		s.opened(tok.Access)

		// A shop that stands still holds no lease: nobody waits for it longer than that,
		// and it lets nobody in.
		s.stop()
		<-s.stopped
		e, err := s.Contain.EndSession(t.Context(), s.person.Cause(), s.person.Session(), s.person.Session().ID)
		w.Must(err)
		if e.Gates.Lapsed < 1 {
			t.Errorf("lapsed %d, passed %d", e.Gates.Lapsed, e.Gates.Passed)
		}
		if err := s.order(tok.Access); err == nil {
			t.Error("let in without a lease")
		}
	}
	t.Run("one process on SQLite", func(t *testing.T) { run(t, signintest.New(t, storetest.Open(t), nil)) })
	t.Run("two processes on PostgreSQL", func(t *testing.T) {
		here, _ := signintest.Two(t)
		run(t, here)
	})
}

func TestWhoMayFollowTheTail(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		s := &shop{fapi: newFAPI(w)}
		own := s.tailToken(func(*oauth.NewClient) {})
		get := func(query, authorization string) *httptest.ResponseRecorder {
			head := http.Header{}
			if authorization != "" {
				head.Set("Authorization", authorization)
			}
			return s.send("GET", "/oauth/tail"+query, "", "", head)
		}
		w.Must(audit.NewSealer(w.DB, w.Log, "", time.Now, nil).Seal(t.Context()))
		w1 := get("", "Bearer "+own)
		lines := strings.Split(strings.TrimSpace(w1.Body.String()), "\n")
		var now struct {
			N        int64
			Kind, ID string
		}
		w.Must(json.Unmarshal([]byte(lines[len(lines)-1]), &now))
		if w1.Code != 200 || now.Kind != "now" || now.ID == "" {
			t.Fatalf("%d %s", w1.Code, w1.Body)
		}
		s.renonce()
		bound := s.tokens().Access
		renewed := func() string { // the lease of a new follower
			lines := strings.Split(strings.TrimSpace(get("", "Bearer "+own).Body.String()), "\n")
			var now struct{ ID string }
			w.Must(json.Unmarshal([]byte(lines[len(lines)-1]), &now))
			return now.ID
		}
		for _, row := range []struct {
			name, query, authorization string
			status                     int
		}{
			{"nobody", "", "", 401},
			{"an app with a token for reading", "", "Bearer " + s.tailToken(func(n *oauth.NewClient) { n.Scopes = []string{"read"} }), 401},
			{"a person's token", "", "DPoP " + bound, 401},
			{"a person's bound token as a bearer token", "", "Bearer " + bound, 401},
			{"made-up letters", "", "Bearer x.y.z", 401},
			{"with its lease and place", "?after=0&lease=" + now.ID, "Bearer " + own, 200},
			{"with the count of an answer that another one got", "?after=0&lease=" + now.ID, "Bearer " + own, 410},
			{"with a place that is not there", "?after=99999&lease=" + renewed(), "Bearer " + own, 410},
			{"with a place before all places", "?after=-1&lease=" + renewed(), "Bearer " + own, 410},
			{"with a lease that nobody gave", "?after=0&lease=lea_01ARZ3NDEKTSV4RRFFQ69G5FAV.1", "Bearer " + own, 410},
			{"with the lease of a process", "?after=0&lease=test/lea_1", "Bearer " + own, 410},
			{"with a place that is none", "?after=x&lease=" + renewed(), "Bearer " + own, 400},
		} {
			if got := get(row.query, row.authorization); got.Code != row.status {
				t.Errorf("%s: %d %s", row.name, got.Code, got.Body)
			}
		}
		// No third party gets such a token, whatever it was registered for.
		c, secret, err := s.oauth.Register(t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "x", Owner: "y", Auth: oauth.AuthSecret, Scopes: []string{"tail"}})
		w.Must(err)
		got := s.send("POST", "/oauth/token", "application/x-www-form-urlencoded", "grant_type=client_credentials&scope=tail", http.Header{"Authorization": {basic(string(c.ID), secret)}})
		refusal(t, got, 400, "invalid_scope")
	})
}

// A token that was turned over while its end was on the way is signed a moment after the time of that end: it must be
// refused as well, or who refreshes in a loop outlives an end that was acknowledged.
func TestAnEndReachesTokensThatWereOnTheirWay(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		s := &shop{fapi: newFAPI(w)}
		own := s.tailToken(func(*oauth.NewClient) {})
		s.renonce()
		s.tokens()
		list, err := s.oauth.Connected(t.Context(), s.person.Account)
		w.Must(err)
		at := w.DB.Now().Unix()
		_, err = s.Contain.EndSession(t.Context(), s.person.Cause(), s.person.Session(), s.person.Session().ID)
		w.Must(err)
		_, err = s.oauth.TurnOff(t.Context(), store.Cause{Actor: "operator:test"}, s.app.ID)
		w.Must(err)
		w.Must(audit.NewSealer(w.DB, w.Log, "", time.Now, nil).Seal(t.Context()))
		reach := map[string]int64{}
		body := s.send("GET", "/oauth/tail", "", "", http.Header{"Authorization": {"Bearer " + own}}).Body.String()
		for line := range strings.Lines(body) {
			var l struct {
				Kind, ID string
				Before   int64
			}
			w.Must(json.Unmarshal([]byte(line), &l))
			reach[l.Kind+" "+l.ID] = l.Before - at
		}
		if n := reach["session "+string(list[0].Session)]; n < 3 || n > 10 {
			t.Errorf("the end of a session reaches %d s: too short for what is on its way, or too long for what goes on", n)
		}
		if n := reach["client "+string(s.app.ID)]; n < 300 {
			t.Errorf("the end of an app reaches %d s, less than a token lives", n)
		}
	})
}
