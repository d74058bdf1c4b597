package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// GrantID names a grant: "grt_…".
type GrantID string

// Grant is what an app may do for an account: the subject of its tokens. It hangs
// off the session in which the owner gave it. Ending that session ends it; a grant
// with offline access outlives a sign-out, and nothing that smells of theft.
type Grant struct {
	ID        GrantID
	Account   account.ID
	Session   ID
	Client    string
	Family    string // "" without a refresh token
	Scope     string
	Details   string // RFC 9396 authorization_details, JSON; "" for none
	Audience  string
	ACR       string
	AMR       []string
	AuthTime  time.Time
	Key       device.KeyID // the passkey whose touch stood behind it
	JKT       string       // RFC 7638 thumbprint; "" for bearer tokens
	Offline   bool
	Keeps     bool
	CreatedAt time.Time
	AbsExp    time.Time
	SuspectAt time.Time // its token was shown without its key
	EndedAt   time.Time
	EndedWhy  string
	Version   int64

	epoch int64
}

// Why a grant ended, besides the reasons of sessions. Stored, so never renamed.
const (
	EndedGrant    = "grant_revoked" // by the owner, or by the app itself (RFC 7009)
	EndedCodeUsed = "code_replayed" // its authorization code came a second time
	EndedClient   = "client_off"    // the app itself was switched off
)

var (
	// ErrGrantEnded: no such grant, not this client's, or over.
	ErrGrantEnded = edge.E("grant_ended")
	// ErrWider: what is to be left of a grant is not in it.
	ErrWider = edge.E("grant_wider")
	// ErrNothingLeft: a grant without a right is one to end, and is ended by that act.
	ErrNothingLeft = edge.E("grant_empty")
)

// NewGrant is what a flow decided to give.
type NewGrant struct {
	Session  Session
	Client   string
	Scope    string
	Details  string
	Audience string
	JKT      string
	Refresh  bool
	Offline  bool
	Keeps    bool
	Life     time.Duration // the longest it may live
}

// Granted is a grant with the secret that goes to its app and nowhere else.
type Granted struct {
	Grant
	Refresh    string // "" without one
	RefreshExp time.Time
	Retry      bool
	Agent      device.UserAgent // of the browser it was given in, when it is new
}

// String keeps the token out of logs; the others do the same for %#v, slog and JSON.
func (g Granted) String() string               { return "granted " + string(g.ID) }
func (g Granted) GoString() string             { return g.String() }
func (g Granted) LogValue() slog.Value         { return slog.StringValue(g.String()) }
func (g Granted) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Give writes a grant and, when asked for, the first refresh token of its chain.
// Rows only: the caller appends the event with the effects returned. The session is
// read as it is now, so that a grant never outlives one that ended a moment ago.
func (s *Service) Give(tx *store.Tx, n NewGrant) (Granted, []audit.Effect, error) {
	ses, err := s.now(tx, n.Session.Account, n.Session.ID)
	if err != nil {
		return Granted{}, nil, err
	}
	if !ses.EndedAt.IsZero() {
		return Granted{}, nil, ErrEnded
	}
	exp := tx.Now.Add(n.Life)
	if !n.Offline && ses.AbsExp.Before(exp) {
		exp = ses.AbsExp // OIDC Core §11: without offline access it is for while the person is there
	}
	g := Granted{Agent: ses.Agent, Grant: Grant{
		ID: GrantID(keyring.NewID("grt_", tx.Now)), Account: ses.Account, Session: ses.ID, Client: n.Client,
		Scope: n.Scope, Details: n.Details, Audience: n.Audience, ACR: ses.ACR, AMR: ses.AMR, AuthTime: ses.AuthTime, Key: ses.Key,
		JKT: n.JKT, Offline: n.Offline, Keeps: n.Keeps, CreatedAt: tx.Now, AbsExp: exp, Version: 1, epoch: ses.epoch,
	}}
	effects, err := s.crowdedGrants(tx, g.Grant)
	if err != nil {
		return Granted{}, nil, err
	}
	if n.Refresh {
		if err := s.firstOf(tx, &g); err != nil {
			return Granted{}, nil, err
		}
	}
	amr, _ := json.Marshal(g.AMR)
	err = tx.Later(sqlInsertGrant, string(g.ID), string(g.Account), string(g.Session), g.Client, g.Family, g.Scope, g.Details, g.Audience,
		g.ACR, string(amr), store.Micros(g.AuthTime), string(g.Key), g.JKT, g.Offline, g.Keeps, store.Micros(tx.Now), store.Micros(exp), g.epoch)
	if err != nil {
		return Granted{}, nil, err
	}
	return g, append(effects, audit.Effect{Kind: "grant", ID: string(g.ID), Version: 1}), nil
}

// firstOf starts the chain of refresh tokens of a grant.
func (s *Service) firstOf(tx *store.Tx, g *Granted) error {
	kid := s.ring.CurrentRefreshKID()
	mac, ok := s.ring.RefreshKey(kid)
	if !ok {
		return keyring.ErrNoKey
	}
	t := refreshToken{kid: kid, family: keyring.NewID("fam_", tx.Now), gen: 1, secret: [secretLen]byte(keyring.Random(secretLen))}
	g.Family, g.Refresh, g.RefreshExp = t.family, encodeRefresh(mac, t), s.grantIdle(tx.Now, g.AbsExp, g.Offline)
	if g.Keeps {
		g.RefreshExp = g.AbsExp // using it writes nothing, so nothing could move its end
	}
	hash := keyring.Hash(g.Refresh)
	return tx.Later(sqlInsertGrantFamily, t.family, string(g.Session), string(g.Account), g.Offline, int64(kid), hash[:],
		store.Micros(g.RefreshExp), store.Micros(g.AbsExp), g.JKT, g.epoch, string(g.ID))
}

