package api

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// joins registers how a new device comes in by a code, for both sides.
func (s *Server) joins() {
	add(s, operation{
		id: "join-show", call: "POST /join", tag: "joins", access: binding, limit: edge.ClassJoin, status: http.StatusCreated,
		summary: "Show a code on a new device", about: "Ten minutes, once; an older code of this key is dead. It is typed into a device that is signed in, never the other way, never sent by mail. See docs/new-device.md.",
	}, s.joinShow)
	add(s, operation{
		id: "join-state", call: "GET /join", tag: "joins", access: binding, limit: edge.ClassAPI,
		summary: "What became of the code", about: "Ask every few seconds. It never says whose device typed it, and of what is over only that.",
	}, s.joinState)
	add(s, operation{
		id: "join-begin", call: "POST /join/begin", tag: "joins", access: binding, limit: edge.ClassSignInBegin,
		codes: "join_waiting join_gone", summary: "Begin the passkey of a device that was let in",
	}, s.joinBegin)
	add(s, operation{
		id: "join-finish", call: "POST /join/finish", tag: "joins", access: binding, limit: edge.ClassSignInFinish, status: http.StatusCreated,
		codes:   "join_waiting join_gone passkey_not_accepted challenge_expired challenge_spent credential_taken account_closed",
		summary: "Add the passkey and sign in", about: "Withdrawals of the account are held for 24 hours from now.",
	}, s.joinFinish)
	add(s, operation{
		id: "joins-claim", call: "POST /joins", tag: "joins", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes:   "join_code_not_accepted join_open insufficient_power account_frozen account_restricted held",
		summary: "Type the code of a new device", about: "Few tries, counted by account and address. Show the person what comes back beside their own device before you ask for a touch.",
	}, s.joinClaim)
	add(s, operation{
		id: "joins-read", call: "GET /joins/{id}", tag: "joins", access: holder, limit: edge.ClassAPI, codes: "join_unknown", summary: "A new device that waits, or was answered",
	}, s.joinRead)
	add(s, operation{
		id: "joins-admit", call: "POST /joins/{id}/admit", tag: "joins", access: holder, limit: edge.ClassAPI,
		codes: "join_unknown join_gone step_up_required insufficient_power account_frozen account_restricted held", summary: "Let it in",
		about: "Needs a touch for devices.admit with this id, given on the session that typed the code. The device then has five minutes from the touch for one passkey.",
	}, s.joinAdmit)
	add(s, operation{
		id: "joins-refuse", call: "DELETE /joins/{id}", tag: "joins", access: holder, limit: edge.ClassAPI,
		codes: "join_unknown join_gone", summary: "Refuse it, for good", about: "Also after a yes, until its passkey is there.",
	}, s.joinRefuse)
	add(s, operation{
		id: "devices-handover", call: "GET /devices/{id}/handover", tag: "devices", access: holder, limit: edge.ClassAPI,
		codes: "device_unknown", summary: "What changing from this device to a new one means, and how far it is",
	}, s.handover)
	add(s, operation{
		id: "devices-retire", call: "POST /devices/{id}/retire", tag: "devices", access: holder, limit: edge.ClassAPI,
		codes: "device_unknown new_device_untested last_key step_up_required insufficient_power account_frozen account_restricted", summary: "Retire a device after changing to a new one",
		about: "Needs a touch for devices.remove with this id. As removing it, but synced passkeys stay, and only once something new was seen to work.",
	}, s.deviceRetire)
}

// JoinCode is what a new device shows.
type JoinCode struct {
	Code    string    `json:"code" example:"7K2QD-XW4RT"`
	Expires time.Time `json:"expires_at"`
}

type joinCodeOut struct{ Body JoinCode }

func (s *Server) joinShow(ctx context.Context, _ *none) (*joinCodeOut, error) {
	c, err := s.SignIn.ShowCode(ctx, s.from(ctx, false))
	if err != nil {
		return nil, err
	}
	return &joinCodeOut{JoinCode{c.Text, c.Until}}, nil
}

// JoinState is what the new device may know.
type JoinState struct {
	State   string    `json:"state" enum:"shown,claimed,admitted,expired" doc:"admitted: begin. expired: ran out, was used or was refused."`
	Expires time.Time `json:"expires_at,omitzero"`
	For     string    `json:"for,omitempty" doc:"After the yes: whose account. Show it before the passkey is made: somebody may have typed the code into theirs."`
}

type joinStateOut struct{ Body JoinState }

func (s *Server) joinState(ctx context.Context, _ *none) (*joinStateOut, error) {
	w, err := s.SignIn.JoinOf(ctx, s.from(ctx, false))
	if err != nil {
		return nil, err
	}
	return &joinStateOut{JoinState{string(w.State), w.Until, w.For}}, nil
}

func (s *Server) joinBegin(ctx context.Context, _ *none) (*optionsOut, error) {
	return optionsOf(s.SignIn.BeginJoin(ctx, s.from(ctx, false)))
}

func (s *Server) joinFinish(ctx context.Context, in *passkeyFinishIn) (*tokensOut, error) {
	return s.enteredOf(s.SignIn.FinishJoin(ctx, cause(ctx), s.from(ctx, false), in.Body.Name, in.Body.Credential))
}

// Join is a new device as its owner sees it.
type Join struct {
	ID          string    `json:"id" example:"joi_01jd8f00000000000000000000"`
	State       string    `json:"state" enum:"claimed,admitted,refused,used,expired"`
	Browser     string    `json:"browser,omitempty" doc:"Of the new device, as it says."`
	System      string    `json:"system,omitempty"`
	Address     string    `json:"address" doc:"Where the new device is."`
	OwnAddress  string    `json:"own_address" doc:"Where this request came from, to show beside it."`
	SameNetwork bool      `json:"same_network" doc:"Both are in one /24 or /48. If not, warn: somebody may have sent the code from afar."`
	Passkey     string    `json:"passkey,omitempty" doc:"The one it added."`
	Expires     time.Time `json:"expires_at"`
	HeldHours   int       `json:"withdrawals_held_hours" doc:"For how long withdrawals would be held. Say it before the touch."`
}

