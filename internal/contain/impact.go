package contain

import (
	"slices"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Impact is what an act would stop, shown before it is done.
type Impact struct {
	Device   device.Device
	Sessions []session.Session
	Apps     []session.Held // what apps were given from it; their refresh tokens end with it
	Keys     []device.Key   // that would be removed: passkeys, and the touch key of a phone
	Added    []device.Key   // were added from it and live elsewhere, or nobody knows where; they go unless they are kept
	Shared   []device.Key   // passkeys of a password manager that signed in on it and were made elsewhere: they stay
	BotKeys  []apikey.Key   // made from it; they end unless they are kept
	LastKey  bool           // Keys are the only way in, so the act is refused
	LastKept bool           // Keys and Added are: one of Added has to be kept
	Self     bool           // the device that asks
}

// PreviewDevice shows what removing a device would stop, and what it would not.
func (s *Service) PreviewDevice(tx *store.Tx, by session.Session, id device.ID) (Impact, error) {
	im, err := s.impact(tx, by, id)
	if err != nil {
		return im, err
	}
	live, ended, err := s.sessions.List(tx, by.Account)
	if err != nil {
		return im, err
	}
	for _, x := range live {
		if x.Device == id {
			im.Sessions = append(im.Sessions, x)
		}
	}
	if im.Shared, err = s.sharedWith(tx, by.Account, id, slices.Concat(live, ended)); err != nil {
		return im, err
	}
	grants, err := s.sessions.Grants(tx, by.Account)
	if err != nil {
		return im, err
	}
	for _, g := range grants {
		if g.Device == id {
			im.Apps = append(im.Apps, g)
		}
	}
	im.BotKeys, err = s.botKeys.MadeFrom(tx, by.Account, id)
	return im, err
}

// sharedWith are the passkeys that a password manager brought to a device: it signed in
// with them, and they were added elsewhere (what was added from it stands in Added).
// Removing the device does not take them out of the manager: whoever opens it there may
// still have them, and only replacing them helps. What is no longer in the list of
// sessions (30 days after its end) is not seen.
func (s *Service) sharedWith(tx *store.Tx, acc account.ID, id device.ID, sessions []session.Session) (out []device.Key, err error) {
	keys, err := s.devices.Keys(tx, acc)
	for _, k := range keys {
		if k.Grade == device.Synced && k.Device != id && k.AddedOn != id && slices.ContainsFunc(sessions, func(x session.Session) bool { return x.Device == id && x.Key == k.ID }) {
			out = append(out, k)
		}
	}
	return out, err
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
		switch id {
		case k.Device:
			im.Keys = append(im.Keys, k)
		case k.AddedOn:
			im.Added = append(im.Added, k)
		}
	}
	im.LastKey = len(im.Keys) > 0 && len(im.Keys) == len(keys)
	im.LastKept = len(im.Added) > 0 && len(im.Keys)+len(im.Added) == len(keys)
	im.Self = id == by.Device
	return im, nil
}
