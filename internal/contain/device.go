package contain

import (
	"context"
	"slices"
	"strconv"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// RemoveDevice ends the sessions on a device with what apps hold from it, removes the
// keys enrolled there and ends the API keys that were made from it, in one act. Never the
// last way in. keep are API keys that go on: what stays is named, not what ends, so that
// a key which was made after the owner looked ends too.
func (s *Service) RemoveDevice(ctx context.Context, cause store.Cause, by session.Session, id device.ID, keep ...apikey.ID) (Effect, error) {
	return s.removeDevice(ctx, cause, by, id, removal{keep: keep})
}

// removal is how a device goes.
type removal struct {
	retire bool // its owner has another one: shared passkeys and bots go on
	keep   []apikey.ID
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
	return s.removeDevice(ctx, cause, by, id, removal{retire: true})
}

func (s *Service) removeDevice(ctx context.Context, cause store.Cause, by session.Session, id device.ID, how removal) (Effect, error) {
	if !session.Reaches(by.ACR, session.ACRPhr) {
		return Effect{}, ErrPower
	}
	endedKeys := 0
	e, err := s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		im, err := s.impact(tx, by, id)
		if err != nil {
			return nil, err
		}
		if len(im.Keys) > 0 {
			if err := s.changeable(tx, by.Account); err != nil {
				return nil, err
			}
		}
		proof, err := s.devices.Need(tx, by.By(), device.Act{Kind: device.ActDevicesRemove, Object: string(id)})
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
			if how.retire && k.Grade == device.Synced {
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
		bots, err := s.endMadeFrom(tx, by.Account, id, how)
		if err != nil {
			return nil, err
		}
		endedKeys = len(bots)
		eff = append(eff, bots...)
		if err := s.devices.Forget(tx, by.Account, id); err != nil {
			return nil, err
		}
		eff = append(eff, audit.Effect{Kind: "device", ID: string(id), Version: im.Device.Version + 1})
		p := map[string]string{"device": im.Device.Name, "sessions": strconv.Itoa(ended), "keys": strconv.Itoa(removedKeys), "apikeys": strconv.Itoa(endedKeys)}
		if how.retire {
			p["retired"] = "yes"
		}
		if endedKeys > 0 {
			p["bots"] = "yes"
		}
		_, err = s.log.Append(tx, audit.Event{Action: "device.removed", Account: string(by.Account), Target: string(id), Effects: eff, Payload: p})
		return eff, err
	})
	e.APIKeys = endedKeys
	return e, err
}

// endMadeFrom ends the API keys that were made from a device. Which they are is read in
// the transaction that also takes the device away; a key that is being made meanwhile
// needs the device to be there (apikey.Add), so it is either among them or never is.
func (s *Service) endMadeFrom(tx *store.Tx, acc account.ID, dev device.ID, how removal) (ended []audit.Effect, err error) {
	if how.retire {
		return nil, nil
	}
	made, err := s.botKeys.MadeFrom(tx, acc, dev)
	if err != nil {
		return nil, err
	}
	for _, id := range how.keep {
		if !slices.ContainsFunc(made, func(k apikey.Key) bool { return k.ID == id }) {
			return nil, apikey.ErrUnknown // a slip in a name would end the key that was meant to stay
		}
	}
	for _, k := range made {
		if slices.Contains(how.keep, k.ID) {
			continue
		}
		eff, err := s.botKeys.Revoke(tx, acc, k.ID, "device_removed")
		if err != nil {
			return nil, err
		}
		ended = append(ended, eff...)
	}
	return ended, nil
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
