package api

import (
	"context"
	"net/http"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// subs registers what an owner does to their sub-accounts.
func (s *Server) subs() {
	const widens = " step_up_required insufficient_power apikey_held"
	add(s, operation{id: "subs-list", call: "GET /subaccounts", tag: "subaccounts", access: holder, limit: edge.ClassAPI, summary: "The account's sub-accounts, closed ones too"}, s.subList)
	add(s, operation{
		id: "subs-create", call: "POST /subaccounts", tag: "subaccounts", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes: "sub_form sub_too_many" + widens, summary: "Make a sub-account",
		about: "Needs a touch for subs.make with the object that step_up_required names: it stands for all that is said of the sub-account, so send exactly the same again. Its keys are made with POST /keys and its id.",
	}, s.subCreate)
	add(s, operation{id: "subs-read", call: "GET /subaccounts/{id}", tag: "subaccounts", access: holder, limit: edge.ClassAPI, codes: "sub_unknown", summary: "One sub-account"}, s.subRead)
	add(s, operation{
		id: "subs-change", call: "PATCH /subaccounts/{id}", tag: "subaccounts", access: holder, limit: edge.ClassAPI,
		codes: "sub_unknown sub_form sub_changed" + widens, summary: "Change a sub-account",
		about: "What is left out stays. Less needs no touch; more (a wider rule, more keys or speed, working again) needs one for subs.change with the object that step_up_required names. Answers when the old form is refused everywhere.",
	}, s.subChange)
	add(s, operation{
		id: "subs-freeze", call: "POST /subaccounts/{id}/freeze", tag: "subaccounts", access: holder, limit: edge.ClassAPI,
		codes: "sub_unknown sub_changed", summary: "Freeze a sub-account", about: "Its keys may look and cancel, without a touch. Answers when the rest is refused everywhere.",
	}, func(ctx context.Context, in *subIDIn) (*effectOut, error) {
		return s.subSet(ctx, in, account.SubFrozen)
	})
	add(s, operation{
		id: "subs-empty", call: "POST /subaccounts/{id}/empty", tag: "subaccounts", access: holder, limit: edge.ClassAPI,
		codes: "sub_unknown sub_changed step_up_required", summary: "Begin to empty a sub-account",
		about: "Its keys may look, cancel, and move what is in it to the main account, where its rule allows that. Out of a freeze it takes a touch, and PATCH.",
	}, func(ctx context.Context, in *subIDIn) (*effectOut, error) {
		return s.subSet(ctx, in, account.SubEmptying)
	})
	add(s, operation{
		id: "subs-close", call: "DELETE /subaccounts/{id}", tag: "subaccounts", access: holder, limit: edge.ClassAPI,
		codes: "sub_unknown sub_changed", summary: "Close a sub-account",
		about: "For good, without a touch. Its keys end with it. What is in it only the exchange knows; it moves that to the main account.",
	}, s.subClose)
	add(s, operation{
		id: "accounts-subaccounts", call: "GET /accounts/{id}/subaccounts", tag: "accounts", access: backend, power: config.MayProvision, limit: edge.ClassAPI,
		codes: "account_unknown", summary: "The sub-accounts of an account",
		about: "For the exchange, which keeps what is in them: one that is emptying or closed has its money moved to the main account. Versions grow; ignore what is lower.",
	}, s.accountSubs)
}

// Subaccount is a part of an account with keys and limits of its own.
type Subaccount struct {
	ID        string    `json:"id" example:"sub_01jd8f00000000000000000000"`
	Version   int64     `json:"version" doc:"Send it with a change."`
	Name      string    `json:"name"`
	Status    string    `json:"status" enum:"active,frozen,emptying,closed" doc:"frozen: its keys look and cancel. emptying: they also move to the main account."`
	Transfers string    `json:"transfers" enum:"none,to_main,both" doc:"What keys may move between it and the rest of the account. Never anything out of the account."`
	MaxKeys   int       `json:"max_keys,omitempty" doc:"Absent: no bound of its own."`
	PerMinute int       `json:"per_minute,omitempty" doc:"Of all its keys together; absent: no bound of its own."`
	Keys      int       `json:"keys" doc:"In use."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"By any of its keys, to the minute; absent: never."`
	CreatedAt time.Time `json:"created_at"`
	ClosedAt  time.Time `json:"closed_at,omitzero"`
}

func subaccountOf(s account.Sub, use apikey.SubUse) Subaccount {
	return Subaccount{
		ID: string(s.ID), Version: s.Version, Name: s.Name, Status: string(s.Status), Transfers: string(s.Transfers), MaxKeys: s.MaxKeys, PerMinute: s.PerMin,
		Keys: use.Keys, LastUsed: use.Used, CreatedAt: s.MadeAt, ClosedAt: s.ClosedAt,
	}
}

type (
	subsOut struct{ Body List[Subaccount] }
	subOut  struct{ Body Subaccount }
	subIDIn struct {
		ID string `path:"id" maxLength:"40"`
	}
	subNewIn struct {
		Body struct {
			Name      string `json:"name" maxLength:"256"`
			Transfers string `json:"transfers,omitempty" doc:"none when left out."`
			MaxKeys   int    `json:"max_keys,omitempty"`
			PerMinute int    `json:"per_minute,omitempty"`
		} `nameHint:"SubaccountBody"`
	}
	subChangeIn struct {
		ID   string `path:"id" maxLength:"40"`
		Body struct {
			Version   int64   `json:"version" doc:"That was read: when it has changed since, nothing is done."`
			Name      *string `json:"name,omitempty" maxLength:"256"`
			Status    *string `json:"status,omitempty" enum:"active,frozen,emptying"`
			Transfers *string `json:"transfers,omitempty"`
			MaxKeys   *int    `json:"max_keys,omitempty" doc:"0 takes the bound away."`
			PerMinute *int    `json:"per_minute,omitempty" doc:"0 takes the bound away."`
		} `nameHint:"SubaccountChange"`
	}
)

func (s *Server) subList(ctx context.Context, _ *none) (*subsOut, error) {
	return s.subsOf(ctx, caller(ctx).Account)
}

func (s *Server) accountSubs(ctx context.Context, in *idIn) (*subsOut, error) {
	return s.subsOf(ctx, account.ID(in.ID))
}

func (s *Server) subsOf(ctx context.Context, acc account.ID) (*subsOut, error) {
	out := &subsOut{List[Subaccount]{Items: []Subaccount{}}}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		if _, err := s.Accounts.ByID(tx, acc); err != nil {
			return err
		}
		out.Body.Items = []Subaccount{}
		uses, err := s.BotKeys.SubUses(tx, acc)
		if err != nil {
			return err
		}
		all, err := s.Accounts.Subs(tx, acc)
		for _, x := range all {
			out.Body.Items = append(out.Body.Items, subaccountOf(x, uses[string(x.ID)]))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Server) ownSub(ctx context.Context, id string) (sub account.Sub, use apikey.SubUse, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		if sub, err = s.Accounts.Sub(tx, caller(ctx).Account, account.SubID(id)); err != nil {
			return err
		}
		uses, err := s.BotKeys.SubUses(tx, caller(ctx).Account)
		use = uses[id]
		return err
	})
	return sub, use, err
}

