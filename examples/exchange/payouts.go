package exchange

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"keyward/executor"
)

// Payouts is the service that sends money out: what the owner of an account approved, once,
// and nothing else. In an exchange it stands alone, near the keys of the wallets. It takes an
// order from the exchange's own books with the proof that came for it. Whoever gets at those
// books, or at the way from there to here, can write another order, and is refused here.
//
// This one moves nothing: it says what it would have sent.
type Payouts struct{ verifier *executor.Verifier }

// NewPayouts takes proofs of Keyward for one back end; rpID and origin are those of the
// passkeys.
func NewPayouts(keyward, backend, rpID string, transport http.RoundTripper) (*Payouts, error) {
	v, err := executor.New(executor.Config{
		Issuer: keyward, Audience: backend, RPID: rpID, Origins: []string{keyward}, HTTPClient: &http.Client{Timeout: 5 * time.Second, Transport: transport},
	})
	return &Payouts{v}, err
}

// Payout is an order, and the proof that its owner approved it.
type Payout struct {
	Address string `json:"address"`
	Amount  string `json:"amount"`
	Asset   string `json:"asset"`
	Network string `json:"network"`
	MaxFee  string `json:"max_fee,omitempty"`
	Memo    string `json:"memo,omitempty"`
	Account string `json:"account"`
	Proof   string `json:"proof"`
}

const maxPayout = 64 << 10

func (p *Payouts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o Payout
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPayout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		say(w, http.StatusBadRequest, "bad_order", "The order cannot be read.")
		return
	}
	order := executor.Withdrawal{Account: o.Account, Asset: o.Asset, Network: o.Network, Amount: o.Amount, MaxFee: o.MaxFee, Address: o.Address, Memo: o.Memo}
	_, err := p.verifier.Verify(r.Context(), o.Proof, order, time.Now())
	var field *executor.FieldError
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"sent": o.Amount + " " + o.Asset, "to": o.Address})
	case errors.As(err, &field):
		say(w, http.StatusBadRequest, "bad_order", "The order names no payment.")
	case errors.Is(err, executor.ErrUnavailable):
		say(w, http.StatusServiceUnavailable, "try_again", "Whether it was approved cannot be said now.")
	case errors.Is(err, executor.ErrDifferent):
		say(w, http.StatusForbidden, "other_withdrawal", "The owner approved another withdrawal.")
	case errors.Is(err, executor.ErrExpired):
		say(w, http.StatusForbidden, "approval_expired", "The approval is too old.")
	case errors.Is(err, executor.ErrSpent):
		say(w, http.StatusConflict, "already_sent", "This approval was used before.")
	default:
		say(w, http.StatusForbidden, "not_approved", "The owner did not approve this.")
	}
}

func say(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "message": text})
}
