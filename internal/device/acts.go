package device

import (
	"net/url"

	"keyward/internal/edge"
)

// What else a touch can be for. The words are bound into the WebAuthn challenge,
// so a touch given for one act cannot be used for another.
const (
	ActSessionsEndAll = "sessions.end_all"
	ActCodesNew       = "codes.new"
	ActContactsChange = "contacts.change"
	ActDevicesRemove  = "devices.remove" // object: the device
	ActDevicesAdmit   = "devices.admit"  // object: the join, which is one browser that showed one code
	ActFreezeLift     = "freeze.lift"
	ActApp            = "app.authorize"   // object: the app that asks
	ActBotKeyAdd      = "botkeys.add"     // object: hash of all the key could do
	ActBotKeyChange   = "botkeys.change"  // object: the key, "~", and a hash of what it is to become
	ActBotKeyRelease  = "botkeys.release" // object: the key
	ActBotKeyUnlock   = "botkeys.unlock"  // object: the key; on another device than the one that made it
	ActSubMake        = "subs.make"       // object: hash of all that is said of it
	ActSubChange      = "subs.change"     // object: the sub-account, "~", and a hash of what it is to become
	ActBotKeyWake     = "botkeys.wake"    // object: the key
	ActBotKeyRotate   = "botkeys.rotate"  // object: the key, "~", and a hash of what will sign and until when
	ActBotKeyKeep     = "botkeys.keep"    // object: the key, "~", and a hash of the old version and its new end
	ActBotKeyUndo     = "botkeys.undo"    // object: the key, "~", and a hash of both versions
	ActConfirmMe      = "confirm.me"      // "it is still me": gives the session new secrets, kept for nothing
)

// acts that a client may ask for by name; the value says whether an object
// belongs to it. Sign-in is not among them: it has no session yet.
var acts = map[string]bool{
	ActKeysAdd: false, ActKeysRemove: true, ActSessionsEndAll: false, ActCodesNew: false,
	ActContactsChange: false, ActDevicesRemove: true, ActDevicesAdmit: true, ActFreezeLift: false, ActApp: true, ActConfirmMe: false,
	ActBotKeyAdd: true, ActBotKeyChange: true, ActBotKeyUnlock: true, ActBotKeyRelease: true, ActBotKeyWake: true,
	ActSubMake: true, ActSubChange: true,
	ActBotKeyRotate: true, ActBotKeyKeep: true, ActBotKeyUndo: true,
}

var errBadAct = edge.E("bad_request")

// longest bounds an object. Ours are short; an API key that was brought in keeps the id
// it has always had.
func longest(kind string) int {
	switch kind {
	case ActBotKeyChange, ActBotKeyRotate, ActBotKeyKeep, ActBotKeyUndo:
		return 172
	case ActSubChange:
		return 128
	case ActBotKeyUnlock, ActBotKeyRelease, ActBotKeyWake:
		return 128
	}
	return 64
}

// ParseAct checks an act named by a client.
func ParseAct(kind, object string) (Act, error) {
	wants, ok := acts[kind]
	if !ok || wants != (object != "") || len(object) > longest(kind) {
		return Act{}, errBadAct
	}
	return Act{Kind: kind, Object: object}, nil
}

// StepUp is the refusal that names the touch an act needs. Pages turn it into the
// step-up dialog, the JSON API into a problem with purpose and URL.
func StepUp(act Act) error {
	return ErrStepUp.With("purpose", map[string]string{"act": act.Kind, "object": act.Object}).
		With("url", "/stepup?act="+url.QueryEscape(act.Kind)+"&object="+url.QueryEscape(act.Object))
}
