package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// checker collects faults; the rules below are in the order of the file.
type checker struct{ faults Faults }

func (k *checker) fault(key, what, why, fix string) {
	k.faults = append(k.faults, Fault{Key: key, What: what, Why: why, Fix: fix})
}

func (c Config) check() Faults {
	k := new(checker)
	public := k.publicURL(c.PublicURL)
	if public != nil {
		k.relyingParty(c.RP, public)
		k.transport(c, public)
	}
	k.securityContact(c.SecurityContact)
	k.securityPolicy(c)
	k.listeners(c)
	k.operators(c, public)
	k.database(c.Database)
	k.kek(c)
	k.sessions(c.Sessions, c.PublicURL)
	k.mail(c, public)
	k.backends(c.Backends)
	k.stepUp(c.StepUp)
	k.confirm(c.Confirm)
	k.gate(c)
	k.oneOf("attestation.ask", c.Attestation.Ask, "none", "indirect", "direct")
	k.apps(c.Apps)
	k.oneOf("languages.default", c.Languages.Default, "en", "ko")
	k.limits(c.Limits)
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
	return k.faults
}

func (k *checker) publicURL(s string) *url.URL {
	const key = "public_url"
	if s == "" {
		k.fault(key, "is not set", "passkeys are bound to its domain for good, so it cannot be guessed",
			"public_url: https://id.example.com (or http://localhost:7480 to try things out)")
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		k.fault(key, fmt.Sprintf("%q is not a URL with https and a host", s), "", "public_url: https://id.example.com")
		return nil
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.ForceQuery:
		k.fault(key, fmt.Sprintf("%q has more than scheme and host", s),
			"it is the issuer of every token and is compared letter by letter", "public_url: "+origin(u))
		return nil
	case s != strings.ToLower(s):
		k.fault(key, fmt.Sprintf("%q has capital letters", s), "it is compared letter by letter", "public_url: "+strings.ToLower(s))
		return nil
	case u.Scheme == "http" && !isLocalhost(u.Hostname()):
		k.fault(key, "http is only for localhost", "browsers refuse passkeys and cookies of ours over plain http", "public_url: https://"+u.Host)
		return nil
	case isAddress(u.Hostname()):
		k.fault(key, "the host is an address", "passkeys are bound to a domain name; browsers refuse addresses", "use a name, such as localhost for trying things out")
		return nil
	}
	return u
}

// securityContact: RFC 9116 §2.5.3 wants a URI, and a mail address alone is the
// usual mistake.
func (k *checker) securityContact(s string) {
	const key = "security_contact"
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsAny(s, " \t\r\n"):
		k.fault(key, fmt.Sprintf("%q is not a URI", s), "", "security_contact: mailto:security@example.com")
	case u.Scheme == "" && strings.Contains(s, "@"):
		k.fault(key, fmt.Sprintf("%q has no scheme", s), "RFC 9116 §2.5.3 wants a URI", "security_contact: mailto:"+s)
	case u.Scheme != "mailto" && u.Scheme != "https" && u.Scheme != "tel":
		k.fault(key, fmt.Sprintf("%q is neither mailto:, https: nor tel:", s), "what is sent there tells how to break in", "security_contact: mailto:security@example.com")
	}
}

// securityPolicy stands in the same file, so without a contact nobody would read it.
func (k *checker) securityPolicy(c Config) {
	const key = "security_policy"
	if c.SecurityPolicy == "" {
		return
	}
	u, err := url.Parse(c.SecurityPolicy)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(c.SecurityPolicy, " \t\r\n"):
		k.fault(key, fmt.Sprintf("%q is not an https URL", c.SecurityPolicy), "RFC 9116 §2.5.7", "security_policy: https://example.com/security")
	case c.SecurityContact == "":
		k.fault(key, "is set, but security_contact is not", "without a contact there is no security.txt to name it in", "set security_contact, or remove security_policy")
	}
}

