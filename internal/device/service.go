package device

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

var (
	// ErrNotAccepted is the one answer before proof: an unknown key, a bad
	// signature, a wrong origin and a missing user verification look the same.
	ErrNotAccepted = edge.E("passkey_not_accepted")
	// ErrChallengeExpired: ours, but older than five minutes.
	ErrChallengeExpired = edge.E("challenge_expired")
	// ErrChallengeSpent: this answer was used before.
	ErrChallengeSpent = edge.E("challenge_spent")
	// ErrCredentialTaken: the credential id is registered, here or elsewhere.
	ErrCredentialTaken = edge.E("credential_taken")
	// ErrStepUp: the act needs a fresh touch for exactly this act.
	ErrStepUp = edge.E("step_up_required")
	// ErrLastKey: removing it would lock the owner out.
	ErrLastKey = edge.E("last_key")
	// ErrKeyUnknown: the account has no such live key.
	ErrKeyUnknown = edge.E("key_unknown")
	// ErrUnknown: the account has no such device.
	ErrUnknown = edge.E("device_unknown")
	// ErrName: a name that cannot be shown.
	ErrName = edge.E("bad_request").At("name", "must have 1 to 64 characters that can be shown")
)

// errNoCredential is a cause, never a public text: see [IsUnknownCredential].
var errNoCredential = errors.New("no key has this credential id")

// IsUnknownCredential reports whether a sign-in failed because nobody has the
// credential. Only then may a page call signalUnknownCredential, which makes the
// passkey manager forget the passkey for good.
func IsUnknownCredential(err error) bool { return errors.Is(err, errNoCredential) }

// Config says who we are to authenticators.
type Config struct {
	RPID    string   // the domain all passkeys belong to
	RPName  string   // shown by older browsers only
	Origins []string // exact: "https://auth.example.com", "android:apk-key-hash:…"
	Now     func() time.Time

	Ask          string              // AskDirect when empty
	AndroidRoots []*x509.Certificate // Google's when nil
	AppleRoot    *x509.Certificate   // Apple's when nil
	Apps         Apps

	Least Least // what is demanded beyond any passkey
}

// What a browser is asked for beside the key (WebAuthn L3 §5.4.7).
const (
	AskNone     = "none"     // the browser takes the statement away: every key is synced or claimed
	AskIndirect = "indirect" // it may put an anonymous one in its place
	AskDirect   = "direct"   // as the authenticator made it
)

// Service is the one owner of device_* tables.
type Service struct {
	ceremonies
	accounts *account.Service
}

// New wires the service and refuses a configuration that no browser could meet
// or that too many could.
func New(cfg Config, ring *keyring.Ring, log *audit.Log) (*Service, error) {
	c, err := newCeremonies(cfg, ring.MAC("device/challenge"))
	if err != nil {
		return nil, err
	}
	return &Service{ceremonies: c, accounts: account.New(log, ring)}, nil
}

// RPID is the domain passkeys belong to, for pages that show it before a key is
// enrolled (MISSION A7).
func (s *Service) RPID() string { return s.cfg.RPID }

func (c Config) check() error {
	switch {
	case c.Now == nil:
		return errors.New("no clock")
	case !slices.Contains([]string{"", AskNone, AskIndirect, AskDirect}, c.Ask):
		return fmt.Errorf("attestation is asked for as none, indirect or direct, not %q", c.Ask)
	case c.RPName == "":
		return errors.New("the relying party needs a name")
	case c.RPID == "" || c.RPID != strings.ToLower(c.RPID) || strings.ContainsAny(c.RPID, "/:@ "):
		return fmt.Errorf("the relying party id is a bare domain in lower case, not %q", c.RPID)
	case len(c.Origins) == 0:
		return errors.New("no origin may answer for the relying party")
	}
	if _, err := netip.ParseAddr(c.RPID); err == nil {
		return fmt.Errorf("the relying party id is a domain, and browsers refuse the address %q", c.RPID)
	}
	for _, o := range c.Origins {
		if err := c.checkOrigin(o); err != nil {
			return err
		}
	}
	return nil
}

// checkOrigin keeps the list honest: an origin that is not ours, or not written
// as browsers write it, would either never match or match a stranger.
func (c Config) checkOrigin(origin string) error {
	if hash, ok := strings.CutPrefix(origin, "android:apk-key-hash:"); ok {
		if b, err := decode(hash); err != nil || len(b) != 32 && len(b) != 20 {
			return fmt.Errorf("origin %q does not end in the base64url hash of a signing certificate", origin)
		}
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || origin != strings.ToLower(origin) {
		return fmt.Errorf("origin %q is not of the form https://host or https://host:port", origin)
	}
	host := u.Hostname()
	if host != c.RPID && !strings.HasSuffix(host, "."+c.RPID) {
		return fmt.Errorf("origin %q is outside the relying party id %q", origin, c.RPID)
	}
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return fmt.Errorf("origin %q is not https; browsers offer passkeys without it on localhost only", origin)
	}
	if p := u.Port(); u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		return fmt.Errorf("origin %q: browsers leave the default port out", origin)
	}
	return nil
}

// Sweep forgets challenges and kept touches that can no longer be used. Run it
// in Housekeeping.
func (s *Service) Sweep(tx *store.Tx) error {
	if _, err := tx.Exec(sqlSweepSpent, store.Micros(tx.Now.Add(-spentMargin))); err != nil {
		return err
	}
	_, err := tx.Exec(sqlSweepProofs, store.Micros(tx.Now.Add(-stepUpLife)))
	return err
}
