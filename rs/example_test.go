package rs_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"keyward/rs"
)

func Example() {
	v, err := rs.New(rs.Config{
		Issuer:    "https://login.example.com",
		Audience:  "https://api.example.com",
		PublicURL: "https://api.example.com",
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /balance", v.Require(rs.Need{Scope: []string{"read"}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, _ := rs.FromContext(r.Context())
		fmt.Fprintln(w, "the balance of", tok.Subject)
	})))
	// A new key for the API: only minutes after the owner touched a passkey.
	mux.Handle("POST /keys", v.Require(rs.Need{Scope: []string{"keys"}, ACR: rs.Phr, MaxAge: 5 * time.Minute}, http.NotFoundHandler()))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/balance", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 DPoP algs="ES256 EdDSA"
}

// Check is for those who need the decision and not the middleware.
func ExampleVerifier_Check() {
	v, err := rs.New(rs.Config{Issuer: "https://login.example.com", Audience: "https://api.example.com", PublicURL: "https://api.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		tok, err := v.Check(r, rs.Need{Scope: []string{"trade"}, ACR: rs.Phr})
		if err != nil {
			v.Refuse(w, err) // err has the cause for your log
			return
		}
		fmt.Fprintln(w, "an order of", tok.Subject)
	}
	r := httptest.NewRequest("POST", "/orders", nil)
	r.Header.Set("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output: 401 {"error":"invalid_token","error_description":"bearer tokens are not accepted here"}
}
