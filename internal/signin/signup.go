package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// ticket carries a sign-up from its first step to its last, sealed: the server
// stores nothing for people who only typed an address.
type ticket struct {
	Mail   string `json:"m"`
	Lang   string `json:"l"`
	Handle []byte `json:"h"` // WebAuthn user handle of the account to be
	Exp    int64  `json:"e"` // unix seconds
}

// BeginSignUp returns the creation options and a sealed ticket for FinishSignUp.
// Whether the address is taken changes nothing here: the answer, its length and
// its statements are the same, and the owner of a taken address is told by mail
// (ASVS 6.3.8).
func (s *Service) BeginSignUp(ctx context.Context, mail, lang string) (options []byte, sealed string, err error) {
	if !s.selfSignUp {
		return nil, "", ErrClosed
	}
	mail, err = account.NormalizeMail(mail)
	if err != nil {
		return nil, "", err
	}
	t := ticket{Mail: mail, Lang: lang, Handle: keyring.Random(account.HandleLen), Exp: s.db.Now().Add(ticketLife).Unix()}
	plain, err := json.Marshal(t)
	if err != nil {
		return nil, "", err
	}
	box, err := s.ring.SealBrief(plain, "signin", "ticket", "sign-up")
	if err != nil {
		return nil, "", err
	}
	sealed = base64.RawURLEncoding.EncodeToString(box)
	options, err = s.devices.BeginRegister(device.RegisterFor{Handle: t.Handle, UserName: mail, DisplayName: mail}, bindTicket(sealed))
	return options, sealed, err
}

// bindTicket ties the challenge to one ticket, so that an attestation made for
// one sign-up cannot finish another.
func bindTicket(sealed string) string {
	h := keyring.Hash(sealed)
	return "ticket:" + base64.RawURLEncoding.EncodeToString(h[:])
}

func (s *Service) openTicket(sealed string) (ticket, error) {
	var t ticket
	box, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(sealed) > 4096 {
		return t, ErrExpired
	}
	plain, err := s.ring.Open(box, "signin", "ticket", "sign-up")
	if err != nil {
		return t, ErrExpired.Because(err)
	}
	if err := json.Unmarshal(plain, &t); err != nil {
		return t, ErrExpired.Because(err)
	}
	if !s.db.Now().Before(time.Unix(t.Exp, 0)) {
		return t, ErrExpired
	}
	return t, nil
}

// FinishSignUp makes the account, its first passkey, its device and its first
// session in one transaction with one event. Nothing is half written.
func (s *Service) FinishSignUp(ctx context.Context, cause store.Cause, sealed string, response []byte, f From) (Entered, error) {
	if !s.selfSignUp {
		return Entered{}, ErrClosed
	}
	t, err := s.openTicket(sealed)
	if err != nil {
		return Entered{}, err
	}
	att, err := s.devices.ParseRegister(ctx, device.RegisterFor{Handle: t.Handle, App: f.Kind == session.API, JKT: f.JKT}, bindTicket(sealed), response)
	if err != nil {
		return Entered{}, err
	}
	f, fresh := f.withCookie()
	var in Entered
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		acc, err := s.accounts.Create(tx, account.NewAccount{Mail: t.Mail, Lang: t.Lang, Handle: t.Handle})
		if err != nil {
			return err
		}
		dev, _, err := s.devices.Meet(tx, acc.ID, f.Cookie, f.Agent)
		if err != nil {
			return err
		}
		key, proof, err := s.devices.Found(tx, acc.ID, att, dev.ID, "")
		if err != nil {
			return err
		}
		var effects []audit.Effect
		if in, effects, err = s.enter(tx, acc.ID, f, &proof); err != nil {
			return err
		}
		effects = append(effects,
			audit.Effect{Kind: "account", ID: string(acc.ID), Version: acc.Version},
			audit.Effect{Kind: "key", ID: string(key.ID), Version: 1},
			audit.Effect{Kind: "device", ID: string(dev.ID), Version: in.Device.Version})
		tx.Cause.Actor = "account:" + string(acc.ID)
		p := seen(f, "passkey", false)
		p["mail"], p["key"] = t.Mail, key.Name
		_, err = s.log.Append(tx, audit.Event{Action: "account.created", Account: string(acc.ID), Target: string(acc.ID), Effects: effects, Payload: p})
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	in.DeviceCookie = fresh
	return in, nil
}
