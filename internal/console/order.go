package console

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/staff"
	"keyward/internal/store"
)

// order is what an operator wants done, as a form or a JSON body said it. The touch is
// asked for with an order and verified against one, and both doors carry it out by the
// functions below: a page and the API cannot mean different things by one act.
type order struct {
	Act    string
	Object string // an app, a request, a passkey
	Reason string
	App    oauth.NewClient
	Domain string
	Made   string // a passkey that the browser made a moment ago
}

// The acts of orders.
const (
	actRegister = string(staff.RegisterClient)
	actTurnOff  = string(staff.TurnOffClient)
	actDrop     = string(staff.DropPublisher)
	actAsk      = "clients.ask_publisher"
	actApprove  = "requests.approve"
	actRefuse   = "requests.refuse"
	actAddKey   = "keys.add"
	actGoneKey  = "keys.remove"
)

// act is what the touch for an order is for. What cannot be done whatever the touch
// is refused here, before anybody reaches for a passkey.
func (s *Server) act(v *visit, o order) (device.Act, error) {
	switch o.Act {
	case actRegister:
		if _, err := s.OAuth.Draft(o.App); err != nil {
			return device.Act{}, err
		}
		return o.deed().Act(), nil
	case actTurnOff, actDrop:
		return o.deed().Act(), nil
	case actAsk:
		diff, err := s.publisher(v, o)
		return staff.AskAct(staff.VerifyPublisher, o.Object, diff, o.Reason), err
	case actApprove:
		return staff.ApproveAct(staff.RequestID(o.Object), o.Reason), nil
	case actRefuse:
		return staff.RefuseAct(staff.RequestID(o.Object), o.Reason), nil
	case actAddKey:
		return staff.AddKeyAct(o.Made, o.Reason), nil
	case actGoneKey:
		return staff.RemoveKeyAct(staff.KeyID(o.Object), o.Reason), nil
	}
	return device.Act{}, errForm.At("act", "not an act of these pages")
}

// deed is the order as staff knows it. A registration carries everything in it.
func (o order) deed() staff.Deed {
	d := staff.Deed{Kind: staff.DeedKind(o.Act), Content: []string{o.Object}, Reason: o.Reason}
	if o.Act == actRegister {
		b, _ := json.Marshal(o.App) // its keys were read as JSON already
		d.Content = []string{string(b)}
	}
	return d
}

// publisher is what a request for a domain would change now.
func (s *Server) publisher(v *visit, o order) ([]staff.Change, error) {
	c, err := s.OAuth.Registered(v.r.Context(), o.Object)
	if err != nil {
		return nil, err
	}
	return oauth.AskPublisher(c, o.Domain)
}

func (s *Server) doRegister(v *visit, o order, t *staff.Touch) (d *oauth.Draft, err error) {
	if d, err = s.OAuth.Draft(o.App); err != nil {
		return nil, err
	}
	return d, s.Staff.Do(v.r.Context(), v.cause, v.who, o.deed(), t, d.Write)
}

func (s *Server) doNarrow(v *visit, o order, t *staff.Touch) (ended int, err error) {
	narrow := s.OAuth.TurnOffIn
	if o.Act == actDrop {
		narrow = s.OAuth.DropPublisher
	}
	err = s.Staff.Do(v.r.Context(), v.cause, v.who, o.deed(), t, func(tx *store.Tx) (e audit.Event, err error) {
		e, ended, err = narrow(tx, oauth.ClientID(o.Object))
		return e, err
	})
	if err == nil {
		err = s.OAuth.Told(v.r.Context()) // acknowledged means refused (DESIGN §7)
	}
	return ended, err
}

func (s *Server) doAsk(v *visit, o order, t *staff.Touch) (staff.Request, error) {
	diff, err := s.publisher(v, o)
	if err != nil {
		return staff.Request{}, err
	}
	return s.Staff.Ask(v.r.Context(), v.cause, v.who, staff.VerifyPublisher, o.Object, diff, o.Reason, t)
}

func (s *Server) doDecide(v *visit, o order, t *staff.Touch) (staff.Request, error) {
	id := staff.RequestID(o.Object)
	if o.Act == actRefuse {
		return s.Staff.Refuse(v.r.Context(), v.cause, v.who, id, o.Reason, t)
	}
	r, err := s.Staff.Request(v.r.Context(), v.who, id)
	if err != nil {
		return r, err
	}
	do := s.Acts[r.Kind] // what kind it is never changes
	if do == nil {
		return r, errNoAct
	}
	if r, err = s.Staff.Approve(v.r.Context(), v.cause, v.who, id, o.Reason, t, do); err == nil {
		err = s.OAuth.Told(v.r.Context()) // and done means done
	}
	return r, err
}

// orderOf reads an order from a form.
func orderOf(act, object string, f url.Values) (o order, err error) {
	o = order{Act: act, Object: object, Reason: f.Get("reason"), Domain: strings.TrimSpace(f.Get("domain")), Made: f.Get("made")}
	if act == actRegister {
		o.App, err = appOf(f)
	}
	return o, err
}

// appOf reads the form of a registration. Browsers write line ends of a text area in
// two ways, so nothing that the touch is for keeps any.
func appOf(f url.Values) (n oauth.NewClient, err error) {
	days, err := strconv.Atoi(strings.TrimSpace(f.Get("days")))
	if err != nil || days < 1 || days > 400 {
		return n, oauth.ErrBadClient.At("life", "is 1 to 400 days")
	}
	n = oauth.NewClient{
		Name: strings.TrimSpace(f.Get("name")), Owner: strings.TrimSpace(f.Get("owner")), Auth: f.Get("auth"), FirstParty: f.Get("first_party") == "yes",
		Redirects: lines(f.Get("redirects")), Scopes: sorted(f["scopes"]), Audience: strings.TrimSpace(f.Get("audience")),
		Life: time.Duration(days) * 24 * time.Hour, Purpose: strings.TrimSpace(f.Get("purpose")), Profile: f.Get("profile"), Details: sorted(f["details"]),
		Backchannel: strings.TrimSpace(f.Get("backchannel")), AfterLogout: lines(f.Get("after_logout")),
	}
	if keys := strings.TrimSpace(f.Get("jwks")); keys != "" {
		if !json.Valid([]byte(keys)) {
			return n, oauth.ErrBadClient.At("jwks", "is not JSON")
		}
		n.JWKS = json.RawMessage(keys)
	}
	return n, nil
}

func lines(s string) (out []string) {
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func sorted(in []string) []string {
	out := slices.Sorted(slices.Values(in))
	return slices.Compact(out)
}
