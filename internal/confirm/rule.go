package confirm

import (
	"errors"
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
	if err != nil || second {
		return RuleSecondDevice, err
	}
	size, err := s.size(tx, i)
	if err != nil {
		return "", err
	}
	switch {
	case size.above:
		return "", s.notEnough(tx, i, by, size)
	case grade == device.Hardware:
		return RuleHardware, nil
	case size.small && !tx.Now.Before(size.from):
		return RuleSmall, nil
	case grade == "":
		own, err := s.hasHardware(tx, by)
		if err != nil || own {
			return RuleHardware, err
		}
	}
	return "", s.notEnough(tx, i, by, size)
}

// second: another device than the one it was asked from, both known for a day, on a session that is bound to a key and
// has just shown it. When nobody said where it was asked from, no device is another one.
func (s *Service) second(tx *store.Tx, i Intent, by By) (bool, error) {
	if i.Device == "" || i.Device == by.Session.Device || i.Session == by.Session.ID || by.Session.JKT == "" || !by.Proved {
		return false, nil
	}
	acc := account.ID(i.Account)
	asked, err := s.known(tx, acc, i.Device)
	if err != nil || !asked {
		return false, err
	}
	return s.known(tx, acc, by.Session.Device)
}

// known: there still, and grown.
func (s *Service) known(tx *store.Tx, acc account.ID, id device.ID) (bool, error) {
	d, err := s.Devices.Device(tx, acc, id)
	if errors.Is(err, device.ErrUnknown) {
		return false, nil
	}
	return err == nil && grown(d, tx.Now), err
}

// grown: a session that a key began has been on it, for a day.
func grown(d device.Device, now time.Time) bool {
	return d.Version > 0 && d.Known(now) >= secondDeviceAge
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
func (s *Service) notEnough(tx *store.Tx, i Intent, by By, size size) error {
	var needs []string
	e := ErrNotEnough
	if !size.above {
		own, err := s.hasHardware(tx, by)
		if err != nil {
			return err
		}
		if own {
			needs = append(needs, NeedHardware)
		}
	}
	if i.Device != "" {
		need, err := s.needDevice(tx, account.ID(i.Account), i.Device)
		if err != nil {
			return err
		}
		needs = append(needs, need)
	}
	if !size.above && size.small {
		needs = append(needs, NeedWait)
		e = e.With("until", size.from.UTC().Format(time.RFC3339))
	}
	if !size.above && (len(needs) == 0 || needs[0] != NeedHardware) {
		needs = append(needs, NeedAddHardware)
	}
	if len(needs) == 0 {
		needs = append(needs, NeedKnownDevice) // nobody said where it was asked from
	}
	return e.With("needs", needs)
}

// needDevice is what a second device would take.
func (s *Service) needDevice(tx *store.Tx, acc account.ID, from device.ID) (string, error) {
	asked, err := s.known(tx, acc, from)
	if err != nil {
		return "", err
	}
	devices, err := s.Devices.Devices(tx, acc)
	others := 0
	for _, d := range devices {
		if d.ID != from && grown(d, tx.Now) {
			others++
		}
	}
	switch {
	case asked && others > 0:
		return NeedSecondDevice, err
	case others > 1:
		return NeedKnownDevice, err
	}
	return NeedAddDevice, err
}
