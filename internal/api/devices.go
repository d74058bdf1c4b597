package api

import (
	"context"
	"slices"

	"keyward/internal/apikey"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// devices registers what is done to devices.
func (s *Server) devices() {
	add(s, operation{id: "devices-list", call: "GET /devices", tag: "devices", access: holder, limit: edge.ClassAPI, summary: "The account's devices with their sessions and passkeys"}, s.deviceList)
	add(s, operation{id: "devices-rename", call: "PATCH /devices/{id}", tag: "devices", access: holder, limit: edge.ClassAPI, codes: "device_unknown key_unknown key_too_new insufficient_power", summary: "Name a device"}, s.deviceRename)
	add(s, operation{
		id: "devices-impact", call: "GET /devices/{id}/impact", tag: "devices", access: holder, limit: edge.ClassAPI,
		codes: "device_unknown", summary: "What removing a device would stop", about: "Show it before the touch.",
	}, s.deviceImpact)
	add(s, operation{
		id: "devices-remove", call: "DELETE /devices/{id}", tag: "devices", access: holder, limit: edge.ClassAPI,
		codes: "device_unknown apikey_unknown key_unknown last_key step_up_required insufficient_power account_frozen account_restricted", summary: "Remove a device",
		about: "Needs a touch for devices.remove with this id. In one act it ends its sessions with all their tokens, what apps were given from it and the API keys made from it, and removes the passkeys that live there or were added from there; never the last passkey. What goes on is named. Answers when all of it is refused everywhere.",
	}, s.deviceRemove)
}

type devicesOut struct{ Body List[Device] }

func (s *Server) deviceList(ctx context.Context, _ *none) (*devicesOut, error) {
	by := caller(ctx).Session
	out := &devicesOut{List[Device]{Items: []Device{}}}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		all, err := s.Devices.Devices(tx, by.Account)
		if err != nil {
			return err
		}
		live, keys, err := s.holdings(tx, by)
		for _, d := range all {
			out.Body.Items = append(out.Body.Items, deviceOf(d, by, live, keys))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// holdings is what can act for the account.
func (s *Server) holdings(tx *store.Tx, by session.Session) (live []session.Session, keys []device.Key, err error) {
	if live, _, err = s.Sessions.List(tx, by.Account); err != nil {
		return nil, nil, err
	}
	keys, err = s.Devices.Keys(tx, by.Account)
	return live, keys, err
}

type deviceOut struct{ Body Device }

func (s *Server) deviceRename(ctx context.Context, in *nameIn) (*deviceOut, error) {
	by, id := caller(ctx).Session, device.ID(in.ID)
	if err := s.Contain.NameDevice(ctx, cause(ctx), by, id, in.Body.Name); err != nil {
		return nil, err
	}
	out := &deviceOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		d, err := s.Devices.Device(tx, by.Account, id)
		if err != nil {
			return err
		}
		live, keys, err := s.holdings(tx, by)
		out.Body = deviceOf(d, by, live, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Impact is what an act would stop.
type Impact struct {
	Device   Device    `json:"device"`
	Sessions []Session `json:"sessions" nullable:"false" doc:"Would end, with their refresh tokens and the keys they are bound to."`
	Apps     []App     `json:"apps" nullable:"false" doc:"Given from it: would be disconnected."`
	Passkeys []Passkey `json:"passkeys" nullable:"false" doc:"Would be removed."`
	Added    []Passkey `json:"added_passkeys" nullable:"false" doc:"Added from it, and living elsewhere or nobody knows where: that they do is the word of the browser that asked. Would be removed, but for those that are kept by name. Ask which of them the person has in hand, the one of this session first."`
	Shared   []Passkey `json:"shared_passkeys" nullable:"false" doc:"Of a password manager, made elsewhere, that signed in on it in the last weeks. They stay: whoever opens the manager on that device may still have them. Replace them if it was lost unlocked."`
	APIKeys  []APIKey  `json:"api_keys" nullable:"false" doc:"Made from it: would end, but for those that are kept by name."`
	LastKey  bool      `json:"last_key" doc:"passkeys are the only way in, so the act would be refused."`
	LastKept bool      `json:"last_kept" doc:"passkeys and added_passkeys are the only way in: one of added_passkeys has to be kept."`
	Self     bool      `json:"self" doc:"It is the device that asks."`
}

type impactOut struct{ Body Impact }

func (s *Server) deviceImpact(ctx context.Context, in *idIn) (*impactOut, error) {
	by := caller(ctx).Session
	var im contain.Impact
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		im, err = s.Contain.PreviewDevice(tx, by, device.ID(in.ID))
		return err
	})
	if err != nil {
		return nil, err
	}
	connected, err := s.OAuth.Connected(ctx, by.Account)
	if err != nil {
		return nil, err
	}
	d := deviceOf(im.Device, by, im.Sessions, im.Keys)
	out := Impact{Device: d, Sessions: d.Sessions, Apps: []App{}, Passkeys: d.Passkeys, Added: each(im.Added, passkeyOf), Shared: each(im.Shared, passkeyOf), APIKeys: []APIKey{}, LastKey: im.LastKey, LastKept: im.LastKept, Self: im.Self}
	for _, c := range connected {
		if slices.ContainsFunc(im.Apps, func(g session.Held) bool { return g.ID == c.ID }) {
			out.Apps = append(out.Apps, appOf(c))
		}
	}
	for _, k := range im.BotKeys {
		out.APIKeys = append(out.APIKeys, keyOf(k, s.DB.Now()))
	}
	return &impactOut{out}, nil
}

type deviceRemoveIn struct {
	ID       string   `path:"id" maxLength:"64"`
	KeepKeys []string `query:"keep_keys" maxItems:"32" doc:"Ids of passkeys added from it that stay, with commas between. All others that were added from it go, also one that was added since you looked."`
	Keep     []string `query:"keep_api_keys" maxItems:"32" doc:"Ids of API keys made from it that go on, with commas between. All others made from it end, also one that was made since you looked."`
}

func (s *Server) deviceRemove(ctx context.Context, in *deviceRemoveIn) (*effectOut, error) {
	var keep contain.Keep
	for _, id := range in.Keep {
		keep.APIKeys = append(keep.APIKeys, apikey.ID(id))
	}
	for _, id := range in.KeepKeys {
		keep.Keys = append(keep.Keys, device.KeyID(id))
	}
	e, err := s.Contain.RemoveDevice(ctx, cause(ctx), caller(ctx).Session, device.ID(in.ID), keep)
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}
