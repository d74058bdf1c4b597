package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// keys registers what an owner does to the keys of their bots.
func (s *Server) keys() {
	const (
		asked  = " apikey_purpose apikey_public apikey_scopes apikey_address apikey_needs_addresses apikey_withdraw apikey_limits apikey_day_cap"
		widens = " step_up_required insufficient_power apikey_held"
	)
	add(s, operation{id: "keys-list", call: "GET /keys", tag: "keys", access: holder, limit: edge.ClassAPI, summary: "The account's API keys, ended ones too"}, s.keyList)
	add(s, operation{
		id: "keys-create", call: "POST /keys", tag: "keys", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes: "apikey_too_many apikey_sub" + asked + widens, summary: "Make an API key",
		about: "Needs a touch for botkeys.add with the object that step_up_required names: it stands for all that this key could do, so send exactly the same again. With hmac-sha256 the answer is the only place where the secret ever appears.",
	}, s.keyCreate)
	add(s, operation{id: "keys-read", call: "GET /keys/{id}", tag: "keys", access: holder, limit: edge.ClassAPI, codes: "apikey_unknown", summary: "One API key"}, s.keyRead)
	add(s, operation{
		id: "keys-change", call: "PATCH /keys/{id}", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown apikey_changed" + asked + widens, summary: "Change an API key",
		about: "What is left out stays. Taking away needs no touch; anything more (a right, a symbol, an address, time, speed) needs one for botkeys.change with the object that step_up_required names: it stands for the key as it is and all that it is to become, so send exactly the same again. Answers when the old form is refused everywhere. Changing the addresses of a key that may withdraw locks that right again.",
	}, s.keyChange)
	add(s, operation{
		id: "keys-end", call: "DELETE /keys/{id}", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown", summary: "End an API key", about: "For good, without a touch. Answers when it is refused everywhere.",
	}, s.keyEnd)
	add(s, operation{
		id: "keys-unlock", call: "POST /keys/{id}/unlock", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown apikey_second_device" + widens, summary: "Let an API key withdraw",
		about: "Needs a touch for botkeys.unlock with this id, on another device than the one that gave the right or widened the key last, and one that was known for a day.",
	}, s.keyUnlock)
	add(s, operation{
		id: "keys-release", call: "POST /keys/{id}/release", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown apikey_changed apikey_leaked" + widens, summary: "Let a suspected API key work again",
		about: "Needs a touch for botkeys.release with this id: a thief would say the same. A key whose secret was reported from outside is never released.",
	}, s.keyRelease)
	add(s, operation{
		id: "keys-wake", call: "POST /keys/{id}/wake", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown apikey_changed" + widens, summary: "Give an API key its resting rights back",
		about: "Rights rest when nobody uses a key for 30, 60 and 90 days. Needs a touch for botkeys.wake with this id. Withdrawing stays locked.",
	}, s.keyWake)
	add(s, operation{
		id: "keys-story", call: "GET /keys/{id}/story", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown", summary: "Who made and changed an API key, and what it did, by minute",
		about: "The newest first, at most 2000 lines and 500 changes; ask for a shorter time to see older ones. The last minute may be missing.",
	}, s.keyStory)
	add(s, operation{
		id: "keys-story-signed", call: "GET /keys/{id}/story/signed", tag: "keys", access: holder, limit: edge.ClassAPI,
		codes: "apikey_unknown", summary: "The same as one signed document",
		about: "Keep it byte for byte: the signature is over its \"story\" as it stands, under the key of the event log, and `keyward key verify-story` checks it far from here. At most 20,000 lines; \"cut\" says when there were more.",
	}, s.keyStorySigned)
}