func (k *checker) relyingParty(rp RP, public *url.URL) {
	if isAddress(rp.ID) || rp.ID != strings.ToLower(rp.ID) || strings.ContainsAny(rp.ID, "/:@ ") ||
		!strings.Contains(rp.ID, ".") && rp.ID != "localhost" {
		k.fault("rp.id", fmt.Sprintf("%q is not a domain name", rp.ID), "WebAuthn §5.1.2: the RP ID is a domain, without scheme and port", "rp.id: "+public.Hostname())
		return
	}
	if !within(public.Hostname(), rp.ID) {
		k.fault("rp.id", fmt.Sprintf("%q is neither the host of public_url nor a parent of it", rp.ID),
			"browsers would refuse every passkey (WebAuthn §5.1.3 step 8)", "rp.id: "+public.Hostname())
		return
	}
	for i, o := range rp.Origins {
		k.origin(fmt.Sprintf("rp.origins[%d]", i), o, rp.ID)
	}
	if !slices.Contains(rp.Origins, origin(public)) {
		k.fault("rp.origins", "the origin of public_url is not in the list", "our own pages could not use a passkey", "add "+origin(public))
	}
	for i, d := range rp.OfficialDomains {
		if !domainShape.MatchString(d) {
			k.fault(fmt.Sprintf("rp.official_domains[%d]", i), fmt.Sprintf("%q is not a domain name", d), "", "write it as example.com, without scheme or path")
		}
	}
}

const androidOrigin = "android:apk-key-hash:"

// origin: WebAuthn L3 §7.2 step 12 compares whole strings, so what stands here
// must be exactly what a browser sends.
func (k *checker) origin(key, o, rpID string) {
	if hash, ok := strings.CutPrefix(o, androidOrigin); ok {
		if b, err := base64.RawURLEncoding.DecodeString(hash); err != nil || len(b) != 32 {
			k.fault(key, "the hash of an Android app is 43 letters of base64url", "a wrong one never matches, and the app could not sign in",
				"take SHA-256 of the signing certificate, base64url without padding")
		}
		return
	}
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Host == "" || o != u.Scheme+"://"+u.Host || o != strings.ToLower(o):
		k.fault(key, fmt.Sprintf("%q is not an origin", o), "browsers send scheme, host and port, nothing else, and the comparison is exact",
			"write https://id.example.com, without a slash at the end")
	case u.Scheme != "https" && !(u.Scheme == "http" && isLocalhost(u.Hostname())):
		k.fault(key, fmt.Sprintf("%q is not https", o), "an origin without TLS can be anybody's", "write https://"+u.Host)
	case u.Port() == "443" && u.Scheme == "https":
		k.fault(key, fmt.Sprintf("%q names the default port", o), "browsers leave it out, so this never matches", "write https://"+u.Hostname())
	case !within(u.Hostname(), rpID):
		k.fault(key, fmt.Sprintf("%q is outside rp.id %q", o, rpID), "a passkey for one site must not be usable on another",
			"remove it, or list the domain in rp.official_domains if it is only to be shown")
	}
}

// transport: who ends TLS, and who may say where a request came from.
func (k *checker) transport(c Config, public *url.URL) {
	own := c.TLS.CertFile != "" || c.TLS.KeyFile != ""
	if own && (c.TLS.CertFile == "" || c.TLS.KeyFile == "") {
		k.fault("tls", "names only one of cert_file and key_file", "", "name both, or neither behind a proxy")
	}
	switch {
	case own && public.Scheme == "http":
		k.fault("tls", "is set, but public_url is http", "links and cookies would point at the wrong scheme", "public_url: https://"+public.Host)
	case own && c.BehindProxy:
		k.fault("behind_proxy", "is true, but tls is set as well", "two places that end TLS: one of them is not what you think",
			"remove tls if the proxy speaks https, or behind_proxy if nothing stands in front")
	case public.Scheme == "https" && !own && !c.BehindProxy:
		k.fault("public_url", "is https, but nothing here ends TLS", "every token would cross the network in the clear",
			"set tls.cert_file and tls.key_file, or behind_proxy: true with trusted_proxies")
	case public.Scheme == "http" && !c.BehindProxy && !isLoopback(c.Listen.Public):
		k.fault("listen.public", fmt.Sprintf("%q is reachable from other machines without TLS", c.Listen.Public),
			"http is only for trying things out on one machine", "listen.public: 127.0.0.1:7480")
	}
	if c.BehindProxy && len(c.TrustedProxies) == 0 {
		k.fault("trusted_proxies", "is empty, but behind_proxy is true", "every visitor would have the proxy's address: one limit for all, and useless alerts",
			"list the proxy's addresses, such as [127.0.0.1, 10.0.3.0/24]")
	}
	if !c.BehindProxy && len(c.TrustedProxies) > 0 {
		k.fault("trusted_proxies", "is set, but behind_proxy is not true", "whoever reaches us from there could choose any client address",
			"behind_proxy: true, or remove trusted_proxies")
	}
	for i, p := range c.TrustedProxies {
		if !p.IsValid() || p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 7 {
			k.fault(fmt.Sprintf("trusted_proxies[%d]", i), fmt.Sprintf("%s is most of the Internet", p),
				"any stranger in it could choose the client address we see", "list only the proxies themselves")
		}
	}
}

