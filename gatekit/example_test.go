package gatekit_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"keyward/gatekit"
)

func Example() {
	key := gatekit.Key{1, 2, 3} // in a service: gatekit.ReadKeyFile
	v := gatekit.NewVerifier(key)
	orders := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := gatekit.FromContext(r.Context())
		switch {
		case d.ExitOnly:
			http.Error(w, "this account can cancel and reduce only", http.StatusForbidden)
		case !d.Has("trade"):
			http.Error(w, "trade is needed", http.StatusForbidden)
		default:
			fmt.Fprintln(w, "an order of", d.Account)
		}
	}), 64<<10)

	// What the gate does after it has decided.
	body := `{"symbol":"BTC-USD"}`
	token := key.Sign(gatekit.Decision{
		ID: "dec_1", Method: "POST", Target: "/v1/orders", Body: sha256.Sum256([]byte(body)),
		Account: "acc_1", Credential: "key:kwk_live_1", Scopes: "read trade", Issued: time.Now(),
	})
	r := httptest.NewRequest("POST", "/v1/orders", strings.NewReader(body))
	r.Header.Set(gatekit.Header, token)
	w := httptest.NewRecorder()
	orders.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)

	// Somebody in the same network, around the gate.
	r = httptest.NewRequest("POST", "/v1/orders", strings.NewReader(body))
	r.Header.Set(gatekit.HeaderAccount, "acc_1")
	w = httptest.NewRecorder()
	orders.ServeHTTP(w, r)
	fmt.Print(w.Code)
	// Output:
	// 200 an order of acc_1
	// 401
}