// APIKey is a key of a bot. Nothing secret is in it.
type APIKey struct {
	ID        string    `json:"id" example:"kwk_live_3Hf9QxT2mVb7LpR8sWc1Zd0a1B2c"`
	Version   int64     `json:"version" doc:"Send it with a change."`
	Purpose   string    `json:"purpose"`
	Sub       string    `json:"sub_account,omitempty" doc:"Id of the sub-account it belongs to; absent: the account itself."`
	Partner   string    `json:"partner,omitempty" doc:"Who was given it."`
	State     string    `json:"state" enum:"pending,active,exit_only,ended" doc:"exit_only: it can look and cancel, nothing else."`
	Suspected bool      `json:"suspected" doc:"It may have leaked."`
	Profile   string    `json:"profile"`
	Alg       string    `json:"alg"`
	Scopes    []string  `json:"scopes" nullable:"false"`
	Locked    bool      `json:"locked" doc:"Its right to withdraw waits for another device."`
	Symbols   []string  `json:"symbols" nullable:"false" doc:"That it may trade; empty: all."`
	Addresses []string  `json:"addresses" nullable:"false" doc:"Where it works, as addresses or ranges; empty: everywhere."`
	Denied    []string  `json:"denied_addresses" nullable:"false"`
	Starts    time.Time `json:"starts_at"`
	Expires   time.Time `json:"expires_at" doc:"After it the key can look and cancel for a while."`
	WindowMS  int64     `json:"window_ms" doc:"How long a request may be under way."`
	PerMinute int       `json:"per_minute"`
	DayCap    *DayCap   `json:"day_cap,omitempty" doc:"Absent: none."`
	CreatedAt time.Time `json:"created_at"`
	Address   string    `json:"created_from,omitempty"`
	Device    string    `json:"device" doc:"That made it; empty for a key that was brought in."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"To the minute; absent: never."`
	LastFrom  string    `json:"last_used_from,omitempty"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	EndedWhy  string    `json:"ended_why,omitempty"`
	Asleep    []string  `json:"resting_scopes,omitempty" nullable:"false" doc:"Of its scopes, those that rest because nobody used the key."`
	IdleSince time.Time `json:"idle_since,omitzero" doc:"What that was counted from."`
}

// DayCap is how much a key may trade from midnight to midnight (UTC).
type DayCap struct {
	Amount   string `json:"amount" maxLength:"32" doc:"A plain number with at most six decimals; empty, with currency empty: no cap."`
	Currency string `json:"currency" maxLength:"12" doc:"As the exchange writes it."`
}

func dayCapOf(c apikey.DayCap) *DayCap {
	if c.Most == 0 {
		return nil
	}
	return &DayCap{c.Text(), c.Currency}
}

func keyOf(k apikey.Key, now time.Time) APIKey {
	return APIKey{
		ID: string(k.ID), Version: k.Version, Purpose: k.Purpose, Sub: k.Sub, Partner: k.Partner, State: string(k.State(now)), Suspected: k.Status == apikey.Quarantined,
		Profile: string(k.Profile), Alg: string(k.Alg), Scopes: k.Scopes.Names(), Locked: k.Locked, Symbols: orEmpty(k.Symbols),
		Addresses: each(k.Allow, netip.Prefix.String), Denied: each(k.Deny, netip.Prefix.String), Starts: k.Starts, Expires: k.Expires,
		WindowMS: k.Window.Milliseconds(), PerMinute: k.PerMin, DayCap: dayCapOf(k.DayCap), CreatedAt: k.Made.At, Address: k.Made.Addr, Device: string(k.Made.Device),
		LastUsed: k.UsedAt, LastFrom: k.UsedAddr, EndedAt: k.EndedAt, EndedWhy: k.EndedWhy, Asleep: (k.Scopes & k.Asleep.Rights()).Names(), IdleSince: k.IdleSince,
	}
}

type (
	keysOut struct{ Body List[APIKey] }
	keyOut  struct{ Body APIKey }
)

func (s *Server) keyList(ctx context.Context, _ *none) (*keysOut, error) {
	out := &keysOut{List[APIKey]{Items: []APIKey{}}}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		all, err := s.BotKeys.List(tx, caller(ctx).Account)
		for _, k := range all {
			out.Body.Items = append(out.Body.Items, keyOf(k, tx.Now))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ownKey finds a key of the caller. apikey_unknown when it is not theirs.
func (s *Server) ownKey(ctx context.Context, id string) (k apikey.Key, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		k, err = s.BotKeys.ByID(tx, caller(ctx).Account, apikey.ID(id))
		return err
	})
	return k, err
}

// keyIDIn: a key that was brought in keeps the id it has always had.
type keyIDIn struct {
	ID string `path:"id" maxLength:"128"`
}

func (s *Server) keyRead(ctx context.Context, in *keyIDIn) (*keyOut, error) {
	k, err := s.ownKey(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &keyOut{keyOf(k, s.DB.Now())}, nil
}

// by is who asks, for the log and for the key that is made.
func by(ctx context.Context) apikey.By {
	ses := caller(ctx).Session
	b := apikey.By{Account: ses.Account, Session: string(ses.ID), Device: ses.Device, Agent: device.Agent(request(ctx).UserAgent()).String()}
	if addr := cause(ctx).Addr; addr.IsValid() {
		b.Addr = addr.String()
	}
	return b
}

type keyCreateIn struct {
	Body struct {
		Purpose   string   `json:"purpose" maxLength:"800" doc:"What it is for, in the owner's words."`
		Profile   string   `json:"profile,omitempty" doc:"How its client signs: keyward-v1 when left out, or the way of another exchange, as binance, okx or upbit."`
		Alg       string   `json:"alg,omitempty" doc:"The best that the profile has when left out: ed25519 with keyward-v1."`
		PublicKey string   `json:"public_key,omitempty" maxLength:"100" doc:"With ed25519: its 32 bytes in base64. Never the private half."`
		Scopes    []string `json:"scopes" nullable:"false" maxItems:"32"`
		Symbols   []string `json:"symbols,omitempty" nullable:"false" maxItems:"200" doc:"That it may trade; empty: all."`
		Addresses []string `json:"addresses,omitempty" nullable:"false" maxItems:"64" doc:"Where it works, as addresses or ranges; empty: everywhere, which only a key that looks and cancels may."`
		Denied    []string `json:"denied_addresses,omitempty" nullable:"false" maxItems:"64"`
		Sub       string   `json:"sub_account,omitempty" maxLength:"64"`
		Starts    string   `json:"starts_at,omitempty" format:"date-time" doc:"Now when left out."`
		Days      int      `json:"days,omitempty" doc:"How long it lives, 90 when left out, 366 at most."`
		WindowMS  int64    `json:"window_ms,omitempty" doc:"How long a request may be under way, 10000 when left out."`
		PerMinute int      `json:"per_minute,omitempty" doc:"Requests a minute, 1200 when left out."`
		DayCap    *DayCap  `json:"day_cap,omitempty" doc:"How much it may trade a day; none when left out."`
		Test      bool     `json:"test,omitempty" doc:"For the sandbox."`
	} `nameHint:"APIKeyBody"`
}

// CreatedKey is a new key with what is shown once.
type CreatedKey struct {
	Key    APIKey `json:"key"`
	Secret string `json:"secret,omitempty" doc:"Of a shared one, here and nowhere else."`

	Passphrase string `json:"passphrase,omitempty" doc:"A second secret that clients of some profiles send along."`
}

// String keeps the secret out of logs even when somebody prints the answer.
func (c CreatedKey) String() string { return "key " + c.Key.ID }

type keyCreatedOut struct{ Body CreatedKey }

func (s *Server) keyCreate(ctx context.Context, in *keyCreateIn) (*keyCreatedOut, error) {
	b := in.Body
	n := apikey.NewKey{
		Purpose: b.Purpose, Sub: b.Sub, Profile: apikey.Profile(b.Profile), Alg: apikey.Alg(b.Alg), Symbols: b.Symbols, Life: time.Duration(b.Days) * 24 * time.Hour,
		Window: time.Duration(b.WindowMS) * time.Millisecond, PerMin: b.PerMinute, Test: b.Test,
	}
	// Numbers that leave the range of a duration must not come back into it.
	if b.Days < 0 || b.Days > 366 || b.WindowMS < 0 || b.WindowMS > 60_000 {
		return nil, apikey.ErrLife
	}
	var err error
	if n.Scopes, err = scopesOf(b.Scopes); err != nil {
		return nil, err
	}
	if n.Allow, err = placesOf(b.Addresses); err != nil {
		return nil, err
	}
	if n.Deny, err = placesOf(b.Denied); err != nil {
		return nil, err
	}
	if b.DayCap != nil {
		if n.DayCap, err = apikey.ParseDayCap(b.DayCap.Amount, b.DayCap.Currency); err != nil {
			return nil, err
		}
	}
	if b.PublicKey != "" {
		if n.Public, err = base64.StdEncoding.Strict().DecodeString(b.PublicKey); err != nil {
			if n.Public, err = base64.RawURLEncoding.Strict().DecodeString(b.PublicKey); err != nil {
				return nil, apikey.ErrPublic.At("/public_key", "is not base64")
			}
		}
	}
	if b.Starts != "" {
		if n.Starts, err = time.Parse(time.RFC3339, b.Starts); err != nil {
			return nil, apikey.ErrLife.At("/starts_at", "is not a time")
		}
	}
	c, err := s.BotKeys.Add(ctx, cause(ctx), by(ctx), n)
	if err != nil {
		return nil, err
	}
	return &keyCreatedOut{CreatedKey{Key: keyOf(c.Key, s.DB.Now()), Secret: c.Secret, Passphrase: c.Passphrase}}, nil
}

// scopesOf reads rights, one to each string: "read.account trade.spot" is no right.
func scopesOf(names []string) (out apikey.Scopes, err error) {
	for _, name := range names {
		one, ok := apikey.ScopeByName(name)
		if !ok || out&one != 0 {
			return 0, apikey.ErrScopes.At("/scopes", "there is no such right, or it is there twice")
		}
		out |= one
	}
	return out, nil
}

func placesOf(list []string) ([]netip.Prefix, error) {
	return apikey.ParsePlaces(strings.Join(list, "\n"))
}

type keyChangeIn struct {
	ID   string `path:"id" maxLength:"128"`
	Body struct {
		Version   int64      `json:"version" doc:"That was read: when the key has changed since, nothing is done."`
		Purpose   *string    `json:"purpose,omitempty" maxLength:"800"`
		Scopes    []string   `json:"scopes,omitempty" nullable:"false" maxItems:"32" doc:"All that it may do from now on."`
		Symbols   []string   `json:"symbols,omitempty" nullable:"false" maxItems:"200"`
		Addresses []string   `json:"addresses,omitempty" nullable:"false" maxItems:"64"`
		Denied    []string   `json:"denied_addresses,omitempty" nullable:"false" maxItems:"64"`
		Expires   *time.Time `json:"expires_at,omitempty"`
		PerMinute *int       `json:"per_minute,omitempty"`
		DayCap    *DayCap    `json:"day_cap,omitempty"`
	} `nameHint:"APIKeyChange"`
}

func (s *Server) keyChange(ctx context.Context, in *keyChangeIn) (*keyOut, error) {
	k, err := s.ownKey(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	e, b := k.Edit(), in.Body
	if b.Purpose != nil {
		e.Purpose = *b.Purpose
	}
	if b.Scopes != nil {
		if e.Scopes, err = scopesOf(b.Scopes); err != nil {
			return nil, err
		}
	}
	if b.Symbols != nil {
		e.Symbols = b.Symbols
	}
	if b.Addresses != nil {
		if e.Allow, err = placesOf(b.Addresses); err != nil {
			return nil, err
		}
	}
	if b.Denied != nil {
		if e.Deny, err = placesOf(b.Denied); err != nil {
			return nil, err
		}
	}
	if b.Expires != nil {
		e.Expires = *b.Expires
	}
	if b.PerMinute != nil {
		e.PerMin = *b.PerMinute
	}
	if b.DayCap != nil {
		if e.DayCap, err = apikey.ParseDayCap(b.DayCap.Amount, b.DayCap.Currency); err != nil {
			return nil, err
		}
	}
	if k, err = s.BotKeys.Change(ctx, cause(ctx), by(ctx), k.ID, b.Version, e); err != nil {
		return nil, err
	}
	return &keyOut{keyOf(k, s.DB.Now())}, nil
}

func (s *Server) keyEnd(ctx context.Context, in *keyIDIn) (*effectOut, error) {
	e, err := s.Contain.EndBotKey(ctx, cause(ctx), caller(ctx).Account, apikey.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}

func (s *Server) keyUnlock(ctx context.Context, in *keyIDIn) (*keyOut, error) {
	k, err := s.BotKeys.Unlock(ctx, cause(ctx), by(ctx), apikey.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &keyOut{keyOf(k, s.DB.Now())}, nil
}

func (s *Server) keyRelease(ctx context.Context, in *keyIDIn) (*keyOut, error) {
	k, err := s.BotKeys.Release(ctx, cause(ctx), by(ctx), apikey.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &keyOut{keyOf(k, s.DB.Now())}, nil
}

func (s *Server) keyWake(ctx context.Context, in *keyIDIn) (*keyOut, error) {
	k, err := s.BotKeys.Wake(ctx, cause(ctx), by(ctx), apikey.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &keyOut{keyOf(k, s.DB.Now())}, nil
}

type keyStoryIn struct {
	ID   string    `path:"id" maxLength:"128"`
	From time.Time `query:"from" doc:"Seven days ago when left out. Stories are kept for 90 days."`
	To   time.Time `query:"to" doc:"Now when left out."`
}

// KeyMinute is what a key did in one minute from one address.
type KeyMinute struct {
	Minute  time.Time `json:"minute"`
	Address string    `json:"address,omitempty" doc:"Absent when there were too many to name."`
	Class   string    `json:"class" enum:"read,trade,cancel,transfer,withdraw,key"`
	Refused string    `json:"refused,omitempty" doc:"Why; absent: let in. Only its owner reads the cause of what was refused before its signature held."`
	N       int64     `json:"n"`
}

// KeyStory is a window of what is known of a key.
type KeyStory struct {
	Items   []KeyMinute `json:"items" nullable:"false"`
	Changes []Event     `json:"changes" nullable:"false" doc:"Who made and changed it, the newest first."`
}

type keyStoryOut struct{ Body KeyStory }

func (s *Server) keyStory(ctx context.Context, in *keyStoryIn) (*keyStoryOut, error) {
	out := &keyStoryOut{KeyStory{Items: []KeyMinute{}}}
	lang := edge.Lang(request(ctx))
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		k, err := s.BotKeys.ByID(tx, caller(ctx).Account, apikey.ID(in.ID))
		if err != nil {
			return err
		}
		from, to := in.window(tx.Now)
		changes, err := s.BotKeys.Changes(tx, k, from, to)
		if err != nil {
			return err
		}
		out.Body.Changes = each(changes, func(r audit.Record) Event { return eventOf(r, lang) })
		lines, err := s.BotKeys.Story(tx, k, from, to)
		for _, l := range lines {
			out.Body.Items = append(out.Body.Items, KeyMinute{l.Minute, l.Addr, string(l.Class), string(l.Code), l.N})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// window is what is asked for: the last seven days when nothing is said.
func (in *keyStoryIn) window(now time.Time) (from, to time.Time) {
	from, to = in.From, in.To
	if from.IsZero() {
		from = now.Add(-7 * 24 * time.Hour)
	}
	if to.IsZero() {
		to = now.Add(time.Minute) // the minute that has begun, too
	}
	return from, to
}

type keySignedOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) keyStorySigned(ctx context.Context, in *keyStoryIn) (*keySignedOut, error) {
	out := &keySignedOut{ContentType: "application/json"}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		k, err := s.BotKeys.ByID(tx, caller(ctx).Account, apikey.ID(in.ID))
		if err != nil {
			return err
		}
		from, to := in.window(tx.Now)
		out.Body, err = s.BotKeys.SignedStory(tx, k, from, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
