package confirm

import (
	"context"
	"errors"
	"time"

	"keyward/executor"
	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Ask is a withdrawal that a back end wants approved.
type Ask struct {
	Client     string // the back end
	ExternalID string // whose account, by the exchange's own id; or Withdrawal.Account
	executor.Withdrawal
	Session session.ID // where its owner asked for it, as far as the back end knows
	Device  device.ID
	Life    time.Duration // 0: Life
}

// Create stores an intent. What it says is from now on what is signed, or nothing.
func (s *Service) Create(ctx context.Context, cause store.Cause, a Ask) (i Intent, err error) {
	if a.Life == 0 {
		a.Life = Life
	}
	if a.Life < minLife || a.Life > Life || a.Life%time.Second != 0 {
		return i, errBad.At("/expires_in", "is a whole number of seconds from 30 to 120")
	}
	if (a.Account == "") == (a.ExternalID == "") {
		return i, errBad.At("/account", "name the account by account or by external_id, not by both")
	}
	// Before the account is known its id stands in for it.
	checked := a.Withdrawal
	if checked.Account == "" {
		checked.Account = "acc_"
	}
	var field *executor.FieldError
	if err := checked.Check(); errors.As(err, &field) {
		return i, errBad.At("/"+field.Field, field.Text)
	}
	err = s.DB.Update(ctx, cause, func(tx *store.Tx) error {
		i = Intent{Intent: executor.Intent{Withdrawal: a.Withdrawal}, Client: a.Client, State: Pending, Session: a.Session, Device: a.Device, Version: 1}
		if a.ExternalID != "" {
			acc, err := s.Accounts.ByExternal(tx, a.ExternalID)
			if err != nil {
				return err
			}
			i.Account = string(acc.ID)
		}
		acc := account.ID(i.Account)
		if err := s.allowed(tx, acc); err != nil {
			return err
		}
		if err := s.origin(tx, &i); err != nil {
			return err
		}
		var waiting int
		if err := tx.Row(sqlOpen, i.Account, store.Micros(tx.Now)).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= maxOpen {
			return ErrWaiting
		}
		i.CreatedAt = tx.Now.UTC().Truncate(time.Second)
		i.ExpiresAt = i.CreatedAt.Add(a.Life)
		i.Created, i.Expires = i.CreatedAt.Unix(), i.ExpiresAt.Unix()
		i.ID = keyring.NewID("int_", tx.Now)
		if err := s.meet(tx, &i); err != nil {
			return err
		}
		seal := s.seal.Sum(nil, i.CBOR(), []byte(i.Client), []byte(i.Session), []byte(i.Device))
		if _, err := tx.Exec(sqlInsert, i.ID, i.Account, i.Client, i.Asset, i.Network, i.Amount, i.MaxFee, i.Address, i.Memo,
			store.Micros(i.CreatedAt), store.Micros(i.ExpiresAt), string(i.Session), string(i.Device), seal[:]); err != nil {
			return err
		}
		p := about(i)
		if i.isNew(tx.Now) {
			p["first"], p["held"] = "yes", i.To.HoldUntil.UTC().Format(time.RFC3339)
		}
		return s.event(tx, "intent.created", i, p)
	})
	return i, err
}

// origin makes sure that the place it was asked from is the account's own.
func (s *Service) origin(tx *store.Tx, i *Intent) error {
	acc := account.ID(i.Account)
	if i.Session != "" {
		ses, err := s.Sessions.ByID(tx, acc, i.Session)
		if err != nil {
			return err
		}
		if !ses.EndedAt.IsZero() {
			return session.ErrUnknown.Because(errors.New("the session that asked has ended"))
		}
		if i.Device != "" && i.Device != ses.Device {
			return errBad.At("/device", "is not the device of that session")
		}
		i.Device = ses.Device
	} else if i.Device != "" {
		if _, err := s.Devices.Device(tx, acc, i.Device); err != nil {
			return err
		}
	}
	if i.Device != "" {
		return nil
	}
	size, err := s.size(tx, *i)
	if err == nil && size.above {
		// Nobody could say which device is the second one, so it could never be approved.
		err = errBad.At("/session", "is needed for an amount that a second device approves")
	}
	return err
}

// meet writes an address down when it is first asked for.
func (s *Service) meet(tx *store.Tx, i *Intent) error {
	var first, hold, used int64
	err := tx.Row(sqlMeetAddress, i.Account, i.Asset, i.Network, i.Address, i.Memo, store.Micros(tx.Now), s.set.AddressHold.Microseconds(),
		store.Micros(tx.Now.Add(s.set.AddressHold))).
		Scan(&first, &hold, &i.To.Uses, &used)
	i.To.FirstAt, i.To.HoldUntil, i.To.UsedAt = store.Time(first), store.Time(hold), store.Time(used)
	if err != nil || !i.isNew(tx.Now) {
		return err
	}
	var met int
	err = tx.Row(sqlMetLately, i.Account, store.Micros(tx.Now.Add(-newOver))).Scan(&met, &first)
	if err == nil && met > maxNew {
		err = errLimited.RetryIn(store.Time(first).Add(newOver).Sub(tx.Now))
	}
	return err
}

// isNew: this very request is the first for the address.
func (i *Intent) isNew(now time.Time) bool { return i.To.FirstAt.Equal(now) }

func (s *Service) event(tx *store.Tx, action audit.Action, i Intent, payload map[string]string) error {
	_, err := s.Log.Append(tx, audit.Event{
		Action: action, Account: i.Account, Target: i.ID,
		Effects: []audit.Effect{{Kind: "intent", ID: i.ID, Version: i.Version}}, Payload: payload,
	})
	return err
}

// about is what the owner's history and mails say of it. The memo is half of an address that many share: a notice
// without it would tell of an address that its reader knows.
func about(i Intent) map[string]string {
	p := map[string]string{"client": i.Client, "sum": i.Amount + " " + i.Asset, "to": i.Address, "network": i.Network}
	if i.Memo != "" {
		p["memo"] = i.Memo
	}
	return p
}
