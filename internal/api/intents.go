package api

import (
	"context"
	"net/http"
	"time"

	"keyward/executor"
	"keyward/internal/config"
	"keyward/internal/confirm"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
)

// intents registers how a back end asks an owner to approve a withdrawal, and fetches the proof.
func (s *Server) intents() {
	add(s, operation{
		id: "intents-create", call: "POST /intents", tag: "intents", access: backend, power: config.MayConfirm, limit: edge.ClassAPI, once: true, status: http.StatusCreated,
		codes:   "account_unknown account_frozen account_restricted account_closed held session_unknown device_unknown intents_waiting",
		summary: "Ask for an approval", about: "What it says is what is signed, letter by letter. Send the person to \"url\", or to your app, which finds it under /approvals. " +
			"Say where they asked from: without it a second device can approve nothing.",
	}, s.intentCreate)
	add(s, operation{
		id: "intents-read", call: "GET /intents/{id}", tag: "intents", access: backend, power: config.MayConfirm, limit: edge.ClassAPI,
		codes: "intent_unknown intent_void approval_withdrawn account_frozen account_restricted account_closed held", summary: "How far it is, and the proof",
		about: "Ask every second or two. The proof is there from the approval for 120 seconds; a freeze or a hold that came meanwhile keeps it back, and so does the removal of the key, device or session it was given with. " +
			"Whoever moves the money verifies it again, with package executor.",
	}, s.intentRead)
}

// IntentBody is a withdrawal to be approved.
type IntentBody struct {
	Account    string `json:"account,omitempty" maxLength:"64" doc:"acc_…; or external_id."`
	ExternalID string `json:"external_id,omitempty" maxLength:"128"`
	Asset      string `json:"asset" minLength:"1" maxLength:"20" example:"BTC"`
	Network    string `json:"network" minLength:"1" maxLength:"40" example:"bitcoin"`
	Amount     string `json:"amount" minLength:"1" maxLength:"40" example:"0.25" doc:"Decimal, one spelling: no sign, no exponent."`
	MaxFee     string `json:"max_fee,omitempty" maxLength:"40" doc:"In the asset, as its owner is shown it."`
	Address    string `json:"address" minLength:"1" maxLength:"200"`
	Memo       string `json:"memo,omitempty" maxLength:"200"`
	Session    string `json:"session,omitempty" maxLength:"64" doc:"The session that asked (sid of your token)."`
	Device     string `json:"device,omitempty" maxLength:"64" doc:"Its device, when no session is known."`
	ExpiresIn  int    `json:"expires_in,omitempty" minimum:"30" maximum:"120" doc:"Seconds; 120 when absent."`
}

// Withdrawal is what is approved, as it is signed.
type Withdrawal struct {
	Asset   string `json:"asset"`
	Network string `json:"network"`
	Amount  string `json:"amount"`
	MaxFee  string `json:"max_fee,omitempty"`
	Address string `json:"address"`
	Memo    string `json:"memo,omitempty"`
}

// BackendIntent is what a back end sees of its own.
type BackendIntent struct {
	ID      string    `json:"id" example:"int_01jd8f00000000000000000000"`
	State   string    `json:"state" enum:"pending,approved,refused,expired"`
	Account string    `json:"account" doc:"As it is signed: keep it for the executor."`
	URL     string    `json:"url" doc:"Where its owner reads and answers. It is no secret and opens nothing by itself."`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at"`
	Withdrawal
	DecidedAt  time.Time `json:"decided_at,omitzero"`
	Rule       string    `json:"rule,omitempty" enum:"hardware,second_device,small" doc:"Why the approval was enough."`
	Proof      string    `json:"proof,omitempty" doc:"A JWT of the type kw-confirmation+jwt, while it is good."`
	ProofUntil time.Time `json:"proof_until,omitzero"`
}

func withdrawalOf(i confirm.Intent) Withdrawal {
	return Withdrawal{i.Asset, i.Network, i.Amount, i.MaxFee, i.Address, i.Memo}
}

func (s *Server) backendIntent(a confirm.Answer) BackendIntent {
	v := BackendIntent{
		ID: a.ID, State: string(a.State), Account: a.Account, URL: s.set.PublicURL + "/confirm/" + a.ID, Created: a.CreatedAt, Expires: a.ExpiresAt,
		Withdrawal: withdrawalOf(a.Intent), Rule: a.Rule, Proof: a.Proof,
	}
	if a.Proof != "" {
		v.ProofUntil = a.Until
	}
	if a.State == confirm.Approved || a.State == confirm.Refused {
		v.DecidedAt = a.DecidedAt
	}
	return v
}

type intentCreateIn struct {
	Key  string `header:"Idempotency-Key"`
	Body IntentBody
}

type intentCreateOut struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true: this answer was given before."`
	Location string `header:"Location"`
	Body     BackendIntent
}

func (s *Server) intentCreate(ctx context.Context, in *intentCreateIn) (*intentCreateOut, error) {
	v, again, err := once(ctx, s, in.Key, in.Body, func(ctx context.Context) (BackendIntent, error) {
		b := in.Body
		i, err := s.Confirm.Create(ctx, cause(ctx), confirm.Ask{
			Client: clientOf(ctx).ID, ExternalID: b.ExternalID,
			Withdrawal: executor.Withdrawal{Account: b.Account, Asset: b.Asset, Network: b.Network, Amount: b.Amount, MaxFee: b.MaxFee, Address: b.Address, Memo: b.Memo},
			Session:    session.ID(b.Session), Device: device.ID(b.Device), Life: time.Duration(b.ExpiresIn) * time.Second,
		})
		return s.backendIntent(confirm.Answer{Intent: i}), err
	})
	if err != nil {
		return nil, err
	}
	return &intentCreateOut{Replayed: again, Location: root + "/intents/" + v.ID, Body: v}, nil
}

type intentOut struct{ Body BackendIntent }

func (s *Server) intentRead(ctx context.Context, in *idIn) (*intentOut, error) {
	a, err := s.Confirm.Answer(ctx, clientOf(ctx).ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &intentOut{s.backendIntent(a)}, nil
}
