package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// ClientID names an app: "app_…".
type ClientID string

// How an app proves who it is (OIDC Core §9, RFC 7523).
const (
	AuthNone   = "none"                // a public client: it can keep no secret
	AuthSecret = "client_secret_basic" // only where somebody switched it on
	AuthKey    = "private_key_jwt"
)

// Client is an app that may ask.
type Client struct {
	ID         ClientID
	Name       string
	Owner      string
	Public     bool
	Auth       string
	JWKS       string
	FirstParty bool   // the exchange's own: no consent page, never no sign-in
	Domain     string // verified publisher; "" while nobody vouched for it
	Redirects  []string
	Scopes     []string
	Audience   string
	Life       time.Duration
	Purpose    string   // in the app's own words, for the consent page
	Profile    string   // "" or ProfileFAPI
	Details    []string // types of authorization_details it may ask for (RFC 9396)
	CreatedAt  time.Time
	Off        bool
	Version    int64

	// Backchannel hears that somebody left (OIDC Back-Channel Logout §2.2), "" for
	// nobody; AfterLogout are the addresses to come back to after a sign-out that the
	// app began (OIDC RP-Initiated Logout §3.1), exact.
	Backchannel string
	AfterLogout []string

	secret []byte
}

// ProfileFAPI binds an app to the FAPI 2.0 Security Profile: it proves itself with a
// key, pushes every request, and every token is bound to a key of its own.
const ProfileFAPI = "fapi2"

// NewClient is what an operator registers.
type NewClient struct {
	Name       string
	Owner      string
	Auth       string
	JWKS       json.RawMessage // with AuthKey: public keys, RFC 7517
	FirstParty bool
	Redirects  []string
	Scopes     []string
	Audience   string        // aud of its tokens; the issuer when empty
	Life       time.Duration // the longest a grant may live; 90 days when zero
	Purpose    string        // up to 200 characters, shown when it asks
	Profile    string        // "" or ProfileFAPI
	Details    []string      // types of authorization_details

	Backchannel string
	AfterLogout []string
}

func (n *NewClient) check() error {
	switch {
	case strings.TrimSpace(n.Name) == "" || len(n.Name) > maxName || strings.ContainsFunc(n.Name, unicode.IsControl):
		return ErrBadClient.At("name", "is 1 to 80 characters that can be read")
	case strings.TrimSpace(n.Owner) == "" || len(n.Owner) > maxName:
		return ErrBadClient.At("owner", "says who answers for this app")
	case !slices.Contains([]string{AuthNone, AuthSecret, AuthKey}, n.Auth):
		return ErrBadClient.At("auth", "is none, client_secret_basic or private_key_jwt")
	case n.Auth == AuthKey && goodKeys(n.JWKS) != nil:
		return ErrBadClient.At("jwks", "is a set of public ES256 or EdDSA keys, each with its kid").Because(goodKeys(n.JWKS))
	case n.Auth != AuthKey && len(n.JWKS) > 0:
		return ErrBadClient.At("jwks", "belongs to private_key_jwt")
	case len(n.Redirects) > maxURIs || n.Auth == AuthNone && len(n.Redirects) == 0:
		return ErrBadClient.At("redirects", "are 1 to 20 addresses")
	case n.Life < 0 || n.Life > maxLife:
		return ErrBadClient.At("life", "is at most 400 days")
	case len([]rune(n.Purpose)) > maxPurpose || strings.ContainsFunc(n.Purpose, unicode.IsControl):
		return ErrBadClient.At("purpose", "is one sentence of up to 200 characters")
	case n.Profile != "" && n.Profile != ProfileFAPI:
		return ErrBadClient.At("profile", "is fapi2, or left out")
	case n.Profile == ProfileFAPI && n.Auth != AuthKey:
		return ErrBadClient.At("auth", "is private_key_jwt under fapi2") // FAPI 2.0 §5.3.2.1-6; certificates (mTLS) are not taken here
	case !subset(n.Details, DetailTypes()):
		return ErrBadClient.At("details", "knows "+strings.Join(DetailTypes(), ", "))
	case n.Backchannel != "" && !goodWeb(n.Backchannel):
		return ErrBadClient.At("backchannel_logout_uri", "is one exact address: https, or http on this machine")
	case len(n.AfterLogout) > maxURIs:
		return ErrBadClient.At("post_logout_redirect_uris", "are at most 20 addresses")
	}
	for _, r := range n.AfterLogout {
		if !goodRedirect(r) {
			return ErrBadClient.At("post_logout_redirect_uris", "are exact, as redirects are")
		}
	}
	for _, r := range n.Redirects {
		if !goodRedirect(r) {
			return ErrBadClient.At("redirects", "are exact: https, or http on this machine, or a private scheme such as com.example.app:/back; in the one spelling a browser sends")
		}
	}
	for _, s := range n.Scopes {
		if _, ok := powers[s]; !ok {
			return ErrBadClient.At("scopes", "knows "+strings.Join(Scopes(), ", "))
		}
	}
	return nil
}