func (s *Server) subRead(ctx context.Context, in *subIDIn) (*subOut, error) {
	sub, use, err := s.ownSub(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &subOut{subaccountOf(sub, use)}, nil
}

func (s *Server) subCreate(ctx context.Context, in *subNewIn) (*subOut, error) {
	b := in.Body
	sub, err := s.Contain.MakeSub(ctx, cause(ctx), by(ctx), account.SubForm{Name: b.Name, Transfers: account.Transfers(b.Transfers), MaxKeys: b.MaxKeys, PerMin: b.PerMinute})
	if err != nil {
		return nil, err
	}
	return &subOut{subaccountOf(sub, apikey.SubUse{})}, nil
}

func (s *Server) subChange(ctx context.Context, in *subChangeIn) (*subOut, error) {
	sub, use, err := s.ownSub(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f, status, b := sub.Form(), sub.Status, in.Body
	if b.Name != nil {
		f.Name = *b.Name
	}
	if b.Status != nil {
		status = account.SubStatus(*b.Status)
	}
	if b.Transfers != nil {
		f.Transfers = account.Transfers(*b.Transfers)
	}
	if b.MaxKeys != nil {
		f.MaxKeys = *b.MaxKeys
	}
	if b.PerMinute != nil {
		f.PerMin = *b.PerMinute
	}
	if sub, _, err = s.Contain.ChangeSub(ctx, cause(ctx), by(ctx), sub.ID, b.Version, f, status); err != nil {
		return nil, err
	}
	return &subOut{subaccountOf(sub, use)}, nil
}

func (s *Server) subSet(ctx context.Context, in *subIDIn, status account.SubStatus) (*effectOut, error) {
	_, e, err := s.Contain.SetSub(ctx, cause(ctx), caller(ctx).Account, account.SubID(in.ID), status, by(ctx).Agent)
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}

func (s *Server) subClose(ctx context.Context, in *subIDIn) (*effectOut, error) {
	_, _, e, err := s.Contain.CloseSub(ctx, cause(ctx), caller(ctx).Account, account.SubID(in.ID), by(ctx).Agent)
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}
