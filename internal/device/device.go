package device

import (
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// ID names a device: "dev_…".
type ID string

// Device is one browser profile, or one app install, of one account.
type Device struct {
	ID        ID
	Account   account.ID
	Name      string // what the owner calls it
	Platform  string // "Windows", "iPhone"
	Browser   string // "Chrome"
	FirstSeen time.Time
	LastSeen  time.Time
	ProvedAt  time.Time // when a session first began on it by the touch of a key; zero: never
	Version   int64
}

// Known is for how long the account has known the device. Its age counts from the first
// session on it that a key began: who has a recovery code alone could otherwise let a device
// grow old before they use it.
func (d Device) Known(now time.Time) time.Duration {
	if d.ProvedAt.IsZero() {
		return 0
	}
	return now.Sub(d.ProvedAt)
}

// NewCookie makes the value of a fresh __Host-kw_device cookie. It recognises a
// browser and proves nothing: whoever copies it looks like the same browser, so
// nothing is allowed because of it alone.
func NewCookie() string { return keyring.Secret() }

// ValidCookie reports whether a value has the shape of one of ours.
func ValidCookie(v string) bool {
	b, err := decode(v)
	return err == nil && len(b) == 32
}

// Recognise finds the device of this account that has the cookie.
func (s *Service) Recognise(tx *store.Tx, cookie string, acc account.ID) (d Device, known bool, err error) {
	if !ValidCookie(cookie) {
		return Device{}, false, nil
	}
	hash := keyring.Hash(cookie)
	d, err = scanDevice(tx.Row(sqlDeviceByCookie, acc, hash[:]))
	if errors.Is(err, store.ErrNoRows) {
		return Device{}, false, nil
	}
	return d, err == nil, err
}

// firstMeeting is the version of a device that was met once; one that is only expected
// has 0.
const firstMeeting = 1

// Meet notes that an account is on the device with this cookie, and tells
// whether that is new to the account. One browser used by two accounts is two
// devices: neither owner learns of the other. Rows only.
func (s *Service) Meet(tx *store.Tx, acc account.ID, cookie string, ua UserAgent) (d Device, isNew bool, err error) {
	return s.meet(tx, acc, cookie, ua, 0)
}

// MeetBy is Meet by a touch for a sign-in; with the first one the device becomes known.
func (s *Service) MeetBy(tx *store.Tx, p Proof, cookie string, ua UserAgent) (d Device, isNew bool, err error) {
	if !p.For(tx, p.account, Act{Kind: ActSignIn}) {
		return Device{}, false, ErrStepUp
	}
	return s.meet(tx, p.account, cookie, ua, store.Micros(tx.Now))
}

func (s *Service) meet(tx *store.Tx, acc account.ID, cookie string, ua UserAgent, proved int64) (d Device, isNew bool, err error) {
	if !ValidCookie(cookie) {
		return Device{}, false, ErrUnknown.Because(errors.New("not a device cookie of ours"))
	}
	hash := keyring.Hash(cookie)
	id := ID(keyring.NewID("dev_", tx.Now))
	d, err = scanDevice(tx.Row(sqlMeetDevice, id, acc, hash[:], ua.String(), ua.System, ua.Browser, store.Micros(tx.Now), proved))
	return d, d.Version == firstMeeting, err
}

// Device reads one device of an account.
func (s *Service) Device(tx *store.Tx, acc account.ID, id ID) (Device, error) {
	d, err := scanDevice(tx.Row(sqlDevice, id, acc))
	if errors.Is(err, store.ErrNoRows) {
		return Device{}, ErrUnknown
	}
	return d, err
}

// Devices lists the devices of an account, the last seen first.
func (s *Service) Devices(tx *store.Tx, acc account.ID) ([]Device, error) {
	rows, err := tx.Rows(sqlDevices, acc)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Device
	for rows.Next() {
		d, err := scanDevice(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// RenameDevice changes the name of a device. Rows only.
func (s *Service) RenameDevice(tx *store.Tx, acc account.ID, id ID, name string) (Device, error) {
	name, err := cleanName(name)
	if err != nil {
		return Device{}, err
	}
	d, err := scanDevice(tx.Row(sqlRenameDevice, id, acc, name))
	if errors.Is(err, store.ErrNoRows) {
		return Device{}, ErrUnknown
	}
	return d, err
}

// Expect makes the entry of a device that has a key and was never seen: a phone that has
// just enrolled, whose app will come in by a session key of its own. It is as new to the
// account as any other when it does, whoever enrolled it; nothing that an older device
// earned by its age passes to it. Rows only.
func (s *Service) Expect(tx *store.Tx, acc account.ID, cookie string, ua UserAgent) (Device, error) {
	if !ValidCookie(cookie) {
		return Device{}, ErrUnknown.Because(errors.New("not a device cookie of ours"))
	}
	hash := keyring.Hash(cookie)
	if _, err := tx.Exec(sqlExpectDevice, ID(keyring.NewID("dev_", tx.Now)), acc, hash[:], ua.String(), ua.System, ua.Browser, store.Micros(tx.Now)); err != nil {
		return Device{}, err
	}
	return scanDevice(tx.Row(sqlDeviceByCookie, acc, hash[:]))
}

// Seen notes when a device was last used. Last-seen is coalesced in memory and
// flushed through Housekeeping, so it moves no version.
func (s *Service) Seen(tx *store.Tx, id ID, at time.Time) error {
	_, err := tx.Exec(sqlSeenDevice, id, store.Micros(at))
	return err
}

// Erase empties the personal columns of an erased account's devices and keys:
// names, browsers, cookies, handles and the evidence. What remains says that keys
// were there and when, which SP 800-63B-4 §4.1 wants kept. Rows only.
func (s *Service) Erase(tx *store.Tx, acc account.ID) error {
	for _, q := range []string{sqlEraseDevices, sqlEraseProofs} {
		if _, err := tx.Exec(q, acc); err != nil {
			return err
		}
	}
	_, err := tx.Exec(sqlEraseKeys, acc, store.Micros(tx.Now))
	return err
}

func scanDevice(r interface{ Scan(...any) error }) (Device, error) {
	var (
		d                   Device
		first, last, proved int64
	)
	err := r.Scan(&d.ID, &d.Account, &d.Name, &d.Platform, &d.Browser, &first, &last, &d.Version, &proved)
	d.FirstSeen, d.LastSeen, d.ProvedAt = store.Time(first), store.Time(last), store.Time(proved)
	return d, err
}
