package device

import (
	"net/url"
	"slices"
	"strings"

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

// rule is what one kind of act takes. The zero value asks for the most: no young key
// may give its touch, no client may ask for it by name, and no operator lowers it.
type rule struct {
	asked  bool  // a client may ask for a touch for it by name
	object bool  // an object belongs to it
	long   int   // the longest object; 0: 64 bytes
	young  youth // what a key may that is younger than the account's others
	raise  raise // whether an operator may ask for a better key
}

// acts is the one table of what a touch is worth. A new act stands in it or no young key
// gives a touch for it and no client asks for one; TestEveryActSaysWhoMay names those that
// forgot. Sign-in is asked for by nobody (it has no session yet), and a withdrawal is
// signed over a challenge of its own.
var acts = map[string]rule{
	ActSignIn:         {young: youngMay},
	ActConfirmMe:      {asked: true, young: youngMay},
	ActSessionsEndAll: {asked: true, young: youngMay}, // stopping is never refused
	ActConfirm:        {object: true},                 // its grades are the confirm package's

	ActKeysAdd:        {asked: true, raise: raiseOwned},
	ActKeysRemove:     {asked: true, object: true, young: youngItself, raise: raiseAll},
	ActDevicesAdmit:   {asked: true, object: true, raise: raiseOwned},
	ActDevicesRemove:  {asked: true, object: true, young: youngItself, raise: raiseAll},
	ActCodesNew:       {asked: true, raise: raiseAll},
	ActContactsChange: {asked: true, raise: raiseAll},
	ActFreezeLift:     {asked: true, raise: raiseOwned},

	ActApp:           {asked: true, object: true, young: youngLooks, raise: raiseAll},
	ActBotKeyAdd:     {asked: true, object: true, young: youngLooks, raise: raiseAll},
	ActBotKeyChange:  {asked: true, object: true, long: 172, raise: raiseAll}, // an imported key keeps its id, of up to 128
	ActBotKeyRelease: {asked: true, object: true, long: 128, raise: raiseAll},
	ActBotKeyUnlock:  {asked: true, object: true, long: 128, raise: raiseAll},
	ActBotKeyWake:    {asked: true, object: true, long: 128, raise: raiseAll},
	ActBotKeyRotate:  {asked: true, object: true, long: 172, raise: raiseAll},
	ActBotKeyKeep:    {asked: true, object: true, long: 172, raise: raiseAll},
	ActBotKeyUndo:    {asked: true, object: true, long: 172, raise: raiseAll},
	ActSubMake:       {asked: true, object: true, young: youngLooks, raise: raiseAll},
	ActSubChange:     {asked: true, object: true, long: 128, raise: raiseAll},
}

// Acts lists every act that a client may ask a touch for, sorted.
func Acts() (kinds []string) {
	for kind, r := range acts {
		if r.asked {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// An object may end in words that say how much the act gives, where its name does not:
// the object of a new API key is a hash. Whoever redeems computes the object anew from
// what is really asked for, so a client that leaves a word out, or puts one in, has a
// touch for something that nobody asks for. A space is in no id and in no hash.
const (
	marked    = " "
	markLooks = " look" // it lets look and does nothing else
	markHard  = " phrh" // a scope that it gives demands a key that cannot leave its hardware
	markRoom  = len(markLooks) + len(markHard)
)

// Looking is the act with the word that it lets look and does nothing else.
func (a Act) Looking() Act { return Act{a.Kind, a.Object + markLooks} }

// On is what the act is done to, without the words about how much it gives.
func (a Act) On() string {
	object, _, _ := strings.Cut(a.Object, marked)
	return object
}

func (a Act) hard() bool { return strings.HasSuffix(a.Object, markHard) }

// plain is the act without what only demands more: a touch for more is one for less.
func (a Act) plain() Act { return Act{a.Kind, strings.TrimSuffix(a.Object, markHard)} }

func (a Act) looks() bool { return strings.HasSuffix(a.plain().Object, markLooks) }

var errBadAct = edge.E("bad_request")

// ParseAct checks an act named by a client.
func ParseAct(kind, object string) (Act, error) {
	r, act := acts[kind], Act{Kind: kind, Object: object}
	long := r.long
	if long == 0 {
		long = 64 // ours are short
	}
	on := act.On()
	words := strings.TrimPrefix(object, on)
	known := words == "" || on != "" && (words == markLooks || words == markHard || words == markLooks+markHard)
	if !r.asked || !known || r.object != (on != "") || len(on) > long {
		return Act{}, errBadAct
	}
	return act, nil
}

// StepUp is the refusal that names the touch an act needs. Pages turn it into the
// step-up dialog, the JSON API into a problem with purpose and URL.
func StepUp(act Act) error {
	return ErrStepUp.With("purpose", map[string]string{"act": act.Kind, "object": act.Object}).
		With("url", "/stepup?act="+url.QueryEscape(act.Kind)+"&object="+url.QueryEscape(act.Object))
}
