package api

import (
	"context"
	"encoding/base64"
	"net/http"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// passkeys registers what is done to the keys of an account.
func (s *Server) passkeys() {
	add(s, operation{id: "passkeys-list", call: "GET /passkeys", tag: "passkeys", access: holder, limit: edge.ClassAPI, summary: "The account's passkeys", codes: "account_unknown"}, s.passkeyList)
	add(s, operation{
		id: "passkeys-begin", call: "POST /passkeys", tag: "passkeys", access: holder, limit: edge.ClassAPI,
		codes: "step_up_required insufficient_power account_unknown account_frozen account_restricted held", summary: "Begin to add a passkey", about: "Needs a touch for keys.add first, so that nobody is led through a system dialog in vain.",
	}, s.passkeyBegin)
	add(s, operation{
		id: "passkeys-finish", call: "POST /passkeys/finish", tag: "passkeys", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes: "step_up_required insufficient_power passkey_not_accepted challenge_expired challenge_spent credential_taken account_unknown account_closed account_frozen account_restricted held", summary: "Add the passkey",
		about: "Added from a device that the account has known for less than a day, it holds withdrawals for 24 hours; not in the first day of an account.",
	}, s.passkeyFinish)
	add(s, operation{
		id: "passkeys-rename", call: "PATCH /passkeys/{id}", tag: "passkeys", access: holder, limit: edge.ClassAPI,
		codes: "key_unknown key_too_new insufficient_power account_frozen account_restricted", summary: "Rename a passkey",
	}, s.passkeyRename)
	add(s, operation{
		id: "passkeys-remove", call: "DELETE /passkeys/{id}", tag: "passkeys", access: holder, limit: edge.ClassAPI,
		codes: "key_unknown last_key step_up_required insufficient_power account_frozen account_restricted", summary: "Remove a passkey",
		about: "Needs a touch for keys.remove with this id. Ends the sessions it opened, except the one that asks. Never the last one.",
	}, s.passkeyRemove)
}

// Signals are for the signal methods of passkey managers, always the whole list:
// a partial one would hide passkeys that still work (WebAuthn L3 §5.1.10.3).
type Signals struct {
	RPID        string   `json:"rp_id"`
	UserHandle  string   `json:"user_handle"`
	Credentials []string `json:"credentials" nullable:"false"`
}

// Passkeys are all keys of an account.
type Passkeys struct {
	Items   []Passkey `json:"items" nullable:"false"`
	Removed []Passkey `json:"removed" nullable:"false" doc:"Kept for good."`
	Signals Signals   `json:"signals" doc:"For signalAllAcceptedCredentials."`
}

type passkeysOut struct{ Body Passkeys }

func (s *Server) passkeyList(ctx context.Context, _ *none) (*passkeysOut, error) {
	var (
		acc           account.Account
		keys, removed []device.Key
		accepted      [][]byte
	)
	if err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if acc, err = s.Accounts.ByID(tx, caller(ctx).Account); err != nil {
			return err
		}
		if keys, err = s.Devices.Keys(tx, acc.ID); err != nil {
			return err
		}
		if accepted, err = s.Devices.AcceptedCredentialIDs(tx, acc.ID); err != nil {
			return err
		}
		removed, err = s.Devices.RemovedKeys(tx, acc.ID)
		return err
	}); err != nil {
		return nil, err
	}
	out := Passkeys{Items: each(keys, passkeyOf), Removed: each(removed, passkeyOf)}
	for i, k := range keys {
		out.Items[i].NewUntil = ever(device.YoungUntil(keys, k, s.DB.Now()))
	}
	out.Signals = Signals{RPID: s.Devices.RPID(), UserHandle: base64.RawURLEncoding.EncodeToString(acc.Handle), Credentials: each(accepted, base64.RawURLEncoding.EncodeToString)}
	return &passkeysOut{out}, nil
}

func (s *Server) passkeyBegin(ctx context.Context, _ *none) (*optionsOut, error) {
	return optionsOf(s.SignIn.BeginAddKey(ctx, caller(ctx).Session))
}

type passkeyFinishIn struct {
	Body struct {
		Credential Credential `json:"credential"`
		Name       string     `json:"name,omitempty" maxLength:"64" doc:"Chosen for you when absent."`
	} `nameHint:"PasskeyBody"`
}

type passkeyOut struct{ Body Passkey }

func (s *Server) passkeyFinish(ctx context.Context, in *passkeyFinishIn) (*passkeyOut, error) {
	k, err := s.SignIn.FinishAddKey(ctx, cause(ctx), caller(ctx).Session, in.Body.Name, in.Body.Credential, s.deviceOf)
	if err != nil {
		return nil, err
	}
	return &passkeyOut{passkeyOf(k)}, nil
}

// nameIn renames the object of the path.
type nameIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"64"`
	} `nameHint:"NameBody"`
}

// idIn is an operation on the object of the path.
type idIn struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *Server) passkeyRename(ctx context.Context, in *nameIn) (*passkeyOut, error) {
	by, id := caller(ctx).Session, device.KeyID(in.ID)
	if err := s.SignIn.RenameKey(ctx, cause(ctx), by, id, in.Body.Name); err != nil {
		return nil, err
	}
	var k device.Key
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		k, err = s.Devices.Key(tx, by.Account, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &passkeyOut{passkeyOf(k)}, nil
}

func (s *Server) passkeyRemove(ctx context.Context, in *idIn) (*effectOut, error) {
	e, err := s.Contain.RemoveKey(ctx, cause(ctx), caller(ctx).Session, device.KeyID(in.ID))
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}
