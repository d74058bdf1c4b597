package api

import (
	"time"

	"keyward/internal/account"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
)

// Facts turn what the domains know into JSON. Names here are a contract: fields
// may be added, never renamed and never given a second meaning.

// List is every list. Next is the cursor of the page after it, where there can be one.
type List[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"Send as \"before\" to read on; absent on the last page."`
}

// Session is one sign-in on one device.
type Session struct {
	ID          string    `json:"id" example:"ses_01jd8f00000000000000000000"`
	Device      string    `json:"device"`
	Kind        string    `json:"kind" enum:"web,api"`
	Current     bool      `json:"current" doc:"The session that asks."`
	ACR         string    `json:"acr" doc:"phr: any passkey; phrh: a key in attested hardware; urn:keyward:fallback: a recovery code, which can look, end and freeze only."`
	AMR         []string  `json:"amr" nullable:"false" doc:"RFC 8176."`
	AuthTime    time.Time `json:"auth_time" doc:"When the owner last proved presence."`
	Remembered  bool      `json:"remembered"`
	Bound       bool      `json:"bound" doc:"Its tokens need the key of its device."`
	BoundBy     string    `json:"bound_by" enum:"none,key,device" doc:"none: to nothing; key: a key that the browser's pages or the app keep; device: the browser itself, by a key of the device (DBSC)."`
	BoundAt     time.Time `json:"bound_at,omitzero" doc:"When the browser bound it to a key of the device."`
	Browser     string    `json:"browser,omitempty"`
	System      string    `json:"system,omitempty"`
	Address     string    `json:"address,omitempty" doc:"Client address at sign-in."`
	CreatedAt   time.Time `json:"created_at"`
	LastSeen    time.Time `json:"last_seen"`
	IdleExpires time.Time `json:"idle_expires_at,omitzero" doc:"When it ends if it is not refreshed."`
	Expires     time.Time `json:"expires_at" doc:"When it ends in any case."`
	SuspectAt   time.Time `json:"suspect_at,omitzero" doc:"A copy of its token was tried without its key."`
	VouchedAt   time.Time `json:"vouched_at,omitzero" doc:"The owner said \"this was me\"."`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	EndedWhy    string    `json:"ended_why,omitempty"`
	ReachMS     *int64    `json:"reach_ms,omitempty" doc:"How long until it was refused everywhere."`
}

func sessionOf(x session.Session, here session.ID) Session {
	v := Session{
		ID: string(x.ID), Device: string(x.Device), Kind: string(x.Kind), Current: x.ID == here, ACR: x.ACR, AMR: orEmpty(x.AMR), AuthTime: x.AuthTime,
		Remembered: x.Remember, Bound: x.JKT != "" || x.DeviceJKT != "", BoundBy: boundBy(x), BoundAt: x.BoundAt, Browser: x.Agent.Browser, System: x.Agent.System, Address: x.Addr,
		CreatedAt: x.CreatedAt, LastSeen: x.LastSeen, IdleExpires: x.IdleExp, Expires: x.AbsExp,
		SuspectAt: x.SuspectAt, VouchedAt: x.VouchedAt, EndedAt: x.EndedAt, EndedWhy: x.EndedWhy,
	}
	if x.ReachMS >= 0 && !x.EndedAt.IsZero() {
		v.ReachMS = &x.ReachMS
	}
	return v
}

func boundBy(x session.Session) string {
	switch {
	case x.DeviceJKT != "":
		return "device"
	case x.JKT != "":
		return "key"
	}
	return "none"
}

// Passkey is one key that signs the owner in.
type Passkey struct {
	ID        string    `json:"id" example:"key_01jd8f00000000000000000000"`
	Kind      string    `json:"kind" enum:"passkey,phone" doc:"phone: the touch key of an app."`
	Name      string    `json:"name"`
	Provider  string    `json:"provider,omitempty" doc:"Who keeps it, where known."`
	Grade     string    `json:"grade" enum:"synced,claimed,hardware" doc:"What is known about where the key lives. claimed: it says it stays on one device, without evidence."`
	Roaming   bool      `json:"roaming" doc:"A security key, as far as the browser said."`
	BackedUp  bool      `json:"backed_up"`
	Device    string    `json:"device" doc:"Where it was enrolled."`
	CreatedAt time.Time `json:"created_at"`
	LastUsed  time.Time `json:"last_used,omitzero"`
	RemovedAt time.Time `json:"removed_at,omitzero"`
	Evidence  Evidence  `json:"evidence"`
}

func passkeyOf(k device.Key) Passkey {
	return Passkey{
		Evidence: evidenceOf(k),
		ID:       string(k.ID), Kind: string(k.Kind), Name: k.Name, Provider: k.Provider, Grade: string(k.Grade), Roaming: k.Roaming(), BackedUp: k.BS,
		Device: string(k.Device), CreatedAt: k.CreatedAt, LastUsed: ever(k.LastUsed), RemovedAt: ever(k.RemovedAt),
	}
}

// Device is a browser profile or an app install.
type Device struct {
	ID        string    `json:"id" example:"dev_01jd8f00000000000000000000"`
	Name      string    `json:"name"`
	Platform  string    `json:"platform,omitempty"`
	Browser   string    `json:"browser,omitempty"`
	Current   bool      `json:"current" doc:"The device that asks."`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Sessions  []Session `json:"sessions" nullable:"false"`
	Passkeys  []Passkey `json:"passkeys" nullable:"false" doc:"Enrolled there."`
}

func deviceOf(d device.Device, by session.Session, live []session.Session, keys []device.Key) Device {
	v := Device{
		ID: string(d.ID), Name: d.Name, Platform: d.Platform, Browser: d.Browser, Current: d.ID == by.Device,
		FirstSeen: d.FirstSeen, LastSeen: d.LastSeen, Sessions: []Session{}, Passkeys: []Passkey{},
	}
	for _, x := range live {
		if x.Device == d.ID {
			v.Sessions = append(v.Sessions, sessionOf(x, by.ID))
			if x.LastSeen.After(v.LastSeen) {
				v.LastSeen = x.LastSeen
			}
		}
	}
	for _, k := range keys {
		if k.Device == d.ID {
			v.Passkeys = append(v.Passkeys, passkeyOf(k))
		}
	}
	return v
}

// Effect is the proof after an act that stops something.
type Effect struct {
	Sessions     int       `json:"sessions" doc:"How many ended."`
	APIKeys      int       `json:"api_keys,omitempty" doc:"How many API keys ended with a device."`
	EffectiveAt  time.Time `json:"effective_at" doc:"Refused everywhere from here on."`
	TookMS       int64     `json:"took_ms"`
	GatesPassed  int       `json:"gates_passed" doc:"Processes that confirmed it."`
	LeasesLapsed int       `json:"leases_lapsed" doc:"Processes whose right to answer from memory ran out."`
	OfflineUntil time.Time `json:"offline_until" doc:"Verifiers without a connection to us may accept an old token until then."`
}

func effectOf(e contain.Effect) Effect {
	return Effect{
		Sessions: e.Sessions, APIKeys: e.APIKeys, EffectiveAt: e.EffectiveAt.UTC(), TookMS: e.Took.Milliseconds(),
		GatesPassed: e.Gates.Passed, LeasesLapsed: e.Gates.Lapsed, OfflineUntil: e.Gates.OfflineUntil.UTC(),
	}
}

// Contact is one way to reach the owner.
type Contact struct {
	ID         string    `json:"id" example:"cnt_01jd8f00000000000000000000"`
	Kind       string    `json:"kind" enum:"mail"`
	Value      string    `json:"value"`
	AddedAt    time.Time `json:"added_at"`
	VerifiedAt time.Time `json:"verified_at,omitzero" doc:"Absent while it is only claimed."`
}

func contactOf(c account.Contact) Contact {
	return Contact{ID: c.ID, Kind: c.Kind, Value: c.Value, AddedAt: c.AddedAt, VerifiedAt: ever(c.VerifiedAt)}
}

// Tokens are what a sign-in, step-up or refresh hands out. They are secrets.
type Tokens struct {
	AccessToken    string    `json:"access_token" doc:"Send as \"Authorization: DPoP …\"."`
	TokenType      string    `json:"token_type" enum:"DPoP,Bearer" doc:"DPoP whenever the session is bound, as all sessions of apps are."`
	ExpiresIn      int64     `json:"expires_in" doc:"Seconds the access token lasts."`
	RefreshToken   string    `json:"refresh_token" doc:"Works once: keep the one that the refresh answers with."`
	RefreshExpires time.Time `json:"refresh_expires_at"`
	Account        string    `json:"account"`
	Session        string    `json:"session"`
	Remembered     bool      `json:"remembered"`
}

func tokensOf(i session.Issued, now time.Time) Tokens {
	t := Tokens{
		AccessToken: i.Access, TokenType: "Bearer", ExpiresIn: int64(i.AccessExp.Sub(now) / time.Second), RefreshToken: i.Refresh,
		RefreshExpires: i.RefreshExp.UTC(), Account: string(i.Account), Session: string(i.Session), Remembered: i.Remember,
	}
	if i.Bound {
		t.TokenType = "DPoP"
	}
	return t
}

// String keeps tokens out of logs even when somebody prints the answer.
func (t Tokens) String() string { return "tokens of " + t.Session }

// ever leaves out a moment that has not come: rows keep it as zero microseconds.
func ever(t time.Time) time.Time {
	if t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func each[T, V any](in []T, f func(T) V) []V {
	out := make([]V, 0, len(in))
	for _, x := range in {
		out = append(out, f(x))
	}
	return out
}