type joinOut struct{ Body Join }

func joinOf(ctx context.Context, j signin.Join) *joinOut {
	own := cause(ctx).Addr
	v := Join{
		ID: j.ID, State: string(j.State), Browser: j.Agent.Browser, System: j.Agent.System, Address: j.Addr, OwnAddress: own.String(),
		Passkey: string(j.Key), Expires: j.Expires, HeldHours: int(signin.NewKeyHold / time.Hour),
	}
	if at, err := netip.ParseAddr(j.Addr); err == nil {
		v.SameNetwork = edge.Neighbours(at, own)
	}
	return &joinOut{v}
}

type joinClaimIn struct {
	Body struct {
		Code string `json:"code" maxLength:"200" doc:"As people type it: case, spaces and dashes do not matter."`
	} `nameHint:"JoinClaimBody"`
}

func (s *Server) joinClaim(ctx context.Context, in *joinClaimIn) (*joinOut, error) {
	by := caller(ctx).Session
	// Counted here and not with the route: only who is signed in may use tries up.
	if err := s.Limiter.CheckAddr(edge.ClassJoinCode, cause(ctx).Addr); err != nil {
		return nil, err
	}
	if err := s.Limiter.Check(edge.ClassJoinCode, "account:"+string(by.Account)); err != nil {
		return nil, err
	}
	j, err := s.SignIn.ClaimJoin(ctx, cause(ctx), by, in.Body.Code)
	if err != nil {
		return nil, err
	}
	return joinOf(ctx, j), nil
}

func (s *Server) joinRead(ctx context.Context, in *idIn) (out *joinOut, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		j, err := s.SignIn.JoinByID(tx, caller(ctx).Account, in.ID)
		out = joinOf(ctx, j)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Server) joinAdmit(ctx context.Context, in *idIn) (*joinOut, error) {
	j, err := s.SignIn.AdmitJoin(ctx, cause(ctx), caller(ctx).Session, in.ID)
	if err != nil {
		return nil, err
	}
	return joinOf(ctx, j), nil
}

func (s *Server) joinRefuse(ctx context.Context, in *idIn) (*none, error) {
	return nil, s.SignIn.RefuseJoin(ctx, cause(ctx), caller(ctx).Session, in.ID)
}

// Handover is what moves from an old device, what does not, and how far it is.
type Handover struct {
	Device   Device       `json:"device" doc:"The old one."`
	Self     bool         `json:"self" doc:"It is the device that asks."`
	Moves    []Passkey    `json:"moves" nullable:"false" doc:"Synced: their manager brings them along, and retiring keeps them."`
	Stays    []Passkey    `json:"stays" nullable:"false" doc:"Can only be used on the old device, and go with it."`
	Sessions []Session    `json:"sessions" nullable:"false" doc:"End with it."`
	Apps     []string     `json:"apps" nullable:"false" doc:"Ids of grants that were given from it and end with it."`
	Keys     []string     `json:"keys" nullable:"false" doc:"Ids of API keys made on it. They go on."`
	New      []NewPasskey `json:"new" nullable:"false" doc:"Of the last seven days: what may be the new device's."`
	Retire   bool         `json:"retire" doc:"Something new was seen to work, so the old one may be retired."`

	NotBefore *time.Time `json:"not_before,omitempty" doc:"The key of this session is too new to retire an older device before then. Until then only a touch of one of would_do does, best on the old device itself."`
	WouldDo   []string   `json:"would_do" nullable:"false" doc:"Ids of the keys whose touch would do now."`
}

// NewPasskey may be that of the new device.
type NewPasskey struct {
	Passkey Passkey `json:"passkey"`
	Device  string  `json:"device,omitempty" doc:"The device it was seen on; absent when it is not known."`
	Tested  bool    `json:"tested" doc:"It signed in, or gave a touch, since it was made there."`
}

type handoverOut struct{ Body Handover }

func (s *Server) handover(ctx context.Context, in *idIn) (*handoverOut, error) {
	by := caller(ctx).Session
	out := &handoverOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		h, err := s.Contain.PlanHandover(tx, by, device.ID(in.ID))
		if err != nil {
			return err
		}
		out.Body = Handover{
			Device: deviceOf(h.Old, by, h.Sessions, append(append([]device.Key{}, h.Moves...), h.Stays...)), Self: h.Self,
			Moves: each(h.Moves, passkeyOf), Stays: each(h.Stays, passkeyOf),
			Sessions: each(h.Sessions, func(x session.Session) Session { return sessionOf(x, by.ID) }),
			Apps:     []string{}, Keys: []string{}, New: []NewPasskey{}, Retire: h.Tested(),
			WouldDo: each(h.With, func(k device.Key) string { return string(k.ID) }),
		}
		if !h.Until.IsZero() {
			out.Body.NotBefore = &h.Until
		}
		for _, g := range h.Apps {
			out.Body.Apps = append(out.Body.Apps, string(g.ID))
		}
		for _, k := range h.BotKeys {
			out.Body.Keys = append(out.Body.Keys, string(k.ID))
		}
		for _, n := range h.New {
			out.Body.New = append(out.Body.New, NewPasskey{passkeyOf(n.Key), string(n.On.ID), n.Tested})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Server) deviceRetire(ctx context.Context, in *idIn) (*effectOut, error) {
	e, err := s.Contain.RetireDevice(ctx, cause(ctx), caller(ctx).Session, device.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}
