package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"keyward/internal/keyring"
	"keyward/internal/softkey"
)

// Payer is the exchange's back end that asks owners to approve withdrawals, and the name of
// its proofs.
const Payer = "treasury"

// treasury is that back end, and the service that sends (examples/exchange/payouts.go).
type treasury struct {
	*visitor // at Keyward
	secret   string
	sends    *visitor // at the exchange
}

// payout is an order of the exchange's books.
type payout struct {
	Address string `json:"address"`
	Amount  string `json:"amount"`
	Asset   string `json:"asset"`
	Network string `json:"network"`
	MaxFee  string `json:"max_fee,omitempty"`
	Account string `json:"account"`
	Proof   string `json:"proof"`
}

// Where Mina's money goes, and where a thief would have it go.
const (
	ownAddress   = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
	thiefAddress = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
)

func rent() payout {
	return payout{Address: ownAddress, Amount: "0.25", Asset: "BTC", Network: "bitcoin", MaxFee: "0.0001"}
}

// intent is what Keyward says of a withdrawal that waits.
type intent struct{ ID, Account, State, Rule, Proof string }

func (t treasury) backend(ctx context.Context, method, path string, body any) (*answer, error) {
	spell := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(Payer+":"+t.secret))}}
	if method == http.MethodPost {
		spell.Set("Idempotency-Key", keyring.Secret())
	}
	return t.do(ctx, call{method: method, path: "/api/v1" + path, json: body, spell: spell})
}

// asks has Keyward ask the person of a session.
func (t treasury) asks(ctx context.Context, o payout, account, session string) (*answer, intent, error) {
	var i intent
	a, err := t.backend(ctx, http.MethodPost, "/intents", map[string]string{
		"account": account, "session": session, "asset": o.Asset, "network": o.Network, "amount": o.Amount, "max_fee": o.MaxFee, "address": o.Address,
	})
	if err == nil && a.status < 300 {
		err = a.into(&i)
	}
	return a, i, err
}

// fetches the proof.
func (t treasury) fetches(ctx context.Context, id string) (*answer, intent, error) {
	var i intent
	a, err := t.backend(ctx, http.MethodGet, "/intents/"+id, nil)
	if err == nil && a.status < 300 {
		err = a.into(&i)
	}
	return a, i, err
}

// pays hands an order to the service that sends.
func (t treasury) pays(ctx context.Context, o payout) (*answer, error) {
	return t.sends.do(ctx, call{method: http.MethodPost, path: "/payouts", json: o})
}

// sid is the session of a browser: its name stands in the token in the open. The
// exchange reads it in its own.
func (v *visitor) sid() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(v.cookie(accessCookie), "kwa_"), ".")
	return name
}

// confirms is the page of a withdrawal, approved with a passkey.
func (v *visitor) confirms(ctx context.Context, id string) (*answer, error) {
	a, err := v.do(ctx, call{method: http.MethodPost, path: "/confirm/" + id + "/begin", json: struct{}{}, prove: true})
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	var b begun
	if err := a.into(&b); err != nil {
		return a, err
	}
	credential, err := v.browser().Get(b.Options)
	if err != nil {
		return nil, err
	}
	return v.do(ctx, call{method: http.MethodPost, path: "/confirm/" + id + "/finish", json: map[string]any{"credential": json.RawMessage(credential)}, prove: true})
}

// approves is the same in an app on a phone, by its touch key.
func (v *visitor) approves(ctx context.Context, app *softkey.App, id string) (*answer, error) {
	a, err := v.api(ctx, http.MethodPost, "/approvals/"+id+"/begin", nil)
	if err := well(a, err); err != nil {
		return a, err
	}
	var b begun
	if err := a.into(&b); err != nil {
		return nil, err
	}
	credential, err := app.Sign(b.Options, "confirm", id)
	if err != nil {
		return nil, err
	}
	return v.api(ctx, http.MethodPost, "/approvals/"+id+"/finish", map[string]any{"credential": json.RawMessage(credential)})
}
