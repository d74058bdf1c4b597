package web

import (
	"slices"
	"strings"
)

// What pages make of their facts: order, groups and counts. No rule of the product stands here.

// label is what its owner calls a device.
func (d Device) label(code string) string {
	if d.Name != "" {
		return d.Name
	}
	return d.Agent.In(code)
}

// Latest is the newest live session, nil when there is none.
func (d Device) Latest() *Session {
	if len(d.Sessions) == 0 {
		return nil
	}
	return &d.Sessions[0]
}

// Ordered puts what needs an answer first, then this device, then the last seen.
func (v *Devices) Ordered() []Device {
	rank := func(d Device) int {
		switch {
		case d.NeedsAnswer:
			return 0
		case d.Here:
			return 1
		}
		return 2
	}
	list := slices.Clone(v.List)
	slices.SortStableFunc(list, func(a, b Device) int {
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		return b.LastSeen.Compare(a.LastSeen)
	})
	return list
}

// Others counts the sessions that "sign out all others" ends.
func (v *Devices) Others() (n int) {
	for _, d := range v.List {
		for _, s := range d.Sessions {
			if !s.Here {
				n++
			}
		}
	}
	return n
}

// HasNew says whether a device was seen for the first time that day.
func (d WeekDay) HasNew() bool {
	return slices.ContainsFunc(d.Marks, func(m Mark) bool { return m.New })
}

// ByHand says whether a person ended it, rather than time.
func (e Ended) ByHand() bool {
	return e.Why == EndedSignOut || e.Why == EndedByYou || e.Why == EndedNotYou || e.Why == EndedFreeze
}

// Of lists the security keys, or the passkeys that are none.
func (v *Passkeys) Of(sticks bool) (keys []Passkey) {
	for _, k := range v.Keys {
		if (k.Kind == OnSecurityKey) == sticks {
			keys = append(keys, k)
		}
	}
	return keys
}

// Blocked says that the act would take the last way in, which the domain refuses. The page says so before anybody tries.
func (v *Impact) Blocked() bool {
	return v.Of != OfSession && len(v.Passkeys) > 0 && v.KeysLeft == 0 && len(v.Added) == 0
}

// Action is where the form posts to.
func (v *Impact) Action() string {
	switch v.Of {
	case OfSession:
		return "/sessions/" + v.ID + "/end"
	case OfDevice:
		return "/devices/" + v.ID + "/remove"
	}
	return "/passkeys/" + v.ID + "/remove"
}

// Back is where "Keep it" leads.
func (v *Impact) Back() string {
	if v.Of == OfPasskey {
		return "/passkeys"
	}
	return "/devices"
}

// Parts cuts the text at addresses of this host, which become links; all other text, and all other addresses, stay text.
func (v *MailMessage) Parts() []Span {
	var parts []Span
	rest := v.Text
	for v.Origin != "" {
		at := strings.Index(rest, v.Origin+"/")
		if at < 0 {
			break
		}
		end := strings.IndexAny(rest[at:], " \r\n\t<>\"")
		if end < 0 {
			end = len(rest) - at
		}
		parts = append(parts, Span{Text: rest[:at]}, Span{Text: rest[at : at+end], Mark: Strong})
		rest = rest[at+end:]
	}
	return append(parts, Span{Text: rest})
}
