package config

import (
	"net/url"
	"strconv"
	"time"
)

// Complete is the way from what somebody wrote to what the program runs with:
// defaults, then rules. A Config made in code (the demo, tests) goes through
// it as well as one from a file. The error is Faults.
func (c Config) Complete() (Config, error) {
	c = c.withDefaults()
	return c, c.check().orNil()
}

// withDefaults is the only place where an absent value gets one. The public
// URL has none: passkeys are bound to its domain for good, and a guess could
// not be taken back.
func (c Config) withDefaults() Config {
	u, _ := url.Parse(c.PublicURL)
	if u == nil {
		u = new(url.URL)
	}
	or(&c.BrandName, c.RP.Name)
	or(&c.BrandName, "Keyward")
	or(&c.RP.Name, c.BrandName)
	or(&c.RP.ID, u.Hostname())
	if len(c.RP.Origins) == 0 && u.Host != "" {
		c.RP.Origins = []string{u.Scheme + "://" + u.Host}
	}

	or(&c.Listen.Public, "127.0.0.1:7480")
	or(&c.Listen.Ops, "127.0.0.1:7489")

	or(&c.Database.URL, "sqlite:/var/lib/keyward/keyward.db")
	or(&c.Database.MaxConns, 16)
	c.kekDefaults()
	or(&c.AnchorFile, "/var/lib/keyward/keyward.anchor")

	or(&c.Sessions.Access, 5*time.Minute)
	or(&c.Sessions.Idle, time.Hour)
	or(&c.Sessions.Absolute, 24*time.Hour)
	or(&c.Sessions.Remember, 30*24*time.Hour)
	or(&c.Sessions.DBSC, strconv.FormatBool(u.Scheme == "https"))

	if c.Mail.Host != "" {
		or(&c.Mail.TLS, "required")
		or(&c.Mail.Port, map[string]int{"required": 587, "implicit": 465, "none": 25}[c.Mail.TLS])
	}

	or(&c.Attestation.Ask, "direct")
	or(&c.Apps.AppAttest, "production")
	or(&c.Apps.AppAttestEarns, "claimed")
	or(&c.Confirm.AddressHold, 24*time.Hour)
	or(&c.Gate.Streams.Total, 10_000)
	or(&c.Gate.Streams.PerKey, 100)
	or(&c.Languages.Default, "en")
	or(&c.Limits.RateFactor, 1)
	or(&c.Limits.BodyBytes, 64<<10)
	or(&c.Limits.RequestTimeout, 10*time.Second)
	or(&c.Log.Level, "info")
	or(&c.Log.Format, "text")
	return c
}

func or[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}