// goodKeys reads the keys of an app. A private member here would mean that its
// secret went through a form, a log or a mail: refused, so that it is made anew.
func goodKeys(raw json.RawMessage) error {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return err
	}
	if len(set.Keys) == 0 || len(set.Keys) > 10 {
		return errors.New("1 to 10 keys")
	}
	for _, k := range set.Keys {
		if !k.Valid() || !k.IsPublic() || k.KeyID == "" || algOf(k) == "" {
			return errors.New("a key is private, has no kid, or is of another kind")
		}
	}
	return keyMembers(raw)
}

// Register writes an app and returns its secret, shown once, when it has one.
func (s *Service) Register(ctx context.Context, cause store.Cause, n NewClient) (Client, string, error) {
	if err := n.check(); err != nil {
		return Client{}, "", err
	}
	if n.Life == 0 {
		n.Life = defaultLife
	}
	if n.Audience == "" {
		n.Audience = s.mint.Issuer()
	}
	c := Client{
		ID: ClientID(keyring.NewID("app_", s.db.Now())), Name: n.Name, Owner: n.Owner, Public: n.Auth == AuthNone, Auth: n.Auth, JWKS: string(n.JWKS),
		FirstParty: n.FirstParty, Redirects: n.Redirects, Scopes: slices.Clone(n.Scopes), Audience: n.Audience, Life: n.Life, Version: 1,
		Purpose: strings.TrimSpace(n.Purpose), Profile: n.Profile, Details: slices.Clone(n.Details), Backchannel: n.Backchannel, AfterLogout: n.AfterLogout,
	}
	slices.Sort(c.Scopes)
	c.Scopes = slices.Compact(c.Scopes)
	kind, secret := "confidential", ""
	if c.Public {
		kind = "public"
	}
	var hash []byte
	if n.Auth == AuthSecret {
		// 256 random bits: nothing to guess, so SHA-256 is enough and a slow hash would
		// only slow every token down (DESIGN §11).
		secret = "kws_" + keyring.Secret()
		h := keyring.Hash(secret)
		hash = h[:]
	}
	redirects, _ := json.Marshal(c.Redirects)
	after, _ := json.Marshal(append([]string{}, c.AfterLogout...))
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		c.CreatedAt = tx.Now
		if err := tx.Later(sqlInsertClient, string(c.ID), c.Name, c.Owner, kind, c.Auth, hash, c.JWKS, c.FirstParty, "", string(redirects),
			joinScope(c.Scopes), c.Audience, c.Life.Microseconds(), store.Micros(tx.Now), c.Purpose, c.Profile, strings.Join(c.Details, " "), c.Backchannel, string(after)); err != nil {
			return err
		}
		_, err := s.log.Append(tx, audit.Event{
			Action: "client.registered", Target: string(c.ID), Effects: []audit.Effect{{Kind: "client", ID: string(c.ID), Version: 1}},
			Payload: map[string]string{"client": c.Name},
		})
		return err
	})
	return c, secret, err
}