func (k *checker) listeners(c Config) {
	for _, l := range []struct{ key, addr string }{{"listen.public", c.Listen.Public}, {"listen.ops", c.Listen.Ops}} {
		if _, err := netip.ParseAddrPort(withHost(l.addr)); err != nil {
			k.fault(l.key, fmt.Sprintf("%q is not an address with a port", l.addr), "", "write 127.0.0.1:7480, or :7480 for all addresses of this machine")
		}
	}
	if c.Listen.Public == c.Listen.Ops && !strings.HasSuffix(c.Listen.Ops, ":0") {
		k.fault("listen.ops", "is the same as listen.public", "metrics and health would be open to the world", "listen.ops: 127.0.0.1:7489")
	}
	if !isLoopback(c.Listen.Ops) && !c.Listen.OpsExposed {
		k.fault("listen.ops", fmt.Sprintf("%q is reachable from other machines", c.Listen.Ops), "it answers without asking who is there",
			"listen.ops: 127.0.0.1:7489, or listen.ops_exposed: true if a firewall guards it")
	}
}

// operators: another host than the accounts'. Cookies ignore ports, and a hole in a
// page that everybody sees must not reach who can do most.
func (k *checker) operators(c Config, public *url.URL) {
	o := c.Operators
	if o == (Operators{}) {
		return
	}
	if o.Listen == "" || o.Origin == "" {
		k.fault("operators", "names only one of listen and origin", "passkeys are bound to the origin, and the door opens at listen", "set both, or neither")
		return
	}
	if _, err := netip.ParseAddrPort(withHost(o.Listen)); err != nil {
		k.fault("operators.listen", fmt.Sprintf("%q is not an address with a port", o.Listen), "", "operators.listen: 127.0.0.1:7485")
	}
	if (o.Listen == c.Listen.Public || o.Listen == c.Listen.Ops) && !strings.HasSuffix(o.Listen, ":0") {
		k.fault("operators.listen", "is the same as another listener", "operators come in by a door of their own", "operators.listen: 127.0.0.1:7485")
	}
	u, err := url.Parse(o.Origin)
	if err != nil || u.Host == "" {
		k.fault("operators.origin", fmt.Sprintf("%q is not an origin", o.Origin), "", "operators.origin: https://ops.example.com")
		return
	}
	if isAddress(u.Hostname()) {
		k.fault("operators.origin", "the host is an address", "passkeys are bound to a domain name; browsers refuse addresses", "use a name")
		return
	}
	k.origin("operators.origin", o.Origin, u.Hostname())
	switch {
	case public == nil:
	case u.Hostname() == public.Hostname() && !isLocalhost(u.Hostname()):
		k.fault("operators.origin", "has the host of public_url", "cookies ignore ports, and the pages of accounts would reach those of operators", "operators.origin: https://ops.example.com")
	case u.Scheme != public.Scheme && (u.Scheme == "https" || isLocalhost(u.Hostname())):
		k.fault("operators.origin", fmt.Sprintf("is %s, but public_url is %s", u.Scheme, public.Scheme), "the same place ends TLS for both", "operators.origin: "+public.Scheme+"://"+u.Host)
	case slices.Contains(c.RP.Origins, o.Origin):
		k.fault("rp.origins", "holds operators.origin", "the passkeys of accounts and of operators must not meet", "remove it")
	case u.Scheme == "http" && isLocalhost(u.Hostname()) && !isLoopback(o.Listen):
		k.fault("operators.listen", fmt.Sprintf("%q is reachable from other machines without TLS", o.Listen), "http is only for trying things out on one machine", "operators.listen: 127.0.0.1:7485")
	}
}

