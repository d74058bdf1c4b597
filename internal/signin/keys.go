package signin

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// BeginAddKey returns creation options for one more passkey. The touch for
// keys.add must be there already: nobody is led through the system dialog for a
// key that would then be refused.
func (s *Service) BeginAddKey(ctx context.Context, ses session.Session) (options []byte, err error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return nil, ErrPower
	}
	var acc account.Account
	var exclude [][]byte
	err = s.db.View(ctx, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldKeys); err != nil {
			return err
		}
		if err := s.touched(tx, ses, device.Act{Kind: device.ActKeysAdd}); err != nil {
			return err
		}
		if acc, err = s.accounts.ByID(tx, ses.Account); err != nil {
			return err
		}
		exclude, err = s.devices.AcceptedCredentialIDs(tx, ses.Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	name, err := s.displayName(ctx, ses.Account)
	if err != nil {
		return nil, err
	}
	return s.devices.BeginRegister(device.RegisterFor{Account: ses.Account, Handle: acc.Handle, UserName: name, DisplayName: name, Exclude: exclude}, string(ses.ID))
}

// displayName is what the system dialog shows beside the key.
func (s *Service) displayName(ctx context.Context, acc account.ID) (string, error) {
	name := string(acc)
	err := s.db.View(ctx, func(tx *store.Tx) error {
		contacts, err := s.accounts.Contacts(tx, acc)
		if len(contacts) > 0 {
			name = contacts[0].Value
		}
		return err
	})
	return name, err
}

// FinishAddKey adds the passkey or the phone, using up the touch for keys.add. A recovery
// code session never reaches the redeem: its powers are checked first, and no
// touch exists that could lift them (DESIGN §5).
//
// known: see [Service.expect].
func (s *Service) FinishAddKey(ctx context.Context, cause store.Cause, ses session.Session, name string, response []byte, known func(jkt string) string) (device.Key, error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return device.Key{}, ErrPower
	}
	var acc account.Account
	if err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		// Asked before the attestation is read, so that a copied session hears what is
		// missing and costs us no signature. Below the touch is redeemed: that decides.
		if err := s.touched(tx, ses, device.Act{Kind: device.ActKeysAdd}); err != nil {
			return err
		}
		acc, err = s.accounts.ByID(tx, ses.Account)
		return err
	}); err != nil {
		return device.Key{}, err
	}
	att, err := s.devices.ParseRegister(ctx, device.RegisterFor{Account: ses.Account, Handle: acc.Handle, App: ses.Kind == session.API}, string(ses.ID), response)
	if err != nil {
		return device.Key{}, err
	}
	var key device.Key
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldKeys); err != nil {
			return err
		}
		proof, err := s.need(tx, ses, device.Act{Kind: device.ActKeysAdd})
		if err != nil {
			return err
		}
		on := ses.Device
		att.AskedOn(ses.Device)
		if att.Elsewhere() {
			on = ""
		}
		expected, effects, err := s.expect(tx, ses.Account, att, ses.Agent, known)
		if err != nil {
			return err
		}
		if expected != "" {
			on = expected
		}
		key, err = s.devices.Add(tx, ses.Account, att, on, name, proof)
		if err != nil {
			return err
		}
		effects = append(effects, audit.Effect{Kind: "key", ID: string(key.ID), Version: 1})
		ev := audit.Event{
			Action: "key.added", Account: string(ses.Account), Target: string(key.ID),
			Effects: effects,
			Payload: map[string]string{"key": key.Name, "agent": ses.Agent.String()},
		}
		strange, err := s.Strange(tx, ses)
		if err != nil {
			return err
		}
		if strange {
			held, version, err := s.holdForKey(tx, ses.Account, "hold.strange")
			if err != nil {
				return err
			}
			ev.Effects = append(ev.Effects, audit.Effect{Kind: "account", ID: string(ses.Account), Version: version})
			ev.Payload["held"], ev.Payload["strange"] = held, "yes"
		}
		_, err = s.log.Append(tx, ev)
		return err
	})
	return key, err
}

// expect makes the device of a phone that enrols with a session key of its own, and says
// which it is; "" for a passkey. known is the cookie of an app that has this session key.
//
// The app that asks may be on that phone or on another one: who it is cannot be told. So
// the phone is a device of its own, which is new when it first comes in.
func (s *Service) expect(tx *store.Tx, acc account.ID, att *device.Attestation, agent device.UserAgent, known func(jkt string) string) (device.ID, []audit.Effect, error) {
	jkt := att.SessionKey()
	if jkt == "" || known == nil {
		return "", nil, nil
	}
	dev, err := s.devices.Expect(tx, acc, known(jkt), agent)
	if err != nil {
		return "", nil, err
	}
	return dev.ID, []audit.Effect{{Kind: "device", ID: string(dev.ID), Version: dev.Version}}, nil
}

// RenameKey changes what a passkey is called. It widens nothing, so it needs no
// touch; a recovery-code session may not touch keys at all, and one that a new key opened
// calls no older one anything.
func (s *Service) RenameKey(ctx context.Context, cause store.Cause, ses session.Session, id device.KeyID, name string) error {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return ErrPower
	}
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account); err != nil {
			return err
		}
		if err := s.MayGive(tx, ses, device.Act{Kind: device.ActKeysRename, Object: string(id)}); err != nil {
			return err
		}
		old, err := s.devices.Key(tx, ses.Account, id)
		if err != nil {
			return err
		}
		key, err := s.devices.Rename(tx, ses.Account, id, name)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "key.renamed", Account: string(ses.Account), Target: string(id),
			Effects: []audit.Effect{{Kind: "key", ID: string(id), Version: key.Version}},
			Payload: map[string]string{"old": old.Name, "key": key.Name},
		})
		return err
	})
}