// TurnOff ends an app and everything it holds of anybody.
func (s *Service) TurnOff(ctx context.Context, cause store.Cause, id ClientID) (ended int, err error) {
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(sqlOff, store.Micros(tx.Now), string(id)).Scan(&version)
		if err == store.ErrNoRows {
			return ErrNoClient
		}
		if err != nil {
			return err
		}
		effects, err := s.sessions.EndGrantsOf(tx, string(id), session.EndedClient)
		if err != nil {
			return err
		}
		ended = len(effects)
		_, err = s.log.Append(tx, audit.Event{
			Action: "client.off", Target: string(id), Effects: append(effects, audit.Effect{Kind: "client", ID: string(id), Version: version}),
		})
		return err
	})
	if err == nil {
		err = s.told(ctx)
	}
	return ended, err
}

// VerifyPublisher says that this domain belongs to whoever publishes an app, so that it
// may ask for more than looking. It takes two operators (staff): the caller hands this
// to the approval, which writes the event. Rows only.
func (s *Service) VerifyPublisher(tx *store.Tx, id ClientID, domain string) ([]audit.Effect, error) {
	if !goodDomain(domain) {
		return nil, ErrBadClient.At("domain", "is a host name of its own, such as example.com")
	}
	var version int64
	err := tx.Row(sqlVerified, domain, string(id)).Scan(&version)
	if err == store.ErrNoRows {
		return nil, ErrNoClient
	}
	return []audit.Effect{{Kind: "client", ID: string(id), Version: version}}, err
}

// Client reads an app that is on. ErrNoClient otherwise.
func (s *Service) Client(ctx context.Context, id string) (Client, error) {
	if !keyring.ValidID("app_", id) {
		return Client{}, ErrNoClient
	}
	if s.fresh == nil || !s.fresh() { // before the lookup (DESIGN §7)
		return s.readClient(ctx, id)
	}
	if c, ok := s.clients.get(id); ok {
		return c, nil
	}
	return s.clients.through(id, func() (Client, error) { return s.readClient(ctx, id) })
}

func (s *Service) readClient(ctx context.Context, id string) (Client, error) {
	var secret []byte
	c, err := scanClient(s.db.Get(ctx, sqlClient, id), &secret)
	switch {
	case err == store.ErrNoRows || err == nil && c.Off:
		return Client{}, ErrNoClient
	case err != nil:
		return Client{}, err
	}
	c.secret = secret
	return c, nil
}

// Clients lists every app, those that are off included, oldest first.
func (s *Service) Clients(ctx context.Context) (out []Client, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(sqlClients)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c, err := scanClient(rows)
			if err != nil {
				return err
			}
			out = append(out, c)
		}
		return rows.Err()
	})
	return out, err
}

func scanClient(r interface{ Scan(...any) error }, more ...any) (Client, error) {
	var c Client
	var kind, redirects, scopes, details, after string
	var life, created, off int64
	err := r.Scan(append([]any{(*string)(&c.ID), &c.Name, &c.Owner, &kind, &c.Auth, &c.JWKS, &c.FirstParty, &c.Domain, &redirects, &scopes,
		&c.Audience, &life, &created, &off, &c.Version, &c.Purpose, &c.Profile, &details, &c.Backchannel, &after}, more...)...)
	if err != nil {
		return Client{}, err
	}
	c.Public, c.Off = kind == "public", off != 0
	c.Life, c.CreatedAt = time.Duration(life)*time.Microsecond, store.Time(created)
	c.Scopes, c.Details = strings.Fields(scopes), strings.Fields(details)
	return c, errors.Join(json.Unmarshal([]byte(redirects), &c.Redirects), json.Unmarshal([]byte(after), &c.AfterLogout))
}

// redirect finds the registered address that was asked for.
func (c Client) redirect(asked string) bool {
	return slices.ContainsFunc(c.Redirects, func(r string) bool { return redirectMatches(asked, r) })
}

// may reports what this app may ask for at all: apps nobody vouched for may look
// and no more.
func (c Client) may(scopes []string) bool {
	if !subset(scopes, c.Scopes) {
		return false
	}
	if !c.FirstParty && slices.ContainsFunc(scopes, func(s string) bool { return powers[s].own }) {
		return false
	}
	return c.FirstParty || c.Domain != "" || !slices.ContainsFunc(scopes, func(s string) bool { return !powers[s].open })
}