// withHost: ":7480" means all addresses.
func withHost(addr string) string {
	if strings.HasPrefix(addr, ":") {
		return "[::]" + addr
	}
	return strings.Replace(addr, "localhost:", "127.0.0.1:", 1)
}

func (k *checker) database(d Database) {
	const key = "database.url"
	path, isSQLite := strings.CutPrefix(d.URL, "sqlite:")
	switch {
	case isSQLite && (path == "" || strings.Contains(path, ":memory:") || strings.Contains(path, "mode=memory")):
		k.fault(key, "names no file", "accounts that vanish with the process lock everybody out", "database.url: sqlite:/var/lib/keyward/keyward.db")
	case isSQLite:
	case strings.HasPrefix(d.URL, "postgres://"), strings.HasPrefix(d.URL, "postgresql://"):
		if u, err := url.Parse(d.URL); err != nil || strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "" {
			k.fault(key, "names no database", "", "database.url: postgres://keyward@db.internal/keyward") // the URL itself stays out: it may hold a password
		}
	default:
		k.fault(key, "is neither sqlite: nor postgres://", "", "database.url: sqlite:/var/lib/keyward/keyward.db, or postgres://keyward@db.internal/keyward")
	}
	if d.MaxConns < 2 || d.MaxConns > 1000 {
		k.fault("database.max_conns", fmt.Sprintf("%d is outside 2 to 1000", d.MaxConns), "", "database.max_conns: 16")
	}
}

func (k *checker) sessions(s Sessions, public string) {
	switch {
	case s.DBSC != "true" && s.DBSC != "false":
		k.fault("sessions.dbsc", fmt.Sprintf("is true or false, not %q", s.DBSC), "", "sessions.dbsc: true")
	case s.DBSC == "true" && !strings.HasPrefix(public, "https://"):
		k.fault("sessions.dbsc", "needs a public_url with https", "browsers bind no session to a key of the device over http", "leave sessions.dbsc out, or serve https")
	}
	k.between("sessions.access", s.Access, time.Minute, time.Hour, "an access token lives minutes, so that a copy is soon worthless")
	k.between("sessions.idle", s.Idle, s.Access, 7*24*time.Hour, "a session must outlive one access token; NIST SP 800-63B-4 §2.2.3 advises 1 h at most")
	k.between("sessions.absolute", s.Absolute, s.Idle, 7*24*time.Hour, "NIST SP 800-63B-4 §2.2.3 advises 24 h at most")
	k.between("sessions.remember", s.Remember, s.Absolute, 90*24*time.Hour, "\"remember this device\" is bounded, and not shorter than an ordinary session")
}

func (k *checker) between(key string, d, least, most time.Duration, why string) {
	if least > most {
		return // least is another setting, which has a fault of its own
	}
	if d < least || d > most {
		k.fault(key, fmt.Sprintf("%s is outside %s to %s", durationText(d), durationText(least), durationText(most)), why, "choose a value in that range")
	}
}

