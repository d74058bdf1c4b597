package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"keyward/internal/store"
)

var (
	// ErrUnknownAction: the action is not in the table in actions.go.
	ErrUnknownAction = errors.New("audit: unknown action")

	errBadEvent = errors.New("audit: malformed event")
)

// Action names what happened: "session.ended". The table in actions.go has them all.
type Action string

// Effect is one object that a change touched, with the version it has now.
type Effect struct {
	Kind    string // account, device, key, session, family, code, contact …
	ID      string
	Version int64
}

// Event is what a domain tells the log about its change.
type Event struct {
	Action  Action
	Account string // acc_… whose history this is; the actor's own when empty
	Target  string // the object that the sentence is about
	Effects []Effect

	// Payload is personal and erasable: names, addresses, browsers, places.
	// Nothing in it may be a secret.
	Payload map[string]string
}

// Payload keys that Append itself fills from the cause.
const (
	payloadAddr   = "addr" // client address
	payloadDevice = "dev"  // dev_… the request came from
)

// Record is an event as it stands in the log.
type Record struct {
	Index   int64 // place in the log; -1 while unsealed
	ID      string
	At      time.Time
	Action  Action
	Actor   string
	Account string
	Target  string
	Request string
	Addr    string // client address, "" when unknown or erased
	Device  string // dev_… the request came from, "" when unknown or erased
	Effects []Effect
	Payload map[string]string
	Erased  bool // the personal part is gone
	Shown   bool // on the owner's activity page
}

const (
	maxValue   = 160 // bytes of one payload value; longer ones are cut, an event never fails for a long name
	maxPayload = 1200
	maxEffects = 512
	maxID      = 128
)

// row is an event in its stored form. Verification works on this form alone,
// so that what is hashed is what is stored.
type row struct {
	id, action, actor, account, target, request string
	at                                          int64
	shown                                       bool
	effects                                     string
	payload                                     *string // nil: erased
	salt                                        []byte
	payloadHash                                 []byte
	mac                                         []byte
}

// itself is the stored actor when somebody acted on their own account, which is
// nearly always: the account id stands beside it already.
const itself = "account"

// record parses what people and caches read.
func (r *row) record(n int64) (Record, error) {
	rec := r.head(n)
	var err error
	if rec.Effects, err = parseEffects(r.effects); err != nil {
		return Record{}, fmt.Errorf("event %s: %w", r.id, err)
	}
	if r.payload != nil && *r.payload != "" {
		if err := json.Unmarshal([]byte(*r.payload), &rec.Payload); err != nil {
			return Record{}, fmt.Errorf("event %s: payload: %w", r.id, err)
		}
		rec.Addr, rec.Device = rec.Payload[payloadAddr], rec.Payload[payloadDevice]
	}
	return rec, nil
}

// written is the record of an event that was made here a moment ago, from what it
// was made of: parsing it back would cost as much as hashing it.
func (r *row) written(effects []Effect, payload map[string]string) Record {
	rec := r.head(-1)
	rec.Effects, rec.Payload = slices.Clone(effects), payload
	rec.Addr, rec.Device = payload[payloadAddr], payload[payloadDevice]
	return rec
}

func (r *row) head(n int64) Record {
	rec := Record{
		Index: n, ID: r.id, At: store.Time(r.at), Action: Action(r.action), Actor: r.actor,
		Account: r.account, Target: r.target, Request: r.request, Shown: r.shown, Erased: r.payload == nil,
	}
	if r.actor == itself {
		rec.Actor = "account:" + r.account
	}
	return rec
}

// encodeEffects writes [["kind","id",version],…] with no byte to spare: the text
// itself is hashed, so there is one spelling only.
func encodeEffects(effects []Effect) (string, error) {
	if len(effects) > maxEffects {
		return "", fmt.Errorf("%w: %d effects", errBadEvent, len(effects))
	}
	b := make([]byte, 0, 64)
	b = append(b, '[')
	for i, e := range effects {
		if !plain(e.Kind) || !plain(e.ID) || e.Kind == "" {
			return "", fmt.Errorf("%w: effect %q %q", errBadEvent, e.Kind, e.ID)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `["`...)
		b = append(b, e.Kind...)
		b = append(b, `","`...)
		b = append(b, e.ID...)
		b = append(b, `",`...)
		b = strconv.AppendInt(b, e.Version, 10)
		b = append(b, ']')
	}
	return string(append(b, ']')), nil
}

// parseEffects accepts the spelling of encodeEffects and no other.
func parseEffects(s string) ([]Effect, error) {
	if s == "[]" {
		return nil, nil
	}
	var raw [][]any
	if err := json.Unmarshal([]byte(s), &raw); err != nil {
		return nil, fmt.Errorf("effects: %w", err)
	}
	effects := make([]Effect, 0, len(raw))
	for _, r := range raw {
		if len(r) != 3 {
			return nil, errors.New("effects: not a triple")
		}
		kind, ok1 := r[0].(string)
		id, ok2 := r[1].(string)
		version, ok3 := r[2].(float64)
		if !ok1 || !ok2 || !ok3 {
			return nil, errors.New("effects: not a triple of kind, id and version")
		}
		effects = append(effects, Effect{kind, id, int64(version)})
	}
	return effects, nil
}

// plain: ids and names of our own making, which JSON writes as they are.
func plain(s string) bool {
	if len(s) > maxID {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// encodePayload writes JSON with sorted keys, "" when there is nothing.
func encodePayload(payload map[string]string, tx *store.Tx) (map[string]string, string, error) {
	p := maps.Clone(payload)
	if p == nil {
		p = make(map[string]string, 2)
	}
	if tx.Cause.Addr.IsValid() {
		p[payloadAddr] = tx.Cause.Addr.String()
	}
	if tx.Cause.Device != "" {
		p[payloadDevice] = tx.Cause.Device
	}
	for k, v := range p {
		switch {
		case v == "":
			delete(p, k)
		case len(v) > maxValue || !utf8.ValidString(v):
			p[k] = cut(v)
		}
	}
	if len(p) == 0 {
		return nil, "", nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, "", err
	}
	if len(b) > maxPayload {
		return nil, "", fmt.Errorf("%w: payload of %d bytes", errBadEvent, len(b))
	}
	return p, string(b), nil
}

// cut shortens a name to what an event can carry, at a whole character.
func cut(s string) string {
	if len(s) <= maxValue {
		return string([]rune(s)) // broken UTF-8 becomes U+FFFD
	}
	n := maxValue - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return string([]rune(s[:n])) + "…"
}
