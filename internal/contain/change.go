package contain

import (
	"slices"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Changing phones with the old one in hand is a planned act: what moves by itself,
// then enrol, test, retire (docs/new-device.md). Nothing remembers how far somebody is; each
// answer is read from the rows of keys, sessions and devices, so the page may be
// left, reloaded and opened on either phone.

// changeWindow: a key or device that came within the last week may be the new one.
// Older ones are the laptop at home, whose working says nothing of the new phone.
const changeWindow = 7 * 24 * time.Hour

// ErrUntested: nothing new was seen to work yet, so the old device stays.
var ErrUntested = edge.E("new_device_untested")

// Handover is what changing from a device to another one means, and how far it is.
type Handover struct {
	Old      device.Device
	Self     bool         // the device that asks
	Moves    []device.Key // shared by a password manager, so they come along
	Stays    []device.Key // can only be used on the old device: they go with it
	Sessions []session.Session
	Apps     []session.Held
	BotKeys  []apikey.Key // made on it; they live with their bots and go on
	New      []NewKey

	// A new device's own key takes no older one away for a day (device.YoungFor). Until then
	// the old device does it, or whoever holds another key of With.
	Until time.Time // zero: the key that this session was proved with may
	With  []device.Key
}

// NewKey is what may be the passkey of the new device.
type NewKey struct {
	Key    device.Key
	On     device.Device // zero: not known which
	Tested bool          // it signed in, or gave a touch, since it was made there
}

// Tested reports whether something new was seen to work.
func (c Handover) Tested() bool {
	for _, n := range c.New {
		if n.Tested {
			return true
		}
	}
	return false
}

// PlanHandover reads it.
func (s *Service) PlanHandover(tx *store.Tx, by session.Session, old device.ID) (c Handover, err error) {
	im, err := s.PreviewDevice(tx, by, old)
	if err != nil {
		return c, err
	}
	c.Old, c.Self, c.Sessions = im.Device, im.Self, im.Sessions
	for _, k := range im.Keys {
		if k.Grade == device.Synced {
			c.Moves = append(c.Moves, k)
		} else {
			c.Stays = append(c.Stays, k)
		}
	}
	c.Apps, c.BotKeys = im.Apps, im.BotKeys
	o, err := s.devices.Offer(tx, by.Account, by.Proved(), device.Act{Kind: device.ActDevicesRemove, Object: string(old)})
	if err != nil {
		return c, err
	}
	if c.With = slices.Concat(o.Keys, o.Others); !slices.ContainsFunc(c.With, func(k device.Key) bool { return k.ID == by.Key }) {
		c.Until = o.Until
	}
	c.New, err = s.newKeys(tx, by, im.Device)
	return c, err
}

func (s *Service) newKeys(tx *store.Tx, by session.Session, old device.Device) (out []NewKey, err error) {
	keys, err := s.devices.Keys(tx, by.Account)
	if err != nil {
		return nil, err
	}
	devices, err := s.devices.Devices(tx, by.Account)
	if err != nil {
		return nil, err
	}
	live, _, err := s.sessions.List(tx, by.Account)
	if err != nil {
		return nil, err
	}
	lately := tx.Now.Add(-changeWindow)
	byID := map[device.ID]device.Device{}
	for _, d := range devices {
		byID[d.ID] = d
	}
	for _, k := range keys {
		// A key of its own. Making it is no test: that the new phone finds it again is.
		if k.Device != old.ID && k.CreatedAt.After(lately) && k.CreatedAt.After(old.FirstSeen) {
			out = append(out, NewKey{Key: k, On: byID[k.Device], Tested: !k.LastUsed.IsZero()})
			continue
		}
		// A shared one, which signed in on a device that is new. A session that begins
		// with a key that is older than it took a touch of it.
		for _, x := range live {
			d, known := byID[x.Device]
			if k.Grade == device.Synced && x.Key == k.ID && known && d.ID != old.ID && d.FirstSeen.After(lately) && d.FirstSeen.After(old.FirstSeen) && x.CreatedAt.After(k.CreatedAt) {
				out = append(out, NewKey{Key: k, On: d, Tested: true})
				break
			}
		}
	}
	return out, nil
}
