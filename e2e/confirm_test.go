package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"

	"keyward/executor"
)

// What an exchange asks its owner to approve: long enough that nothing fits by chance.
var payment = executor.Withdrawal{
	Asset: "BTC", Network: "bitcoin", Amount: "1.23456789", MaxFee: "0.00012345",
	Address: "bc1p5d7rjq7g6rdk2yhzks9smlaqtedr4dekq08ge8ztwac72sfr9rusxg3297", Memo: "Rent, March",
}

// A withdrawal that was begun in one browser is read in full and approved in another; what
// is approved leaves, and nothing that differs from it.
func TestAWithdrawalIsReadInFullAndApprovedInTheOtherBrowser(t *testing.T) {
	s := startDemo(t)
	laptop, phone := newBrowser(t), newBrowser(t)
	laptop.authenticator()
	phone.authenticator()
	laptop.signUp(s, "mina@mail.example")
	laptop.syncsTo(phone)
	phone.open(s.origin + "/signin")
	phone.signInWithButton()
	phone.at("/")

	// On their first day no device vouches for the other.
	id := s.asks(t, laptop)
	for _, b := range []*browser{laptop, phone} {
		b.open(s.origin + "/confirm/" + id)
		b.shows("It cannot be approved from here")
	}
	laptop.press(`button[form="no"]`, `document.body.innerText.includes('You refused this withdrawal')`)

	s.aged(t)
	id = s.asks(t, laptop)
	laptop.open(s.origin + "/confirm/" + id)
	laptop.shows("It cannot be approved from here")
	laptop.shows("another device of yours")
	if eval[bool](laptop, `Boolean(document.querySelector('form[data-ceremony="confirm"]'))`) {
		t.Error("the device that asked is offered the approval")
	}

	// Typed on the other one: the short address leads to what waits.
	phone.open(s.origin + "/")
	phone.shows("A withdrawal of 1.23456789 BTC waits for you")
	phone.open(s.origin + "/confirm")
	phone.at("/confirm/" + id)
	for _, width := range []int64{360, 1280} {
		call(phone, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 500})
		phone.readsInFull(width)
	}
	phone.press(`form[data-ceremony="confirm"] button:not([form])`, `document.body.innerText.includes('You approved this withdrawal')`)
	laptop.shows("You approved this withdrawal") // by itself

	proof := s.intent(t, id).Proof
	order := payment
	order.Account = s.intent(t, id).Account
	for name, change := range map[string]func(*executor.Withdrawal){
		"amount":  func(w *executor.Withdrawal) { w.Amount = "12.3456789" },
		"address": func(w *executor.Withdrawal) { w.Address = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu" },
		"network": func(w *executor.Withdrawal) { w.Network = "lightning" },
		"memo":    func(w *executor.Withdrawal) { w.Memo = "" },
		"fee":     func(w *executor.Withdrawal) { w.MaxFee = "1" },
	} {
		changed := order
		change(&changed)
		if status, said := s.pays(t, changed, proof); status != 403 || said != "other_withdrawal" {
			t.Errorf("another %s: %d %s", name, status, said)
		}
	}
	if status, said := s.pays(t, order, proof); status != 200 {
		t.Errorf("what was approved: %d %s", status, said)
	}
	if status, said := s.pays(t, order, proof); status != 409 || said != "already_sent" {
		t.Errorf("once more: %d %s", status, said)
	}

	// The next one is not the owner's: one button refuses and freezes.
	id = s.asks(t, laptop)
	phone.open(s.origin + "/confirm/" + id)
	phone.presence(false)
	phone.press(`button[form="notme"]`, `document.body.innerText.includes('Ended everywhere')`)
	laptop.allow("401")
	laptop.presence(false)
	laptop.open(s.origin + "/devices")
	laptop.until("the laptop is signed out", `location.pathname === '/signin'`)
	if i := s.intent(t, id); i.State != "refused" || i.Proof != "" {
		t.Errorf("the back end hears %+v", i)
	}
}

