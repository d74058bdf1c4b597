package apikey

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"testing"
)

// A signature that was seen holds for exactly what it was seen with.
func TestASignatureThatHeldHoldsForNothingElse(t *testing.T) {
	s := new(Service)
	s.held.init()
	public, private, _ := ed25519.GenerateKey(nil)
	other, _, _ := ed25519.GenerateKey(nil)
	text := []byte("what was signed")
	sig := ed25519.Sign(private, text)
	read := &Request{Method: http.MethodGet}
	holds := func(public ed25519.PublicKey, sig, text []byte, r *Request) bool {
		return s.holds(&verifier{public: public}, &Claim{Sig: sig, Signed: text}, r)
	}
	changed := append([]byte(nil), sig...)
	changed[63] ^= 1
	for range 2 { // at first sight and again
		for _, row := range []struct {
			name      string
			public    ed25519.PublicKey
			sig, text []byte
			want      bool
		}{
			{"itself", public, sig, text, true},
			{"another key", other, sig, text, false},
			{"another text", public, sig, []byte("what was signe"), false},
			{"another signature", public, changed, text, false},
			{"a signature that is cut", public, sig[:63], text, false},
			{"the seam moved", public, append(append([]byte(nil), sig...), text[0]), text[1:], false},
			{"no key", nil, append(append([]byte(nil), public...), sig...), text, false},
		} {
			if got := holds(row.public, row.sig, row.text, read); got != row.want {
				t.Errorf("%s: %v", row.name, got)
			}
		}
	}
	n := func() (n int) {
		for i := range s.held.shards {
			n += len(s.held.shards[i].new) + len(s.held.shards[i].old)
		}
		return n
	}
	if n() != 1 {
		t.Errorf("%d are remembered: what does not hold is not", n())
	}
	// What changes something comes once.
	text = []byte("an order")
	if !holds(public, ed25519.Sign(private, text), text, &Request{Method: http.MethodPost}) || n() != 1 {
		t.Errorf("an order: %d are remembered", n())
	}
	for i := range 2 * heldEntries {
		s.held.remember(public, sig, fmt.Append(nil, i))
	}
	if n() > heldEntries {
		t.Errorf("%d are remembered, %d may be", n(), heldEntries)
	}
}
