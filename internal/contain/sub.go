package contain

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Sub-accounts are made by the owner. What gives one more (making it, a wider rule for
// transfers, more keys or speed, letting it work again) takes a touch for exactly that;
// freezing, emptying and closing take none, because whoever wants to stop a bot must not
// have to look for a passkey first.

// SubMakeAct is what the touch for a new sub-account is bound to: all that is said of it.
func SubMakeAct(f account.SubForm) device.Act {
	act := device.Act{Kind: device.ActSubMake, Object: digest(f, "")}
	if f.Transfers == account.TransferNone {
		return act.Looking() // a place for keys, which moves nothing and gives no key anything
	}
	return act
}

// SubChangeAct is what the touch for a change is bound to: the sub-account as it stands
// and all that it is to become.
func SubChangeAct(was account.Sub, f account.SubForm, status account.SubStatus) device.Act {
	return device.Act{Kind: device.ActSubChange, Object: string(was.ID) + "~" + digest(f, strconv.FormatInt(was.Version, 10)+string(status))}
}

// SubOfAct is the sub-account that a touch is about; "" for one that is to be made.
func SubOfAct(act device.Act) account.SubID {
	id, _, _ := strings.Cut(act.On(), "~")
	if act.Kind != device.ActSubChange {
		return ""
	}
	return account.SubID(id)
}

// digest is the whole hash of what is said, in one spelling.
func digest(f account.SubForm, rest string) string {
	text, err := json.Marshal([]any{f.Name, f.Transfers, f.MaxKeys, f.PerMin, rest})
	if err != nil {
		panic(err) // text and numbers
	}
	sum := keyring.Hash(string(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Freer reports whether a sub-account would be given anything it does not have. A name
// is nothing.
func Freer(was account.Sub, f account.SubForm, status account.SubStatus) bool {
	reach := map[account.Transfers]int{account.TransferNone: 0, account.TransferToMain: 1, account.TransferBoth: 2}
	free := map[account.SubStatus]int{account.SubFrozen: 0, account.SubEmptying: 1, account.SubActive: 2}
	more := func(now, before int) bool { return before != 0 && (now == 0 || now > before) } // 0 is no bound
	return reach[f.Transfers] > reach[was.Transfers] || free[status] > free[was.Status] || more(f.MaxKeys, was.MaxKeys) || more(f.PerMin, was.PerMin)
}

// MakeSub makes a sub-account, on a touch for exactly this one.
func (s *Service) MakeSub(ctx context.Context, cause store.Cause, by apikey.By, f account.SubForm) (sub account.Sub, err error) {
	if f, err = f.Checked(); err != nil {
		return sub, err
	}
	_, err = s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		proof, err := s.devices.Need(tx, by.Who(), SubMakeAct(f))
		if err != nil {
			return nil, err
		}
		sub, err = s.makeSub(tx, by, f, proof)
		return nil, err
	})
	return sub, err
}

// makeSub is the widening act itself: it cannot be called without a Proof.
func (s *Service) makeSub(tx *store.Tx, by apikey.By, f account.SubForm, proof device.Proof) (account.Sub, error) {
	if !proof.For(tx, by.Account, SubMakeAct(f)) {
		return account.Sub{}, device.StepUp(SubMakeAct(f))
	}
	if err := s.botKeys.MayWiden(tx, by.Account); err != nil {
		return account.Sub{}, err
	}
	sub, err := s.accounts.MakeSub(tx, by.Account, f)
	if err != nil {
		return account.Sub{}, err
	}
	return sub, s.told(tx, "subaccount.made", sub, by.Agent, nil)
}

// ChangeSub makes a sub-account what form and status say. It needs a touch where that is
// more than it had, and returns when the old form is refused everywhere.
func (s *Service) ChangeSub(ctx context.Context, cause store.Cause, by apikey.By, id account.SubID, version int64, f account.SubForm, status account.SubStatus) (sub account.Sub, e Effect, err error) {
	if f, err = f.Checked(); err != nil {
		return sub, e, err
	}
	e, err = s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		was, err := s.accounts.Sub(tx, by.Account, id)
		if err != nil {
			return nil, err
		}
		if !was.Open() || was.Version != version {
			return nil, account.ErrSubChanged
		}
		if !Freer(was, f, status) {
			sub, err = s.narrowSub(tx, was, f, status, by.Agent)
			return nil, err
		}
		proof, err := s.devices.Need(tx, by.Who(), SubChangeAct(was, f, status))
		if err != nil {
			return nil, err
		}
		sub, err = s.freeSub(tx, by, was, f, status, proof)
		return nil, err
	})
	return sub, e, err
}