// readsInFull: every field stands there whole, and nothing has to be pushed aside for it.
func (b *browser) readsInFull(width int64) {
	b.t.Helper()
	text := eval[string](b, `document.querySelector('main').innerText`)
	address := eval[string](b, `[...document.querySelectorAll('.address span, .addr span')].map(e => e.textContent).join('')`)
	if address != payment.Address && !strings.Contains(strings.Join(strings.Fields(text), ""), payment.Address) {
		b.t.Errorf("at %d px the address is %q", width, address)
	}
	for _, field := range []string{payment.Amount, payment.Asset, payment.Network, payment.MaxFee, payment.Memo, "This address is new here", "Chrome on Linux", "treasury", "mina@mail.example", "Did someone tell you to do this on the phone?"} {
		if !strings.Contains(text, field) {
			b.t.Errorf("at %d px %q is not there", width, field)
		}
	}
	// Wider than the window, cut off, or made shorter with dots: then somebody approves what they did not see.
	cut := eval[string](b, `JSON.stringify([...document.querySelectorAll('main *')].filter(e => e.offsetParent !== null && !e.classList.contains('sr') &&
		(e.getBoundingClientRect().right > innerWidth + 1 || (getComputedStyle(e).overflow !== 'visible' && e.scrollWidth > e.clientWidth + 1) || getComputedStyle(e).textOverflow === 'ellipsis')).map(e => e.outerHTML.slice(0, 120)))`)
	if cut != "[]" || eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
		b.t.Errorf("at %d px something is cut off: %s", width, cut)
	}
}

// syncsTo is a password manager that brings the passkeys of one browser to another.
func (b *browser) syncsTo(other *browser) {
	b.t.Helper()
	found := call(b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: b.authenticators[0]}).Credentials
	if len(found) == 0 {
		b.t.Fatal("there is no passkey to bring along")
	}
	// Sent with its own names only: this browser refuses members of authenticators of another kind.
	add := cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}
	for _, c := range found {
		call(other, add, map[string]any{"authenticatorId": other.authenticators[0], "credential": map[string]any{
			"credentialId": c.CredentialID, "isResidentCredential": true, "rpId": c.RpID, "privateKey": c.PrivateKey, "userHandle": c.UserHandle,
			"signCount": c.SignCount, "backupEligibility": true, "backupState": true,
		}})
	}
}

// aged makes whatever is there two days older, devices and passkeys alike.
func (s *server) aged(t *testing.T) {
	t.Helper()
	s.rows(t, func(db *sql.DB) error {
		_, err := db.Exec(`UPDATE device_key SET created_at = created_at - 172800000000`)
		if err == nil {
			_, err = db.Exec(`UPDATE device_device SET first_seen = first_seen - 172800000000, proved_at = proved_at - 172800000000`)
		}
		return err
	})
}

func (s *server) rows(t *testing.T, f func(*sql.DB) error) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "keyward.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := f(db); err != nil {
		t.Fatal(err)
	}
}

type asked struct{ ID, Account, State, Proof string }

// asks has the exchange's back end ask for the payment that was begun in a browser.
func (s *server) asks(t *testing.T, from *browser) string {
	t.Helper()
	session, _, _ := strings.Cut(strings.TrimPrefix(from.cookies(s.origin)["__Host-kw_at"], "kwa_"), ".")
	var i asked
	var account string
	s.rows(t, func(db *sql.DB) error {
		return db.QueryRow(`SELECT account FROM session_session WHERE id = $1`, session).Scan(&account)
	})
	status := s.backEnd(t, "POST", "/intents", map[string]string{
		"account": account, "session": session, "asset": payment.Asset, "network": payment.Network, "amount": payment.Amount,
		"max_fee": payment.MaxFee, "address": payment.Address, "memo": payment.Memo,
	}, &i)
	if status != http.StatusCreated {
		t.Fatalf("the back end was answered %d", status)
	}
	return i.ID
}

func (s *server) intent(t *testing.T, id string) (i asked) {
	t.Helper()
	if status := s.backEnd(t, "GET", "/intents/"+id, nil, &i); status != http.StatusOK {
		t.Fatalf("the back end was answered %d", status)
	}
	return i
}

func (s *server) backEnd(t *testing.T, method, path string, body, into any) int {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(s.dir, "treasury.secret"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.origin+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("treasury", string(secret))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", time.Now().Format(time.RFC3339Nano))
	return exchangeOf(t, r, into)
}

// pays hands an order and a proof to the service that sends.
func (s *server) pays(t *testing.T, w executor.Withdrawal, proof string) (status int, said string) {
	t.Helper()
	raw, err := json.Marshal(map[string]string{
		"address": w.Address, "amount": w.Amount, "asset": w.Asset, "network": w.Network, "max_fee": w.MaxFee, "memo": w.Memo, "account": w.Account, "proof": proof,
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(s.exchange, "exchange.localhost", "localhost", 1)+"/payouts", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Error string }
	status = exchangeOf(t, r, &answer)
	return status, answer.Error
}

func exchangeOf(t *testing.T, r *http.Request, into any) int {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%d %s: %v", res.StatusCode, raw, err)
		}
	}
	return res.StatusCode
}
