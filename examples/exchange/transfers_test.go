package exchange

import (
	"crypto/sha256"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
)

// asksIn is asks from a sub-account; "" is the main account.
func (d *desk) asksIn(account, sub, method, target, body string) (int, string) {
	d.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", jsonKind)
	d.n++
	r.Header.Set(gatekit.Header, sharedKey.Sign(gatekit.Decision{ID: "dec_t" + strconv.Itoa(d.n), Method: method, Target: target, Body: sha256.Sum256([]byte(body)),
		Account: account, Sub: sub, Credential: "key:kwk_1", Scopes: "transfer.internal", Issued: time.Now()}))
	w := httptest.NewRecorder()
	d.bots.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestMoneyMovesInsideAnAccount(t *testing.T) {
	d := newDesk(t)
	holds := func(account, sub, want string) {
		t.Helper()
		if _, said := d.asksIn(account, sub, "GET", "/v1/balance", ""); !strings.Contains(said, `"USD":"`+want+`"`) {
			t.Errorf("%s/%s: %s, want %s", account, sub, said, want)
		}
	}
	holds("acc_mina", "sub_1", "0.00")
	if status, said := d.asksIn("acc_mina", "", "POST", "/v1/transfers", `{"to":"sub_1","amount":"50.25"}`); status != 200 {
		t.Fatalf("%d %s", status, said)
	}
	holds("acc_mina", "", "1149.75")
	holds("acc_mina", "sub_1", "50.25")
	holds("acc_jun", "sub_1", "0.00") // a name is good inside its account only
	if status, _ := d.asksIn("acc_mina", "sub_1", "POST", "/v1/transfers", `{"to":"main","amount":"50.26"}`); status != 409 {
		t.Errorf("more than there is: %d", status)
	}
	if status, _ := d.asksIn("acc_mina", "sub_1", "POST", "/v1/transfers", `{"to":"acc_mina","amount":"50.25"}`); status != 200 {
		t.Errorf("home, by its id: %d", status)
	}
	holds("acc_mina", "", "1200.00")
	for _, bad := range []string{`{"to":"main","amount":"1e3"}`, `{"to":"main","amount":"-1"}`, `{"to":"main","amount":"0"}`, `{"to":"main","amount":"1.234"}`, `{"to":"main","amount":"01"}`, `{"to":"main","amount":"1","from":"sub_2"}`, `[]`} {
		if status, _ := d.asksIn("acc_mina", "sub_1", "POST", "/v1/transfers", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, _ := d.asksIn("acc_mina", "", "POST", "/v1/transfers", `{"to":"main","amount":"1"}`); status != 400 {
		t.Errorf("to itself: %d", status)
	}
}

func TestTheOrdersOfASubAccountAreItsOwn(t *testing.T) {
	d := newDesk(t)
	const order = `{"symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"100"}`
	if status, said := d.asksIn("acc_mina", "sub_1", "POST", "/v1/orders", order); status != 200 {
		t.Fatalf("%d %s", status, said)
	}
	if _, said := d.asksIn("acc_mina", "", "GET", "/v1/orders", ""); strings.Contains(said, "ord_") {
		t.Errorf("the main account sees %s", said)
	}
	if status, _ := d.asksIn("acc_mina", "sub_2", "DELETE", "/v1/orders/ord_1", ""); status != 404 {
		t.Errorf("another sub-account cancels it: %d", status)
	}
	if status, _ := d.asksIn("acc_mina", "sub_1", "DELETE", "/v1/orders/ord_1", ""); status != 200 {
		t.Errorf("its own: %d", status)
	}
}
