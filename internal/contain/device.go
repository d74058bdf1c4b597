package contain

import (
	"context"
	"strconv"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Impact is what an act would stop, shown before it is done.
type Impact struct {
	Device   device.Device
	Sessions []session.Session
	Keys     []device.Key // passkeys that would be removed
	LastKey  bool         // they are the only way in, so the act is refused
	Self     bool         // the device that asks
}

// PreviewDevice shows what removing a device would stop.
func (s *Service) PreviewDevice(tx *store.Tx, by session.Session, id device.ID) (Impact, error) {
	im, err := s.impact(tx, by, id)
	if err != nil {
		return im, err
	}
	live, _, err := s.sessions.List(tx, by.Account)
	if err != nil {
		return im, err
	}
	for _, x := range live {
		if x.Device == id {
			im.Sessions = append(im.Sessions, x)
		}
	}
	return im, nil
}

// impact is the part that decides: the device and its keys.
func (s *Service) impact(tx *store.Tx, by session.Session, id device.ID) (im Impact, err error) {
	if im.Device, err = s.devices.Device(tx, by.Account, id); err != nil {
		return im, err
	}
	keys, err := s.devices.Keys(tx, by.Account)
	if err != nil {
		return im, err
	}
	for _, k := range keys {
		if k.Device == id {
			im.Keys = append(im.Keys, k)
		}
	}
	im.LastKey = len(im.Keys) > 0 && len(im.Keys) == len(keys)
	im.Self = id == by.Device
	return im, nil
}

// RemoveDevice ends the sessions on a device and removes the passkeys enrolled
// there, in one act. Never the last way in.
func (s *Service) RemoveDevice(ctx context.Context, cause store.Cause, by session.Session, id device.ID) (Effect, error) {
	return s.removeDevice(ctx, cause, by, id, false)
}

// RetireDevice removes a device whose owner has changed to another one: only after
// the new one was seen to work (Handover), and passkeys that are on both stay. That it
// was seen is read before the transaction, as everything about sessions is that an end
// must not wait for; what protects the owner from themselves, the last key, is not.
func (s *Service) RetireDevice(ctx context.Context, cause store.Cause, by session.Session, id device.ID) (Effect, error) {
	if !session.Reaches(by.ACR, session.ACRPhr) {
		return Effect{}, ErrPower
	}
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		h, err := s.PlanHandover(tx, by, id)
		if err == nil && !h.Tested() {
			err = ErrUntested
		}
		return err
	}); err != nil {
		return Effect{}, err
	}
	return s.removeDevice(ctx, cause, by, id, true)
}

func (s *Service) removeDevice(ctx context.Context, cause store.Cause, by session.Session, id device.ID, retire bool) (Effect, error) {
	if !session.Reaches(by.ACR, session.ACRPhr) {
		return Effect{}, ErrPower
	}
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		im, err := s.impact(tx, by, id)
		if err != nil {
			return nil, err
		}
		if len(im.Keys) > 0 {
			if err := s.changeable(tx, by.Account); err != nil {
				return nil, err
			}
		}
		proof, err := s.devices.Need(tx, string(by.ID), by.Account, device.Act{Kind: device.ActDevicesRemove, Object: string(id)})
		if err != nil {
			return nil, err
		}
		eff, err := s.sessions.EndOnDevice(tx, by.Account, id, session.EndedDevice)
		if err != nil {
			return nil, err
		}
		ended, _ := session.Ended(eff)
		removedKeys := 0
		for _, k := range im.Keys {
			if retire && k.Grade == device.Synced {
				kept, err := s.devices.Detach(tx, by.Account, k.ID, id)
				if err != nil {
					return nil, err
				}
				eff = append(eff, audit.Effect{Kind: "key", ID: string(k.ID), Version: kept.Version})
				continue
			}
			removedKeys++
			removed, err := s.devices.RemoveWith(tx, by.Account, k.ID, id, proof)
			if err != nil {
				return nil, err
			}
			more, err := s.sessions.EndByKey(tx, by.Account, k.ID, by.ID)
			if err != nil {
				return nil, err
			}
			eff = append(append(eff, more...), audit.Effect{Kind: "key", ID: string(k.ID), Version: removed.Version})
		}
		if err := s.devices.Forget(tx, by.Account, id); err != nil {
			return nil, err
		}
		eff = append(eff, audit.Effect{Kind: "device", ID: string(id), Version: im.Device.Version + 1})
		p := map[string]string{"device": im.Device.Name, "sessions": strconv.Itoa(ended), "keys": strconv.Itoa(removedKeys)}
		if retire {
			p["retired"] = "yes"
		}
		_, err = s.log.Append(tx, audit.Event{Action: "device.removed", Account: string(by.Account), Target: string(id), Effects: eff, Payload: p})
		return eff, err
	})
}

// NameDevice gives a device the name its owner calls it by. A session opened by a
// recovery code only looks and stops things.
func (s *Service) NameDevice(ctx context.Context, cause store.Cause, by session.Session, id device.ID, name string) error {
	if !session.Reaches(by.ACR, session.ACRPhr) {
		return ErrPower
	}
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		dev, err := s.devices.RenameDevice(tx, by.Account, id, name)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "device.named", Account: string(by.Account), Target: string(id),
			Effects: []audit.Effect{{Kind: "device", ID: string(id), Version: dev.Version}},
			Payload: map[string]string{"device": dev.Name},
		})
		return err
	})
}
