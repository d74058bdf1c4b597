package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/executor"
	"keyward/internal/confirm"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

const payTo = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"

// moneyFront is a front with withdrawals.
func moneyFront(t *testing.T, w *signintest.World) front {
	t.Helper()
	return newFront(t, w, func(s *Server) {
		var err error
		mint := session.NewMint(w.Ring, signintest.Origin, w.DB.Now)
		s.OAuth = oauth.New(oauth.Parts{DB: w.DB, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn, Mint: mint, Access: 5 * time.Minute})
		s.Confirm, err = confirm.New(confirm.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, Mint: mint}, confirm.Settings{})
		w.Must(err)
	})
}

func (f front) asked(p *signintest.Person) string {
	f.t.Helper()
	i, err := f.s.Confirm.Create(context.Background(), store.Cause{Actor: "client:treasury"}, confirm.Ask{
		Client: "treasury", Session: p.Session().ID,
		Withdrawal: executor.Withdrawal{Account: string(p.Account), Asset: "BTC", Network: "bitcoin", Amount: "0.25", MaxFee: "0.0001", Address: payTo, Memo: "Rent <March>"},
	})
	f.w.Must(err)
	return i.ID
}

// sends JSON as passkey.js does.
func (b *tab) json(path string, body any) *httptest.ResponseRecorder {
	b.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest("POST", signintest.Origin+path, strings.NewReader(string(raw)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", b.agent)
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return b.front.send(r, b.addr)
}

// TestTheConfirmPage reads a withdrawal on two devices of one person, and answers it.
func TestTheConfirmPage(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		f := moneyFront(t, w)
		laptop := w.Person()
		phone := laptop.Elsewhere().In()
		w.Clock.Sleep(25 * time.Hour)
		laptop.In()
		phone.In()
		open := func(p *signintest.Person) *tab {
			b := f.tab(signintest.Home.String(), "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
			b.jar["__Host-kw_at"] = p.Iss.Access
			return b
		}
		id := f.asked(laptop)
		path := "/confirm/" + id

		// Where it was asked from: what would be enough stands in the place of the button.
		f.wants(open(laptop).send("GET", path, nil), 200, "Approve this withdrawal?", "This very device", "It cannot be approved from here", "another device of yours", "/confirm.", "Did someone tell you to do this on the phone?")
		// On the other: all of it, in full, readable without script.
		page := open(phone).send("GET", path, nil)
		f.wants(page, 200, "0.25", "BTC", "bitcoin", "0.0001", "<span>bc1q</span><span>w508</span><span>d6qe</span>", "<span>v8f3</span><span>t4</span>", "Rent &lt;March&gt;", "This address is new here",
			"Firefox on Linux", "treasury", "Approve with passkey", "Not me: refuse and freeze", laptop.Mail)
		if got := open(phone).send("GET", "/confirm", nil); got.Code != 303 || got.Header().Get("Location") != path {
			t.Errorf("the short address: %d to %q", got.Code, got.Header().Get("Location"))
		}
		f.wants(open(phone).send("GET", "/", nil), 200, "A withdrawal of 0.25 BTC waits for you", `href="`+path+`"`)
		f.wants(open(phone).send("POST", path, nil), 200, "Approve with passkey")
		f.wants(open(phone).send("GET", path+"/state", nil), 200, `"pending"`)
		stranger := w.Person()
		f.wants(open(stranger).send("GET", path, nil), 404)

		// A cookie that was copied, minutes after the browser's key spoke last.
		b := open(phone)
		w.Clock.Sleep(keySpoke + time.Second)
		if out := b.json(path+"/begin", struct{}{}); out.Code != 403 || !strings.Contains(out.Body.String(), "confirmation_not_enough") {
			t.Errorf("a copied cookie: %d %s", out.Code, out.Body)
		}
		w.Must(phone.Refresh())
		b = open(phone)
		out := b.json(path+"/begin", struct{}{})
		f.wants(out, 200)
		var begun struct{ Options json.RawMessage }
		w.Must(json.Unmarshal(out.Body.Bytes(), &begun))
		cred, err := phone.Browser().Get(begun.Options)
		w.Must(err)
		f.wants(b.json(path+"/finish", map[string]any{"credential": json.RawMessage(cred)}), 200, path)
		f.wants(b.send("GET", path, nil), 200, "You approved this withdrawal")
		f.wants(b.json(path+"/finish", map[string]any{"credential": json.RawMessage(cred)}), 409, "intent_decided")

		// Refused, by a form; and once more, which only shows it.
		id = f.asked(laptop)
		for range 2 {
			if got := open(laptop).send("POST", "/confirm/"+id+"/refuse", nil); got.Code != 303 || got.Header().Get("Location") != "/confirm/"+id {
				t.Errorf("%d to %q", got.Code, got.Header().Get("Location"))
			}
		}
		f.wants(open(laptop).send("GET", "/confirm/"+id, nil), 200, "You refused this withdrawal", "Nothing was sent")
		// A row that somebody changed shows nothing of itself.
		id = f.asked(laptop)
		w.Must(w.DB.Housekeeping(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE confirm_intent SET address = 'bc1qthief' WHERE id = $1`, id)
			return err
		}))
		if out := open(phone).send("GET", "/confirm/"+id, nil); out.Code != 200 || strings.Contains(out.Body.String(), "thief") || !strings.Contains(out.Body.String(), "This request was changed") {
			t.Errorf("%d %s", out.Code, out.Body)
		}
		// Not me.
		id = f.asked(laptop)
		f.wants(open(phone).send("POST", "/confirm/int_01jd8f00000000000000000000/freeze", nil), 404)
		f.wants(open(phone).send("POST", "/confirm/"+id+"/freeze", nil), 200)
		if e := w.Events(phone.Account); !strings.Contains(e, "account.frozen") || !strings.HasSuffix(e, "intent.refused") {
			t.Errorf("events: %s", e)
		}
		if _, err := phone.Check(); err == nil {
			t.Error("the session goes on")
		}
	})
}
