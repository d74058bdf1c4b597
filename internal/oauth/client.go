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
	d, err := s.Draft(n)
	if err != nil {
		return Client{}, "", err
	}
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		e, err := d.Write(tx)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, e)
		return err
	})
	return d.Client, d.Secret, err
}

// Draft is an app that was checked and is not written yet. Secret is empty where the
// app has none; it is shown once, and the row has its hash.
type Draft struct {
	Client
	Secret string
}

// Draft checks what somebody wants to register and completes it.
func (s *Service) Draft(n NewClient) (*Draft, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if n.Life == 0 {
		n.Life = defaultLife
	}
	if n.Audience == "" {
		n.Audience = s.mint.Issuer()
	}
	d := &Draft{Client: Client{
		ID: ClientID(keyring.NewID("app_", s.db.Now())), Name: n.Name, Owner: n.Owner, Public: n.Auth == AuthNone, Auth: n.Auth, JWKS: string(n.JWKS),
		FirstParty: n.FirstParty, Redirects: n.Redirects, Scopes: slices.Clone(n.Scopes), Audience: n.Audience, Life: n.Life, Version: 1,
		Purpose: strings.TrimSpace(n.Purpose), Profile: n.Profile, Details: slices.Clone(n.Details), Backchannel: n.Backchannel, AfterLogout: n.AfterLogout,
	}}
	slices.Sort(d.Scopes)
	d.Scopes = slices.Compact(d.Scopes)
	if n.Auth == AuthSecret {
		// 256 random bits: nothing to guess, so SHA-256 is enough and a slow hash would
		// only slow every token down (DESIGN §11).
		d.Secret = "kws_" + keyring.Secret()
		h := keyring.Hash(d.Secret)
		d.secret = h[:]
	}
	return d, nil
}

// Write writes the row, and tells the event, which the caller appends: at the command
// line that is Register, at the operators' desk the deed with its reason.
func (d *Draft) Write(tx *store.Tx) (audit.Event, error) {
	kind := "confidential"
	if d.Public {
		kind = "public"
	}
	redirects, _ := json.Marshal(d.Redirects)
	after, _ := json.Marshal(append([]string{}, d.AfterLogout...))
	d.CreatedAt = tx.Now
	err := tx.Later(sqlInsertClient, string(d.ID), d.Name, d.Owner, kind, d.Auth, d.secret, d.JWKS, d.FirstParty, "", string(redirects),
		joinScope(d.Scopes), d.Audience, d.Life.Microseconds(), store.Micros(tx.Now), d.Purpose, d.Profile, strings.Join(d.Details, " "), d.Backchannel, string(after))
	return audit.Event{
		Action: "client.registered", Target: string(d.ID), Effects: []audit.Effect{{Kind: "client", ID: string(d.ID), Version: 1}},
		Payload: map[string]string{"client": d.Name},
	}, err
}

// TurnOff ends an app and everything it holds of anybody.
func (s *Service) TurnOff(ctx context.Context, cause store.Cause, id ClientID) (ended int, err error) {
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var e audit.Event
		if e, ended, err = s.TurnOffIn(tx, id); err != nil {
			return err
		}
		_, err = s.log.Append(tx, e)
		return err
	})
	if err == nil {
		err = s.told(ctx)
	}
	return ended, err
}

// TurnOffIn is TurnOff in the transaction of a caller, who appends the event.
func (s *Service) TurnOffIn(tx *store.Tx, id ClientID) (e audit.Event, ended int, err error) {
	return s.narrow(tx, id, "client.off", sqlOff, store.Micros(tx.Now))
}

// narrow takes something from an app, and with it all it holds of anybody.
func (s *Service) narrow(tx *store.Tx, id ClientID, a audit.Action, query string, arg any) (e audit.Event, ended int, err error) {
	var (
		version int64
		name    string
	)
	switch err := tx.Row(query, arg, string(id)).Scan(&version, &name); {
	case err == store.ErrNoRows:
		return e, 0, ErrNoClient
	case err != nil:
		return e, 0, err
	}
	effects, err := s.sessions.EndGrantsOf(tx, string(id), session.EndedClient)
	for _, f := range effects {
		if ended++; f.Kind == "grants" {
			ended = int(f.Version) // too many to name: one effect that counts them
		}
	}
	return audit.Event{
		Action: a, Target: string(id), Effects: append(effects, audit.Effect{Kind: "client", ID: string(id), Version: version}),
		Payload: map[string]string{"client": name},
	}, ended, err
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
	c, err := s.Registered(ctx, id)
	if err == nil && c.Off {
		return Client{}, ErrNoClient
	}
	return c, err
}

// Registered reads an app as it stands, also one that is off: for those who look after
// apps, so never from memory.
func (s *Service) Registered(ctx context.Context, id string) (Client, error) {
	if !keyring.ValidID("app_", id) {
		return Client{}, ErrNoClient
	}
	var secret []byte
	c, err := scanClient(s.db.Get(ctx, sqlClient, id), &secret)
	if err == store.ErrNoRows {
		return Client{}, ErrNoClient
	}
	c.secret = secret
	return c, err
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
