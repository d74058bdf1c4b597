package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/edge"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// front is the pages of a world, behind the rim they have in the server.
type front struct {
	t *testing.T
	w *signintest.World
	h http.Handler
	s *Server
}

func newFront(t *testing.T, w *signintest.World, with ...func(*Server)) front {
	t.Helper()
	set := Settings{PublicURL: signintest.Origin, Product: "Exchange"}
	s := NewServer(Parts{
		DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions,
		SignIn: w.SignIn, Contain: w.Contain, BotKeys: w.BotKeys, Renderer: renderer(t), Logger: slog.New(slog.DiscardHandler),
	}, set)
	e, err := edge.New(edge.Options{Now: w.DB.Now, PublicURL: set.PublicURL, Pages: s.Problem, Logger: slog.New(slog.DiscardHandler)})
	w.Must(err)
	s.Limiter = e.Limiter
	for _, change := range with {
		change(s)
	}
	mux := http.NewServeMux()
	s.Routes(mux, e)
	return front{t, w, e.Handler(edge.Routes(mux)), s}
}

func (f front) send(r *http.Request, addr string) *httptest.ResponseRecorder {
	r.RemoteAddr = addr + ":1234"
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	out := httptest.NewRecorder()
	f.h.ServeHTTP(out, r)
	return out
}

func (f front) get(path string) *httptest.ResponseRecorder {
	return f.send(httptest.NewRequest("GET", signintest.Origin+path, nil), "203.0.113.7")
}

func (f front) post(addr, path string, form ...string) *httptest.ResponseRecorder {
	v := url.Values{}
	for i := 0; i < len(form); i += 2 {
		v.Set(form[i], form[i+1])
	}
	r := httptest.NewRequest("POST", signintest.Origin+path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.send(r, addr)
}

// wants checks the status and that the page says each of the words.
func (f front) wants(got *httptest.ResponseRecorder, status int, words ...string) {
	f.t.Helper()
	if got.Code != status {
		f.t.Fatalf("status %d instead of %d: %s", got.Code, status, got.Body)
	}
	for _, word := range words {
		if !strings.Contains(got.Body.String(), word) {
			f.t.Errorf("the page does not say %q: %s", word, got.Body)
		}
	}
}

// verifyToken is what the check mail of an account's first address carries.
func (f front) verifyToken(acc account.ID) (token string) {
	f.t.Helper()
	f.w.Must(f.w.DB.View(f.t.Context(), func(tx *store.Tx) error {
		list, err := f.w.Accounts.Contacts(tx, acc)
		token = f.w.Accounts.VerifyToken(list[0].ID, tx.Now)
		return err
	}))
	return token
}

// A stranger who knows the owner's address tries codes from many places; the
// owner, at home, still gets an answer.
func TestNobodyCanShutTheCodeDoor(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		f := newFront(t, w)
		try := func(addr string) *httptest.ResponseRecorder {
			return f.post(addr, "/signin/code", "mail", "alice@example.org", "code", "00000-00000-00000-00000-00000", "to", "/")
		}
		for range 5 {
			f.wants(try("198.51.100.9"), 401)
		}
		f.wants(try("198.51.100.9"), 429)
		f.wants(try("203.0.113.7"), 401)
	})
}

// A freeze stops the address a thief has added from becoming one that counts. The
// link is not used up by trying.
func TestNoAddressIsConfirmedWhileFrozen(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		f := newFront(t, w)
		p := w.Person()
		token := f.verifyToken(p.Account)
		w.SetStatus(p.Account, account.Frozen)
		for range 2 {
			f.wants(f.post("203.0.113.7", "/mail/verify", "t", token), 403, "This account is frozen")
		}
		if strings.Contains(w.Events(p.Account), "contact.verified") {
			t.Errorf("the log says %q", w.Events(p.Account))
		}
		w.SetStatus(p.Account, account.Active)
		f.wants(f.post("203.0.113.7", "/mail/verify", "t", token), 200, "Your mail address is confirmed")
		f.wants(f.post("203.0.113.7", "/mail/verify", "t", token), 410, "This link was used already")
	})
}

// Two accounts claim one mailbox, and its owner gets two mails that look alike.
// The page says which account the address would go to, before anything is done.
func TestTheConfirmPageSaysWhoseAccountGetsTheAddress(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		f := newFront(t, w)
		p := w.Person()
		token := f.verifyToken(p.Account)
		path := "/mail/verify?t=" + token
		var made account.Account
		w.Must(w.DB.View(t.Context(), func(tx *store.Tx) (err error) {
			made, err = w.Accounts.ByID(tx, p.Account)
			return err
		}))
		f.wants(f.get(path), 200, p.Mail, "Account made", made.CreatedAt.UTC().Format("Mon 2 Jan 2006, 15:04"), p.From().Agent.String(), "If this was not you, do not confirm", `name="t"`)
		for range 2 { // mail scanners open links
			f.get(path)
		}
		if strings.Contains(w.Events(p.Account), "contact.verified") {
			t.Error("opening the link confirms")
		}
		f.wants(f.get("/mail/verify?t="+token[:len(token)-2]+"AA"), 410, "This link is no longer good")
		f.wants(f.post("203.0.113.7", "/mail/verify", "t", token), 200, "Your mail address is confirmed")
		f.wants(f.get(path), 410, "This link was used already")
		w.Clock.Sleep(25 * time.Hour)
		f.wants(f.get("/mail/verify?t="+token), 410, "This link is no longer good")

		acc, err := w.SignIn.Provision(t.Context(), store.Cause{Actor: "client:exchange"}, account.NewAccount{ExternalID: "user-7", Mail: "kim@example.org"})
		w.Must(err)
		f.wants(f.get("/mail/verify?t="+f.verifyToken(acc.ID)), 200, "by the exchange")
	})
}
