package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// good is a production deployment behind a proxy; each row below spoils one thing.
func good() Config {
	return Config{
		PublicURL: "https://id.example.com", BehindProxy: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.3.0/24")},
		RP:             RP{ID: "example.com", Origins: []string{"https://id.example.com", androidOrigin + "NLsmkXlA3gDCv_s5aJp1nhWdYFzUFnyDKhrEqtIDKNI"}},
		Mail:           Mail{Host: "smtp.example.com", From: "Example <security@example.com>"},
		Backends:       []Backend{{ID: "web", SecretSHA256: strings.Repeat("ab", 32), May: []string{MayIntrospect}}},
	}
}

func TestAGoodDeploymentPasses(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Config)
	}{
		{"behind a proxy", func(c *Config) {}},
		{"with its own certificate, facing the world", func(c *Config) {
			c.BehindProxy, c.TrustedProxies = false, nil
			c.TLS, c.Listen.Public = TLS{"a.pem", "a.key"}, ":443"
		}},
		{"trying things out on localhost", func(c *Config) {
			*c = Config{PublicURL: "http://id.localhost:7480", SelfSignUp: true}
		}},
		{"several processes on PostgreSQL", func(c *Config) { c.Database.URL = "postgres://kw@db.internal/keyward" }},
		{"two free ports chosen by the system", func(c *Config) { c.Listen = Listen{Public: "127.0.0.1:0", Ops: "127.0.0.1:0"} }},
		{"a pod whose metrics are guarded by a network policy", func(c *Config) { c.Listen.Ops, c.Listen.OpsExposed = ":7489", true }},
		{"better keys for some acts and scopes", func(c *Config) {
			c.StepUp = StepUp{[]StepUpAct{{"botkeys", "phrh"}, {"freeze.lift", "phr"}}, []StepUpScope{{"trade", "phrh", time.Hour}, {"transfer", "phrh", 0}, {"keys", "", time.Minute}}}
		}},
		{"an IPv6 proxy network", func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("fd00::/8")} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good()
			tc.edit(&c)
			if _, err := c.Complete(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnsafeOrContradictoryValuesAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Config)
		key  string // of the one fault expected
	}{
		{"plain http for the world", func(c *Config) { c.PublicURL = "http://id.example.com" }, "public_url"},
		{"an issuer with a path", func(c *Config) { c.PublicURL += "/auth" }, "public_url"},
		{"an issuer with a slash at the end", func(c *Config) { c.PublicURL += "/" }, "public_url"},
		{"an issuer in capitals", func(c *Config) { c.PublicURL = "https://ID.example.com" }, "public_url"},
		{"an issuer that is an address", func(c *Config) { c.PublicURL = "https://192.0.2.1" }, "public_url"},
		{"an issuer with a password", func(c *Config) { c.PublicURL = "https://a:b@id.example.com" }, "public_url"},
		{"https that nobody ends", func(c *Config) { c.BehindProxy, c.TrustedProxies = false, nil }, "public_url"},
		{"a bare mail address for finders of holes", func(c *Config) { c.SecurityContact = "security@example.com" }, "security_contact"},
		{"reports of holes over http", func(c *Config) { c.SecurityContact = "http://example.com/report" }, "security_contact"},
		{"a policy over http", func(c *Config) { c.SecurityPolicy = "http://example.com/security" }, "security_policy"},
		{"a policy with a line of its own", func(c *Config) { c.SecurityPolicy = "https://example.com/\nContact: mailto:b@evil.example" }, "security_policy"},
		{"a policy and nobody to write to", func(c *Config) { c.SecurityPolicy, c.SecurityContact = "https://example.com/security", "" }, "security_policy"},
		{"two contacts in one", func(c *Config) { c.SecurityContact = "mailto:a@example.com\nContact: mailto:b@evil.example" }, "security_contact"},
		{"an RP ID of somebody else", func(c *Config) { c.RP.ID = "other.example" }, "rp.id"},
		{"an RP ID that only looks like a parent", func(c *Config) { c.RP.ID = "xample.com" }, "rp.id"},
		{"an RP ID that is a whole top-level domain", func(c *Config) { c.RP.ID = "com" }, "rp.id"},
		{"an RP ID with a port", func(c *Config) { c.RP.ID = "example.com:443" }, "rp.id"},
		{"an origin that only ends like ours", func(c *Config) { c.RP.Origins = append(c.RP.Origins, "https://evil-example.com") }, "rp.origins[2]"},
		{"an origin with a slash at the end", func(c *Config) { c.RP.Origins = append(c.RP.Origins, "https://www.example.com/") }, "rp.origins[2]"},
		{"an origin with the default port", func(c *Config) { c.RP.Origins = append(c.RP.Origins, "https://www.example.com:443") }, "rp.origins[2]"},
		{"an origin with a wildcard", func(c *Config) { c.RP.Origins = append(c.RP.Origins, "https://*") }, "rp.origins[2]"},
		{"an origin over http", func(c *Config) { c.RP.Origins = append(c.RP.Origins, "http://www.example.com") }, "rp.origins[2]"},
		{"an Android hash in hexadecimal", func(c *Config) { c.RP.Origins[1] = androidOrigin + strings.Repeat("AB", 32) }, "rp.origins[1]"},
		{"origins without our own", func(c *Config) { c.RP.Origins = []string{"https://www.example.com"} }, "rp.origins"},
		{"an official domain with a scheme", func(c *Config) { c.RP.OfficialDomains = []string{"https://example.com"} }, "rp.official_domains[0]"},
		{"half a certificate", func(c *Config) {
			c.BehindProxy, c.TrustedProxies, c.TLS.CertFile = false, nil, "a.pem"
		}, "tls"},
		{"a certificate as well as a proxy", func(c *Config) { c.TLS = TLS{"a.pem", "a.key"} }, "behind_proxy"},
		{"a proxy that nobody named", func(c *Config) { c.TrustedProxies = nil }, "trusted_proxies"},
		{"trusted proxies without a proxy", func(c *Config) {
			c.BehindProxy, c.TLS = false, TLS{"a.pem", "a.key"}
		}, "trusted_proxies"},
		{"trusting the whole Internet", func(c *Config) { c.TrustedProxies[0] = netip.MustParsePrefix("0.0.0.0/0") }, "trusted_proxies[0]"},
		{"trusting all of IPv6", func(c *Config) { c.TrustedProxies[0] = netip.MustParsePrefix("::/0") }, "trusted_proxies[0]"},
		{"plain http on all addresses", func(c *Config) {
			*c = Config{PublicURL: "http://localhost:7480", Listen: Listen{Public: ":7480"}}
		}, "listen.public"},
		{"a listener without port", func(c *Config) { c.Listen.Public = "127.0.0.1" }, "listen.public"},
		{"metrics open to the network", func(c *Config) { c.Listen.Ops = "0.0.0.0:7489" }, "listen.ops"},
		{"an operators' door without its name", func(c *Config) { c.Operators = Operators{Listen: "127.0.0.1:7485"} }, "operators"},
		{"operators on the accounts' host", func(c *Config) {
			c.Operators = Operators{Listen: "127.0.0.1:7485", Origin: strings.TrimSuffix(c.PublicURL, "/") + ":8443"}
		}, "operators.origin"},
		{"operators on the metrics' door", func(c *Config) { c.Operators = Operators{"127.0.0.1:7489", "https://ops.example.com"} }, "operators.listen"},
		{"operators on an address", func(c *Config) { c.Operators = Operators{"127.0.0.1:7485", "https://192.0.2.7"} }, "operators.origin"},
		{"operators without TLS", func(c *Config) { c.Operators = Operators{"127.0.0.1:7485", "http://ops.example.com"} }, "operators.origin"},
		{"metrics on the public listener", func(c *Config) { c.Listen.Ops = "127.0.0.1:7480" }, "listen.ops"},
		{"a database of another kind", func(c *Config) { c.Database.URL = "mysql://db/keyward" }, "database.url"},
		{"a database in memory", func(c *Config) { c.Database.URL = "sqlite::memory:" }, "database.url"},
		{"PostgreSQL without a database", func(c *Config) { c.Database.URL = "postgres://db.internal" }, "database.url"},
		{"one connection", func(c *Config) { c.Database.MaxConns = 1 }, "database.max_conns"},
		{"access for two hours", func(c *Config) { c.Sessions.Access, c.Sessions.Idle = 2*time.Hour, 3*time.Hour }, "sessions.access"},
		{"access for half a minute", func(c *Config) { c.Sessions.Access = 30 * time.Second }, "sessions.access"},
		{"idle shorter than one access token", func(c *Config) { c.Sessions.Access, c.Sessions.Idle = 30*time.Minute, 10*time.Minute }, "sessions.idle"},
		{"a session of a year", func(c *Config) { c.Sessions.Absolute, c.Sessions.Remember = 365*24*time.Hour, 90*24*time.Hour }, "sessions.absolute"},
		{"device keys by half", func(c *Config) { c.Sessions.DBSC = "yes" }, "sessions.dbsc"},
		{"remembered for a year", func(c *Config) { c.Sessions.Remember = 365 * 24 * time.Hour }, "sessions.remember"},
		{"mail without a host", func(c *Config) { c.Mail.Host = "" }, "mail.host"},
		{"sign-up without mail", func(c *Config) { c.Mail, c.SelfSignUp = Mail{}, true }, "self_sign_up"},
		{"mail from nobody", func(c *Config) { c.Mail.From = "" }, "mail.from"},
		{"mail in the clear over the network", func(c *Config) { c.Mail.TLS = "none" }, "mail.tls"},
		{"a user of the relay without a password", func(c *Config) { c.Mail.Username = "kw" }, "mail.username"},
		{"a back end with a plain secret", func(c *Config) { c.Backends[0].SecretSHA256 = "hunter2" }, "backends[0].secret_sha256"},
		{"a back end with the hash of nothing", func(c *Config) { c.Backends[0].SecretSHA256 = emptySecret }, "backends[0].secret_sha256"},
		{"two back ends of one name", func(c *Config) { c.Backends = append(c.Backends, c.Backends[0]) }, "backends[1].id"},
		{"a back end without powers", func(c *Config) { c.Backends[0].May = nil }, "backends[0].may"},
		{"a touch for an act that there is not", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"botkey.unlock", "phrh"}} }, "step_up.acts[0].act"},
		{"half the name of a group", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"botkey", "phrh"}} }, "step_up.acts[0].act"},
		{"a better key to stop things with", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"sessions.end_all", "phrh"}} }, "step_up.acts[0].act"},
		{"a better key for withdrawals, in another place", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"confirm", "phrh"}} }, "step_up.acts[0].act"},
		{"an act twice", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"codes.new", "phr"}, {"codes.new", "phrh"}} }, "step_up.acts[1].act"},
		{"an act for a sign-in that is less than a passkey", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"codes.new", "urn:keyward:fallback"}} }, "step_up.acts[0].acr"},
		{"an act and nothing said of it", func(c *Config) { c.StepUp.Acts = []StepUpAct{{"codes.new", ""}} }, "step_up.acts[0].acr"},
		{"a scope that there is not", func(c *Config) { c.StepUp.Scopes = []StepUpScope{{"trading", "phrh", 0}} }, "step_up.scopes[0].scope"},
		{"a scope and nothing said of it", func(c *Config) { c.StepUp.Scopes = []StepUpScope{{"trade", "", 0}} }, "step_up.scopes[0].acr"},
		{"a scope that would take less than by itself", func(c *Config) { c.StepUp.Scopes = []StepUpScope{{"trade", "", 24 * time.Hour}} }, "step_up.scopes[0].max_age"},
		{"a verification of a second", func(c *Config) { c.StepUp.Scopes = []StepUpScope{{"read", "", time.Second}} }, "step_up.scopes[0].max_age"},
		{"an age for a right of API keys", func(c *Config) { c.StepUp.Scopes = []StepUpScope{{"withdraw", "phrh", time.Hour}} }, "step_up.scopes[0].max_age"},
		{"a wait for addresses of an hour", func(c *Config) { c.Confirm.AddressHold = time.Hour }, "confirm.address_hold"},
		{"a limit for no asset", func(c *Config) { c.Confirm.Limits = []ConfirmLimit{{Small: "1"}} }, "confirm.limits[0].asset"},
		{"two limits for one asset", func(c *Config) { c.Confirm.Limits = []ConfirmLimit{{Asset: "BTC"}, {Asset: "BTC"}} }, "confirm.limits[1].asset"},
		{"an amount that is none", func(c *Config) { c.Confirm.Limits = []ConfirmLimit{{Asset: "BTC", Small: "1e9"}} }, "confirm.limits[0].small"},
		{"small above large", func(c *Config) { c.Confirm.Limits = []ConfirmLimit{{Asset: "BTC", Small: "3", SecondDeviceAbove: "2"}} }, "confirm.limits[0].small"},
		{"a power nobody knows", func(c *Config) { c.Backends[0].May = []string{MayIntrospect, "everything"} }, "backends[0].may[1]"},
		{"a language we do not speak", func(c *Config) { c.Languages.Default = "fr" }, "languages.default"},
		{"no rate limit at all", func(c *Config) { c.Limits.RateFactor = 1e9 }, "limits.rate_factor"},
		{"bodies of a gigabyte", func(c *Config) { c.Limits.BodyBytes = 1 << 30 }, "limits.body_bytes"},
		{"requests that outlive their connection", func(c *Config) { c.Limits.RequestTimeout = time.Minute }, "limits.request_timeout"},
		{"a log level that does not exist", func(c *Config) { c.Log.Level = "inof" }, "log.level"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good()
			tc.edit(&c)
			_, err := c.Complete()
			faults, _ := err.(Faults)
			if len(faults) != 1 || faults[0].Key != tc.key {
				t.Fatalf("want one fault of %s, got:\n%v", tc.key, err)
			}
			if faults[0].Fix == "" {
				t.Errorf("the fault does not say how to fix it: %s", faults[0])
			}
		})
	}
}

func TestAPasswordInTheDatabaseURLNeverAppearsInAFault(t *testing.T) {
	c := good()
	c.Database.URL = "postgres://kw:CANARY@db.internal"
	_, err := c.Complete()
	if err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("got %v", err)
	}
}