func (k *checker) mail(c Config, public *url.URL) {
	m := c.Mail
	if m.Host == "" {
		if m != (Mail{}) {
			k.fault("mail.host", "is not set, but other mail keys are", "no mail would leave, and owners would not hear of what happens", "set mail.host, or remove the section")
		} else if c.SelfSignUp && public != nil && public.Scheme == "https" {
			k.fault("self_sign_up", "is true, but mail.host is not set", "new accounts could never verify their address", "set mail, or self_sign_up: false")
		}
		return
	}
	if a, err := mail.ParseAddress(m.From); err != nil || a.Address == "" {
		k.fault("mail.from", fmt.Sprintf("%q is not a mail address", m.From), "", `mail.from: "Example Exchange <security@example.com>"`)
	}
	if m.Port < 1 || m.Port > 65535 {
		k.fault("mail.port", fmt.Sprintf("%d is not a port", m.Port), "", "mail.port: 587")
	}
	k.oneOf("mail.tls", m.TLS, "required", "implicit", "none")
	if m.TLS == "none" && !isLocalhost(m.Host) && !isLoopback(net.JoinHostPort(m.Host, "25")) {
		k.fault("mail.tls", "none is only for a relay on this machine", "mails of ours carry links that verify addresses", "mail.tls: required")
	}
	if (m.Username == "") != (m.Password == "") {
		k.fault("mail.username", "user name and password come together", "", "set mail.username and mail.password_file, or neither")
	}
}

var (
	backendID   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	domainShape = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
)

// emptySecret is SHA-256 of nothing: the mistake of hashing an unset variable.
const emptySecret = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (k *checker) backends(all []Backend) {
	ids := make(map[string]bool)
	for i, b := range all {
		at := fmt.Sprintf("backends[%d].", i)
		switch {
		case !backendID.MatchString(b.ID):
			k.fault(at+"id", fmt.Sprintf("%q is not an id", b.ID), "it appears in the audit log", "use small letters, digits and dashes, such as trading-api")
		case ids[b.ID]:
			k.fault(at+"id", fmt.Sprintf("%q is there twice", b.ID), "which secret counts would be a guess", "give each back end its own id")
		}
		ids[b.ID] = true
		if h, err := hex.DecodeString(b.SecretSHA256); err != nil || len(h) != 32 || b.SecretSHA256 != strings.ToLower(b.SecretSHA256) {
			k.fault(at+"secret_sha256", "is not 64 small hexadecimal digits", "it is the SHA-256 of the secret, so that this file gives nobody the secret",
				"make both with: s=$(openssl rand -base64 32); printf %s \"$s\" | sha256sum; the back end keeps $s")
		} else if b.SecretSHA256 == emptySecret {
			k.fault(at+"secret_sha256", "is the hash of nothing", "an empty secret would be accepted", "hash the secret itself; check that the variable was set")
		}
		k.powers(at, b)
	}
}

func (k *checker) powers(at string, b Backend) {
	if len(b.May) == 0 {
		k.fault(at+"may", "is empty", "a back end that may do nothing only widens what can leak", "list some of provision, introspect, end, confirm, or remove the back end")
	}
	for n, p := range b.May {
		k.oneOf(fmt.Sprintf("%smay[%d]", at, n), p, MayProvision, MayIntrospect, MayEnd, MayConfirm)
	}
}

func (k *checker) limits(l Limits) {
	if !(l.RateFactor >= 0.1 && l.RateFactor <= 100) {
		k.fault("limits.rate_factor", fmt.Sprintf("%v is outside 0.1 to 100", l.RateFactor), "it multiplies every rate; zero would stop and infinity would allow everything", "limits.rate_factor: 1")
	}
	if l.BodyBytes < 16<<10 || l.BodyBytes > 1<<20 {
		k.fault("limits.body_bytes", fmt.Sprintf("%d is outside 16384 to 1048576", l.BodyBytes), "an attestation needs 16 KiB, and every open request may hold this much memory", "limits.body_bytes: 65536")
	}
	k.between("limits.request_timeout", l.RequestTimeout, time.Second, 25*time.Second, "the connection itself is cut after 30 s")
}

func (k *checker) oneOf(key, v string, allowed ...string) {
	if slices.Contains(allowed, v) {
		return
	}
	fix := "write one of " + strings.Join(allowed, ", ")
	if near, ok := nearest(v, allowed); ok {
		fix = "did you mean " + near + "?"
	}
	k.fault(key, fmt.Sprintf("%q is not known", v), "", fix)
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func within(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

func isLocalhost(host string) bool { return within(host, "localhost") }

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func isLoopback(addr string) bool {
	ap, err := netip.ParseAddrPort(withHost(addr))
	return err == nil && ap.Addr().IsLoopback()
}
