package oauth

import (
	"context"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/audit"
	"keyward/internal/staff"
	"keyward/internal/store"
)

// Who publishes an app. That a domain is theirs lets an app ask for more than looking,
// so it takes two operators; taking it back takes one.

// publisherField names the one line of a request of [staff.VerifyPublisher].
const publisherField = "publisher"

// AskPublisher is what changes when somebody says that a domain belongs to whoever
// publishes an app. The request carries the domain of before, so that nobody approves
// a change of something that has become something else.
func AskPublisher(c Client, domain string) ([]staff.Change, error) {
	switch {
	case c.Off:
		return nil, ErrNoClient
	case !goodDomain(domain):
		return nil, errDomain
	case domain == c.Domain:
		return nil, ErrBadClient.At("domain", "is verified already")
	}
	return []staff.Change{{Field: publisherField, From: c.Domain, To: domain}}, nil
}

var errDomain = ErrBadClient.At("domain", "is a host name of its own, such as example.com")

// Publisher does what an approved request of [staff.VerifyPublisher] asks for. It fails,
// and with it the approval, where the app is off or its domain is not the one that two
// people looked at.
func (s *Service) Publisher(tx *store.Tx, r staff.Request) ([]audit.Effect, error) {
	if len(r.Diff) != 1 || r.Diff[0].Field != publisherField {
		return nil, ErrBadClient.At("diff", "names the publisher and nothing else")
	}
	var secret []byte
	switch c, err := scanClient(tx.Row(sqlClient, r.Target), &secret); {
	case err == store.ErrNoRows || err == nil && c.Off:
		return nil, ErrNoClient
	case err != nil:
		return nil, err
	case c.Domain != r.Diff[0].From:
		return nil, staff.ErrClosed
	}
	return s.VerifyPublisher(tx, ClientID(r.Target), r.Diff[0].To)
}

// VerifyPublisher says that this domain belongs to whoever publishes an app, so that it
// may ask for more than looking. It takes two operators (staff): the caller hands this
// to the approval, which writes the event. Rows only.
func (s *Service) VerifyPublisher(tx *store.Tx, id ClientID, domain string) ([]audit.Effect, error) {
	if !goodDomain(domain) {
		return nil, errDomain
	}
	var version int64
	err := tx.Row(sqlVerified, domain, string(id)).Scan(&version)
	if err == store.ErrNoRows {
		return nil, ErrNoClient
	}
	return []audit.Effect{{Kind: "client", ID: string(id), Version: version}}, err
}

// DropPublisher takes a verification back, in the transaction of a caller, who appends
// the event. What the app was given under it ends, and so do codes on their way: its
// people let it in again, for looking.
func (s *Service) DropPublisher(tx *store.Tx, id ClientID) (e audit.Event, ended int, err error) {
	if e, ended, err = s.narrow(tx, id, "client.publisher_dropped", sqlUnverified, ""); err != nil {
		return e, ended, err
	}
	_, err = tx.Exec(sqlDropCodes, string(id))
	return e, ended, err
}

// Live counts what an app holds of anybody now, up to session's own bound.
func (s *Service) Live(ctx context.Context, id ClientID) (n int, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		n, err = s.sessions.CountGrants(tx, string(id))
		return err
	})
	return n, err
}

// KeyIDs are the names of the keys an app proves itself with.
func (c Client) KeyIDs() (kids []string) {
	var set jose.JSONWebKeySet
	if json.Unmarshal([]byte(c.JWKS), &set) != nil {
		return nil // it has none
	}
	for _, k := range set.Keys {
		kids = append(kids, k.KeyID)
	}
	return kids
}
