package web

import (
	"strings"
	"time"

	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// facts turn what the domains know into what the views say. No rule lives here:
// only the choice of words' keys.

// agentIn reads the words that events keep, as device.UserAgent wrote them.
func agentIn(words string) Agent {
	browser, system, _ := strings.Cut(words, " on ")
	return Agent{Browser: browser, System: system}
}

func agentOf(u device.UserAgent) Agent { return Agent{Browser: u.Browser, System: u.System} }

func passkeyOf(k device.Key, here device.ID) Passkey {
	p := Passkey{ID: string(k.ID), Name: k.Name, Grade: Grade(k.Grade), Maker: k.Provider, Created: k.CreatedAt, LastUsed: k.LastUsed, Here: k.Device == here, Evidence: evidenceOf(k)}
	switch {
	case k.Grade == device.Synced:
		p.Kind = InManager
	case k.Kind == device.Phone:
		p.Kind = InApp
	case k.Roaming():
		p.Kind = OnSecurityKey
	default:
		p.Kind = OnComputer
	}
	return p
}

func sessionOf(x session.Session, of *visit, makers map[device.KeyID]device.Key) Session {
	v := Session{
		ID: string(x.ID), Here: x.ID == of.ses.ID, Agent: agentOf(x.Agent), Weak: x.ACR == session.ACRFallback, Bound: x.BoundAt,
		SignedIn: x.CreatedAt, LastSeen: x.LastSeen, Addr: x.Addr, Place: of.place(x.Addr),
	}
	switch {
	case x.ACR == session.ACRFallback:
		v.How = ByCode
	case x.Key != "":
		v.How = ByPasskey
		if k, ok := makers[x.Key]; ok && k.Roaming() {
			v.How = BySecurityKey
		}
	}
	return v
}

func kindOf(u device.Device) DeviceKind {
	switch u.Platform {
	case "iPhone", "Android", "iPad":
		return Phone
	case "":
		return SomeDevice
	}
	return Desktop
}

var whys = map[string]EndWhy{
	session.EndedByOwner: EndedByYou, session.EndedSignOut: EndedSignOut, session.EndedNotMe: EndedNotYou,
	session.EndedReplaced: EndedReplaced, session.EndedLapsed: EndedLapsed, session.EndedContested: EndedContested, session.EndedReuse: EndedReuse, session.EndedSnapshot: EndedStale,
	session.EndedFreeze: EndedFreeze, session.EndedAll: EndedByYou, session.EndedDevice: EndedByYou,
	session.EndedKey: EndedKey, session.EndedIdle: EndedIdle, session.EndedAbsolute: EndedAge,
}

func endedOf(x session.Session) Ended {
	e := Ended{Agent: agentOf(x.Agent), At: x.EndedAt, Why: EndedByUs}
	if w, ok := whys[x.EndedWhy]; ok {
		e.Why = w
	}
	if x.ReachMS >= 0 {
		e.Took = time.Duration(x.ReachMS) * time.Millisecond
	}
	return e
}

// holdings is everything that can act for an account, read in one snapshot.
type holdings struct {
	devices []device.Device
	keys    []device.Key
	byKey   map[device.KeyID]device.Key
	live    []session.Session
	ended   []session.Session
}

func (s *Server) holdings(tx *store.Tx, v *visit) (h holdings, err error) {
	if h.devices, err = s.Devices.Devices(tx, v.ses.Account); err != nil {
		return h, err
	}
	if h.keys, err = s.Devices.Keys(tx, v.ses.Account); err != nil {
		return h, err
	}
	h.byKey = map[device.KeyID]device.Key{}
	for _, k := range h.keys {
		h.byKey[k.ID] = k
	}
	h.live, h.ended, err = s.Sessions.List(tx, v.ses.Account)
	return h, err
}

// askAbout: how long a device that was new to the account keeps asking "was this
// you?" until somebody answers.
const askAbout = 14 * 24 * time.Hour

// deviceViews groups sessions under their devices. Devices that hold nothing any
// more are left out.
func (h holdings) deviceViews(v *visit) []Device {
	var out []Device
	for _, d := range h.devices {
		dv := Device{ID: string(d.ID), Agent: Agent{d.Browser, d.Platform}, Kind: kindOf(d), Here: d.ID == v.ses.Device, FirstSeen: d.FirstSeen, LastSeen: d.LastSeen}
		if d.Name != d.Default() {
			dv.Name = d.Name
		}
		for _, k := range h.keys {
			if k.Device == d.ID {
				dv.Passkeys = append(dv.Passkeys, k.Name)
			}
		}
		dv.OnlyPasskey = len(dv.Passkeys) > 0 && len(dv.Passkeys) == len(h.keys)
		unanswered := false
		for _, x := range h.live {
			if x.Device != d.ID {
				continue
			}
			dv.Sessions = append(dv.Sessions, sessionOf(x, v, h.byKey))
			if x.LastSeen.After(dv.LastSeen) {
				dv.LastSeen = x.LastSeen
			}
			if x.Remember && dv.Remembered.IsZero() {
				dv.Remembered = x.AbsExp
			}
			// Asked about: a device first seen after the account began and lately, or
			// one signed in with a code, or one whose token was copied.
			isNew := d.FirstSeen.After(v.acc.CreatedAt) && v.base.Now.Sub(d.FirstSeen) < askAbout
			if x.VouchedAt.IsZero() && (isNew || x.ACR == session.ACRFallback) || x.SuspectAt.After(x.VouchedAt) {
				unanswered = true
			}
		}
		dv.NeedsAnswer = unanswered && !dv.Here
		if len(dv.Sessions)+len(dv.Passkeys) > 0 {
			out = append(out, dv)
		}
	}
	return out
}

func (h holdings) week(v *visit) []WeekDay {
	first := map[device.ID]time.Time{}
	for _, d := range h.devices {
		first[d.ID] = d.FirstSeen
	}
	var marks []Mark
	for _, list := range [][]session.Session{h.live, h.ended} {
		for _, x := range list {
			isNew := x.CreatedAt.Sub(first[x.Device]).Abs() < time.Second && first[x.Device].After(v.acc.CreatedAt)
			marks = append(marks, Mark{At: x.CreatedAt, On: agentOf(x.Agent), New: isNew})
		}
	}
	return Week(v.base.Now, v.base.Zone, marks)
}
