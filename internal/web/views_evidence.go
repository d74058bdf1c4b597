package web

import (
	"strings"

	"keyward/internal/device"
)

// Evidence is what is known about where a passkey lives, as keys of texts.
type Evidence struct {
	Where   string   // "evidence.where." and: phone, device, key, app, google, apple, manager, claimed; "" says the plain words of the grade
	Says    string   // "evidence.by." and: google.strongbox, google.tee, apple, apple.app, maker; "" when nobody vouches
	Model   string   // proved, of a security key
	Faults  []string // "evidence.fault." and one word each: why nobody vouches, or why that is not enough
	Checked int      // level at which its face or finger check was certified; 0: unknown
}

// evidenceOf chooses the words. No rule lives here: the grade is device's.
func evidenceOf(k device.Key) Evidence {
	e := k.Evidence
	v := Evidence{Model: e.Model, Checked: e.Biometric}
	switch {
	case k.Grade == device.Hardware && e.Speaker == device.Google:
		v.Where = "phone"
	case k.Grade == device.Hardware && k.Roaming():
		v.Where = "key"
	case k.Grade == device.Hardware:
		v.Where = "device"
	case k.Grade == device.Synced && strings.HasPrefix(k.Provider, "Google"):
		v.Where = "google"
	case k.Grade == device.Synced && strings.HasPrefix(k.Provider, "Apple"):
		v.Where = "apple"
	case k.Kind == device.Phone:
		v.Where = "app"
	case k.Grade == device.Claimed:
		v.Where = "claimed"
	}
	if k.Grade == device.Synced {
		return v // what keeps it here says nothing about the other places it is in
	}
	switch e.Speaker {
	case device.Google:
		if v.Says = "google.tee"; e.Kept == "strongbox" {
			v.Says = "google.strongbox"
		}
	case device.Apple:
		if v.Says = "apple"; e.App {
			v.Says = "apple.app"
		}
	case device.Maker:
		v.Says = "maker"
	}
	if k.Grade == device.Hardware {
		return v
	}
	v.Says = ""
	for _, f := range e.Faults {
		v.Faults = append(v.Faults, string(f))
	}
	return v
}
