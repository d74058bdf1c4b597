package main

import (
	"math/big"

	"keyward/internal/config"
	"keyward/internal/confirm"
	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/place"
	"keyward/internal/session"
	"keyward/internal/web"
)

// pageSettings translates the configuration into what the pages say.
func pageSettings(cfg config.Config, demo bool) web.Settings {
	s := web.Settings{
		PublicURL: cfg.PublicURL, Product: cfg.BrandName, Demo: demo, DeviceKeys: cfg.Sessions.DBSC == "true", SecurityContact: cfg.SecurityContact, SecurityPolicy: cfg.SecurityPolicy,
		Origins: cfg.RP.Origins, IOS: cfg.Apps.IOS,
		Lifetimes: session.Lifetimes{Access: cfg.Sessions.Access, Idle: cfg.Sessions.Idle, Absolute: cfg.Sessions.Absolute, Remember: cfg.Sessions.Remember},
	}
	for _, d := range cfg.RP.OfficialDomains {
		s.Official = append(s.Official, web.OfficialHost{Host: d})
	}
	for _, a := range cfg.Apps.Android {
		if certs, err := a.Digests(); err == nil { // checked when the file was read
			s.Android = append(s.Android, web.AndroidApp{Package: a.Package, Certs: certs})
		}
	}
	if cfg.Mail.From != "" {
		s.MailFrom = []string{cfg.Mail.From}
	}
	return s
}

// confirmSettings reads amounts that config has checked; what it lets through and is none is no limit.
func confirmSettings(c config.Confirm) confirm.Settings {
	s := confirm.Settings{AddressHold: c.AddressHold, Limits: map[string]confirm.Limit{}}
	amount := func(text string) *big.Rat {
		if r, ok := new(big.Rat).SetString(text); ok {
			return r
		}
		return nil
	}
	for _, l := range c.Limits {
		s.Limits[l.Asset] = confirm.Limit{Small: amount(l.Small), SecondDeviceAbove: amount(l.SecondDeviceAbove)}
	}
	return s
}

// least is what is demanded of keys beyond any passkey; config has checked the names.
func least(c config.StepUp) device.Least {
	grade := func(acr string) device.Grade {
		if acr == session.ACRPhrh {
			return device.Hardware
		}
		return device.Synced // any passkey reaches phr
	}
	l := device.Least{Acts: map[string]device.Grade{}, Scopes: map[string]device.Grade{}}
	for _, a := range c.Acts {
		l.Acts[a.Act] = grade(a.ACR)
	}
	for _, s := range c.Scopes {
		l.Scopes[s.Scope] = grade(s.ACR)
	}
	return l
}

// scopeRules is the same for apps, with the age of a verification.
func scopeRules(c config.StepUp) map[string]oauth.Rule {
	rules := map[string]oauth.Rule{}
	for _, s := range c.Scopes {
		rules[s.Scope] = oauth.Rule{ACR: s.ACR, MaxAge: s.MaxAge}
	}
	return rules
}

// openPlaces opens the place file, none when the path is empty. Starting without
// one that is configured would say "unknown" for ever, and nobody would know why.
func openPlaces(path string) (*place.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := place.Open(path)
	if err != nil {
		return nil, config.Faults{{Key: "place_file", What: err.Error(), Why: "pages and mails would not say where somebody was",
			Fix: "put a City or Country database (.mmdb) there, readable by the user Keyward runs as, or remove place_file"}}
	}
	return f, nil
}