// grantIdle is when a refresh token dies without use: with the session's idleness,
// or, for an app that works while its owner is away, after a month (RFC 9700
// §4.14.2: refresh tokens SHOULD expire without use).
func (s *Service) grantIdle(now, abs time.Time, offline bool) time.Time {
	idle := s.life.Idle
	if offline {
		idle = grantIdle
	}
	if t := now.Add(idle); t.Before(abs) {
		return t
	}
	return abs
}

// crowdedGrants ends the oldest grants of a client that has too many with one
// account, as an app does that asks anew at every start.
func (s *Service) crowdedGrants(tx *store.Tx, g Grant) ([]audit.Effect, error) {
	return s.endGrants(tx, sqlEndOldGrants, EndedCrowded, string(g.Account), g.Client, maxGrants-1)
}

// EndGrant ends one grant of an account. ErrGrantEnded when it is over already or
// not theirs.
func (s *Service) EndGrant(tx *store.Tx, acc account.ID, id GrantID, why string) ([]audit.Effect, error) {
	eff, err := s.endGrants(tx, sqlEndGrant, why, string(acc), string(id))
	if err == nil && len(eff) == 0 {
		return nil, ErrGrantEnded
	}
	return eff, err
}

// EndGrantsOf ends everything an app holds, when the app itself is switched off.
func (s *Service) EndGrantsOf(tx *store.Tx, client, why string) ([]audit.Effect, error) {
	return s.endGrants(tx, sqlEndGrantsOf, why, client)
}

func (s *Service) endGrants(tx *store.Tx, query, why string, which ...any) ([]audit.Effect, error) {
	rows, err := tx.Rows(query, append([]any{store.Micros(tx.Now), why}, which...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var eff []audit.Effect
	for rows.Next() {
		e := audit.Effect{Kind: "grant"}
		if err := rows.Scan(&e.ID, &e.Version); err != nil {
			return nil, err
		}
		eff = append(eff, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(eff) > maxNamed {
		return []audit.Effect{{Kind: "grants", ID: which[0].(string), Version: int64(len(eff))}}, nil
	}
	return eff, nil
}

// CountGrants counts what an app holds of anybody that can still be used, up to 1001.
func (s *Service) CountGrants(tx *store.Tx, client string) (n int, err error) {
	err = tx.Row(sqlCountGrants, client, store.Micros(tx.Now)).Scan(&n)
	return n, err
}

// GrantByID reads a grant that can still be used. ErrGrantEnded otherwise: whatever
// ended it, itself, its session, its app or everything at once, it is one question
// and one statement.
func (s *Service) GrantByID(tx *store.Tx, id GrantID) (Grant, error) {
	g, err := scanGrant(tx.Row(sqlGrant, string(id), store.Micros(tx.Now)))
	if err == store.ErrNoRows {
		return Grant{}, ErrGrantEnded
	}
	return g, err
}

// GrantOfRefresh finds the grant of a refresh token, without using it. Only its own
// app gets an answer, and only while the grant stands.
func (s *Service) GrantOfRefresh(ctx context.Context, presented, client string) (Grant, error) {
	t, ok := s.parseRefresh(presented)
	if !ok {
		return Grant{}, ErrGrantEnded
	}
	var c chain
	err := s.db.View(ctx, func(tx *store.Tx) error { return s.forGrantRefresh(tx, t.family, &c) })
	// An older token is nobody's any more: whoever found one must not end the grant
	// with it.
	h := keyring.Hash(presented)
	known := keyring.Equal(h[:], c.curHash) || len(c.prevHash) > 0 && keyring.Equal(h[:], c.prevHash)
	if err == store.ErrNoRows || err == nil && (c.Client != client || !c.usable || !known) {
		return Grant{}, ErrGrantEnded
	}
	return c.Grant, err
}

func scanGrant(r interface{ Scan(...any) error }, more ...any) (Grant, error) {
	var g Grant
	var amr string
	var auth, created, abs, suspect, ended int64
	err := r.Scan(append([]any{(*string)(&g.ID), (*string)(&g.Account), (*string)(&g.Session), &g.Client, &g.Family, &g.Scope, &g.Details, &g.Audience,
		&g.ACR, &amr, &auth, (*string)(&g.Key), &g.JKT, &g.Offline, &g.Keeps, &created, &abs, &g.epoch, &suspect, &ended, &g.EndedWhy, &g.Version}, more...)...)
	if err != nil {
		return Grant{}, err
	}
	g.AuthTime, g.CreatedAt, g.AbsExp = store.Time(auth), store.Time(created), store.Time(abs)
	g.SuspectAt, g.EndedAt = timeOrZero(suspect), timeOrZero(ended)
	return g, json.Unmarshal([]byte(amr), &g.AMR)
}

// fromText reads what grantText wrote.
func (g *Grant) fromText(text string) error {
	f := strings.Split(text, fieldSep)
	if len(f) != 15 {
		return errors.New("session: a grant of another form")
	}
	var numbers [6]int64
	for i, at := range [...]int{6, 10, 11, 12, 13, 14} {
		n, err := strconv.ParseInt(f[at], 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	g.Session, g.Scope, g.Details, g.Audience, g.ACR = ID(f[0]), f[1], f[2], f[3], f[4]
	g.AuthTime, g.Key, g.JKT, g.Offline = store.Time(numbers[0]), device.KeyID(f[7]), f[8], f[9] != ""
	g.CreatedAt, g.AbsExp, g.epoch, g.SuspectAt, g.Version = store.Time(numbers[1]), store.Time(numbers[2]), numbers[3], timeOrZero(numbers[4]), numbers[5]
	return json.Unmarshal([]byte(f[5]), &g.AMR)
}