func (s *Service) freeSub(tx *store.Tx, by apikey.By, was account.Sub, f account.SubForm, status account.SubStatus, proof device.Proof) (account.Sub, error) {
	if act := SubChangeAct(was, f, status); !proof.For(tx, by.Account, act) {
		return account.Sub{}, device.StepUp(act)
	}
	if err := s.botKeys.MayWiden(tx, by.Account); err != nil {
		return account.Sub{}, err
	}
	sub, err := s.accounts.ChangeSub(tx, was, f, status)
	if err != nil {
		return account.Sub{}, err
	}
	return sub, s.told(tx, "subaccount.widened", sub, by.Agent, nil)
}

func (s *Service) narrowSub(tx *store.Tx, was account.Sub, f account.SubForm, status account.SubStatus, agent string) (account.Sub, error) {
	sub, err := s.accounts.ChangeSub(tx, was, f, status)
	if err != nil {
		return account.Sub{}, err
	}
	action := audit.Action("subaccount.narrowed")
	switch {
	case status == account.SubFrozen && was.Status != status:
		action = "subaccount.frozen"
	case status == account.SubEmptying && was.Status != status:
		action = "subaccount.emptying"
	}
	return sub, s.told(tx, action, sub, agent, nil)
}

// SetSub freezes a sub-account or begins to empty it. It needs no touch and no version:
// whoever wants a bot to stop does not read first. Out of a freeze it does not lead;
// ChangeSub does.
func (s *Service) SetSub(ctx context.Context, cause store.Cause, acc account.ID, id account.SubID, status account.SubStatus, agent string) (sub account.Sub, e Effect, err error) {
	e, err = s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		was, err := s.accounts.Sub(tx, acc, id)
		switch {
		case err != nil:
			return nil, err
		case !was.Open() || was.Status == status || status != account.SubFrozen && status != account.SubEmptying:
			return nil, account.ErrSubChanged
		case Freer(was, was.Form(), status):
			return nil, device.StepUp(SubChangeAct(was, was.Form(), status))
		}
		sub, err = s.narrowSub(tx, was, was.Form(), status, agent)
		return nil, err
	})
	return sub, e, err
}

// CloseSub closes a sub-account for good and ends its keys in the same transaction: a key
// whose account is gone must not wait for somebody to think of it. What is in it we do
// not know, and so cannot ask that it be empty; the exchange reads the closing in
// the log, or asks for it, and moves what is left to the main account.
func (s *Service) CloseSub(ctx context.Context, cause store.Cause, acc account.ID, id account.SubID, agent string) (sub account.Sub, ended int, e Effect, err error) {
	e, err = s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		if sub, err = s.accounts.CloseSub(tx, acc, id); err != nil {
			return nil, err
		}
		keys, err := s.botKeys.RevokeSub(tx, acc, string(id), "sub_closed")
		if err != nil {
			return nil, err
		}
		ended = len(keys)
		return keys, s.told(tx, "subaccount.closed", sub, agent, keys)
	})
	return sub, ended, e, err
}

// told appends the one event of a change, with all that it touched.
func (s *Service) told(tx *store.Tx, action audit.Action, sub account.Sub, agent string, keys []audit.Effect) error {
	p := map[string]string{"sub": sub.Name, "rule": string(sub.Transfers), "status": string(sub.Status), "agent": agent, "per_min": strconv.Itoa(sub.PerMin), "max_keys": strconv.Itoa(sub.MaxKeys)}
	if sub.Status == account.SubClosed {
		p["n"] = strconv.Itoa(len(keys))
	}
	_, err := s.log.Append(tx, audit.Event{
		Action: action, Account: string(sub.Account), Target: string(sub.ID), Payload: p,
		Effects: append([]audit.Effect{{Kind: "subaccount", ID: string(sub.ID), Version: sub.Version}}, keys...),
	})
	return err
}
