package api

import (
	"context"
	"net/http"
	"time"

	"keyward/internal/account"
	"keyward/internal/config"
	"keyward/internal/contain"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// accounts registers what a back end does to accounts under the exchange's own ids.
func (s *Server) accounts() {
	add(s, operation{
		id: "accounts-create", call: "POST /accounts", tag: "accounts", access: backend, power: config.MayProvision, limit: edge.ClassAPI, once: true,
		codes: "external_id_taken", summary: "Make an account", status: http.StatusCreated,
		about: "It has no passkey yet: give its owner an enrolment ticket. A mail address stays a claim until its owner follows the link that is sent there.",
	}, s.accountCreate)
	add(s, operation{
		id: "accounts-find", call: "GET /accounts", tag: "accounts", access: backend, power: config.MayProvision, limit: edge.ClassAPI,
		codes: "account_unknown", summary: "Find an account by the exchange's id",
	}, s.accountFind)
	add(s, operation{
		id: "accounts-read", call: "GET /accounts/{id}", tag: "accounts", access: backend, power: config.MayProvision, limit: edge.ClassAPI,
		codes: "account_unknown", summary: "Read an account",
	}, s.accountRead)
	add(s, operation{
		id: "accounts-change", call: "PATCH /accounts/{id}", tag: "accounts", access: backend, limit: edge.ClassAPI, once: true,
		codes: "account_unknown account_closed account_frozen", summary: "Change an account",
		about: "Restricting and closing end every session in the same transaction and answer when that is refused everywhere. Closing is for good. " +
			"An owner's freeze can be neither lifted nor replaced from here.\n\nNeeds the power \"end\" to restrict, \"provision\" for everything else.",
	}, s.accountChange)
	add(s, operation{
		id: "accounts-enrolment", call: "POST /accounts/{id}/enrolment", tag: "accounts", access: backend, power: config.MayProvision, limit: edge.ClassAPI,
		codes: "account_unknown account_closed account_frozen credential_taken", summary: "A ticket for the first passkey", status: http.StatusCreated,
		about: "For a person you have just signed in yourself: whoever holds the ticket gets the account. It lives ten minutes, works only while the account " +
			"never had a passkey, and the first one that is used makes all others worthless. Hand it to POST /api/v1/enrolment; never put it into a mail.",
	}, s.accountEnrolment)
}

// BackendAccount is what a back end sees of an account.
type BackendAccount struct {
	ID           string    `json:"id" example:"acc_01jd8f00000000000000000000"`
	ExternalID   string    `json:"external_id,omitempty"`
	Status       string    `json:"status" enum:"active,frozen,restricted,closed"`
	Brand        string    `json:"brand,omitempty"`
	Jurisdiction string    `json:"jurisdiction,omitempty"`
	Lang         string    `json:"lang,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	Version      int64     `json:"version" doc:"Grows with every change: ignore what is lower."`
	Passkeys     int       `json:"passkeys" doc:"0: its owner cannot sign in yet."`
}

// backendAccount reads what the account row does not hold.
func (s *Server) backendAccount(tx *store.Tx, a account.Account) (BackendAccount, error) {
	keys, err := s.Devices.Keys(tx, a.ID)
	return BackendAccount{
		ID: string(a.ID), ExternalID: a.ExternalID, Status: string(a.Status), Brand: a.Brand, Jurisdiction: a.Jurisdiction, Lang: a.Lang,
		CreatedAt: a.CreatedAt, Version: a.Version, Passkeys: len(keys),
	}, err
}

// AccountBody is an account to be made.
type AccountBody struct {
	ExternalID   string `json:"external_id" minLength:"1" maxLength:"128" doc:"Your own id; unique."`
	Mail         string `json:"mail,omitempty" maxLength:"1016"`
	Lang         string `json:"lang,omitempty" maxLength:"32"`
	Brand        string `json:"brand,omitempty" maxLength:"32"`
	Jurisdiction string `json:"jurisdiction,omitempty" maxLength:"32"`
}

type accountCreateIn struct {
	Key  string `header:"Idempotency-Key"`
	Body AccountBody
}

type accountCreateOut struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true: this answer was given before."`
	Location string `header:"Location"`
	Body     BackendAccount
}

func (s *Server) accountCreate(ctx context.Context, in *accountCreateIn) (*accountCreateOut, error) {
	v, again, err := once(ctx, s, in.Key, in.Body, func(ctx context.Context) (BackendAccount, error) {
		b := in.Body
		a, err := s.SignIn.Provision(ctx, cause(ctx), account.NewAccount{ExternalID: b.ExternalID, Mail: b.Mail, Lang: b.Lang, Brand: b.Brand, Jurisdiction: b.Jurisdiction})
		if err != nil {
			return BackendAccount{}, err
		}
		return BackendAccount{
			ID: string(a.ID), ExternalID: a.ExternalID, Status: string(a.Status), Brand: a.Brand, Jurisdiction: a.Jurisdiction, Lang: a.Lang,
			CreatedAt: a.CreatedAt, Version: a.Version,
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return &accountCreateOut{Replayed: again, Location: root + "/accounts/" + v.ID, Body: v}, nil
}

type backendAccountOut struct{ Body BackendAccount }

type accountFindIn struct {
	ExternalID string `query:"external_id" required:"true" minLength:"1" maxLength:"128"`
}

func (s *Server) accountFind(ctx context.Context, in *accountFindIn) (*backendAccountOut, error) {
	return s.accountBy(ctx, func(tx *store.Tx) (account.Account, error) { return s.Accounts.ByExternal(tx, in.ExternalID) })
}

func (s *Server) accountRead(ctx context.Context, in *idIn) (*backendAccountOut, error) {
	return s.accountBy(ctx, func(tx *store.Tx) (account.Account, error) { return s.Accounts.ByID(tx, account.ID(in.ID)) })
}

func (s *Server) accountBy(ctx context.Context, find func(*store.Tx) (account.Account, error)) (*backendAccountOut, error) {
	out := &backendAccountOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		a, err := find(tx)
		if err != nil {
			return err
		}
		out.Body, err = s.backendAccount(tx, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ChangeBody is what is to be changed; what is absent stays.
type ChangeBody struct {
	Status *string `json:"status,omitempty" enum:"active,restricted,closed" doc:"restricted may be taken back with active; closed may not."`
	Lang   *string `json:"lang,omitempty" maxLength:"32"`

	_ struct{} `minProperties:"1"`
}

type accountChangeIn struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key"`
	Body ChangeBody
}

// Changed is an account after a change, and the proof of what it ended.
type Changed struct {
	Account BackendAccount `json:"account"`
	Effect  Effect         `json:"effect"`
}

type accountChangeOut struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true: this answer was given before."`
	Body     Changed
}

func (s *Server) accountChange(ctx context.Context, in *accountChangeIn) (*accountChangeOut, error) {
	var c contain.Change
	if c.Lang = in.Body.Lang; in.Body.Status != nil {
		status := account.Status(*in.Body.Status)
		c.Status = &status
	}
	if c == (contain.Change{}) {
		return nil, errBadRequest.At("", "names nothing to change")
	}
	if err := able(ctx, powersFor(c)...); err != nil {
		return nil, err
	}
	v, again, err := once(ctx, s, in.Key, in.Body, func(ctx context.Context) (v Changed, err error) {
		a, e, err := s.Contain.Change(ctx, cause(ctx), account.ID(in.ID), c)
		if err != nil {
			return v, err
		}
		v.Effect = effectOf(e)
		return v, s.DB.View(ctx, func(tx *store.Tx) error {
			v.Account, err = s.backendAccount(tx, a)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return &accountChangeOut{Replayed: again, Body: v}, nil
}

// powersFor: restricting is the safe direction, like ending a session; the rest
// belongs to whoever made the account. Nothing is implied by anything else.
func powersFor(c contain.Change) (powers []string) {
	restrict := c.Status != nil && *c.Status == account.Restricted
	if restrict {
		powers = append(powers, config.MayEnd)
	}
	if c.Lang != nil || c.Status != nil && !restrict {
		powers = append(powers, config.MayProvision)
	}
	return powers
}

// Ticket opens the account of somebody who has no key yet.
type Ticket struct {
	Ticket    string    `json:"ticket" doc:"A secret: whoever holds it gets the account."`
	ExpiresAt time.Time `json:"expires_at"`
}

type ticketOut struct{ Body Ticket }

func (s *Server) accountEnrolment(ctx context.Context, in *idIn) (*ticketOut, error) {
	ticket, until, err := s.SignIn.OfferEnrolment(ctx, cause(ctx), account.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &ticketOut{Ticket{ticket, until}}, nil
}
