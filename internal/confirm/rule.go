package confirm

import (
	"errors"
	"math/big"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// By is who answers.
type By struct {
	Session session.Session
	Proved  bool // the request itself was proved by the session's own key
}

// rule says why an approval with a key of this grade is enough, or what would be. An empty grade asks whether any key
// at all could be, before anybody is asked to touch one.
func (s *Service) rule(tx *store.Tx, i Intent, by By, grade device.Grade) (string, error) {
	second, err := s.second(tx, i, by)
	if err != nil {
		return "", err
	}
	switch {
	case second:
		return RuleSecondDevice, nil
	case s.above(i):
		return "", s.notEnough(tx, i, by, false)
	case grade == device.Hardware:
		return RuleHardware, nil
	case s.small(i) && !tx.Now.Before(i.To.HoldUntil):
		return RuleSmall, nil
	case grade == "":
		own, err := s.hasHardware(tx, by)
		if err != nil || own {
			return RuleHardware, err
		}
	}
	return "", s.notEnough(tx, i, by, true)
}

// second: another device than the one it was asked from, known for a day, on a session that is bound to a key and has
// just shown it. When nobody said where it was asked from, no device is another one.
func (s *Service) second(tx *store.Tx, i Intent, by By) (bool, error) {
	if i.Device == "" || i.Device == by.Session.Device || i.Session == by.Session.ID || by.Session.JKT == "" || !by.Proved {
		return false, nil
	}
	d, err := s.Devices.Device(tx, account.ID(i.Account), by.Session.Device)
	if errors.Is(err, device.ErrUnknown) {
		return false, nil
	}
	return err == nil && d.Known(tx.Now) >= secondDeviceAge, err
}

func (s *Service) hasHardware(tx *store.Tx, by By) (bool, error) {
	o, err := s.offer(tx, by)
	for _, k := range o.Keys {
		if k.Grade == device.Hardware {
			return true, nil
		}
	}
	return false, err
}

// notEnough names the quickest way, and the others after it.
func (s *Service) notEnough(tx *store.Tx, i Intent, by By, hardwareHelps bool) error {
	var needs []string
	e := ErrNotEnough
	if hardwareHelps {
		own, err := s.hasHardware(tx, by)
		if err != nil {
			return err
		}
		if own {
			needs = append(needs, NeedHardware)
		}
	}
	if i.Device != "" {
		devices, err := s.Devices.Devices(tx, account.ID(i.Account))
		if err != nil {
			return err
		}
		need := NeedAddDevice
		for _, d := range devices {
			if d.ID != i.Device && d.Known(tx.Now) >= secondDeviceAge {
				need = NeedSecondDevice
			}
		}
		needs = append(needs, need)
	}
	if hardwareHelps && s.small(i) {
		needs = append(needs, NeedWait)
		e = e.With("until", i.To.HoldUntil.UTC().Format(time.RFC3339))
	}
	if hardwareHelps && (len(needs) == 0 || needs[0] != NeedHardware) {
		needs = append(needs, NeedAddHardware)
	}
	return e.With("needs", needs)
}

// small and above compare with the operator's limits of the asset; where there are none, nothing is small and nothing
// is above. An amount that cannot be read is above everything.
func (s *Service) small(i Intent) bool {
	limit := s.set.Limits[i.Asset].Small
	amount, ok := new(big.Rat).SetString(i.Amount)
	return ok && limit != nil && amount.Cmp(limit) <= 0
}

func (s *Service) above(i Intent) bool {
	limit := s.set.Limits[i.Asset].SecondDeviceAbove
	amount, ok := new(big.Rat).SetString(i.Amount)
	return limit != nil && (!ok || amount.Cmp(limit) > 0)
}
