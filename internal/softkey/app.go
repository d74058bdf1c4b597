package softkey

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"
)

// App is the exchange's app on a phone that is none: a session key, a touch key, and the
// word of its maker for them.
type App struct {
	Session, Touch *BindingKey
	Maker          *Maker
	Apple          *IPhone // nil: an Android phone

	// Of an Android phone.
	Package string
	Digest  [32]byte
	Phone   func(a Android, touch bool) Android // changes what is said of a key
	Another func(touch bool) *Maker             // attests one of the keys in place of Maker, unless nil

	// Of an iPhone.
	AppID       string
	Environment [16]byte
	Now         func() time.Time
}

// NewAndroid is an app on a good Android phone.
func NewAndroid(m *Maker, pkg string, digest [32]byte) *App {
	return &App{Session: NewBindingKey(), Touch: NewBindingKey(), Maker: m, Package: pkg, Digest: digest}
}

// NewApple is an app on a good iPhone.
func NewApple(m *Maker, appID string, now func() time.Time) *App {
	return &App{Session: NewBindingKey(), Touch: NewBindingKey(), Maker: m, Apple: NewIPhone(), AppID: appID, Environment: AppleProduction, Now: now}
}

// Enrol answers creation options. Where a session begins with it, the session key proves
// the request.
func (a *App) Enrol(options []byte) ([]byte, error) {
	var o creation
	if err := readOptions(options, &o); err != nil {
		return nil, err
	}
	challenge, err := decode(o.Challenge)
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"type": "phone", "session_statement": a.Beside(o.RP.ID, o.Challenge),
		"touch_key": json.RawMessage(a.Touch.jwk), "session_key": json.RawMessage(a.Session.jwk),
		"statement": a.Statement(o.RP.ID, o.Challenge, "keys.add", ""),
	}
	if a.Apple != nil {
		out["platform"], out["app_key_id"] = "ios", encode(a.Apple.ID[:])
		out["app_attestation"] = encode(a.Maker.AppAttest(a.Apple, a.AppID, a.Environment, a.vouched(challenge), a.Now()))
	} else {
		out["platform"] = "android"
		out["session_chain"], out["touch_chain"] = a.chain(challenge, a.Session, false), a.chain(challenge, a.Touch, true)
	}
	return mustJSON(out), nil
}

// Sign answers request options, for the act that the person was shown.
func (a *App) Sign(options []byte, act, object string) ([]byte, error) {
	var o request
	if err := readOptions(options, &o); err != nil {
		return nil, err
	}
	challenge, err := decode(o.Challenge)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"type": "phone", "id": a.Touch.Thumbprint(), "statement": a.Statement(o.RPID, o.Challenge, act, object)}
	if a.Apple != nil {
		out["app_assertion"] = encode(a.Apple.Assert(a.AppID, a.vouched(challenge)))
	}
	return mustJSON(out), nil
}

// Statement is what the touch key signs once the person has shown a finger or a face.
func (a *App) Statement(rpID, challenge, act, object string) string {
	return a.Touch.Sign(`{"alg":"ES256","typ":"kw-touch+jwt","kid":"`+a.Touch.Thumbprint()+`"}`,
		map[string]any{"aud": rpID, "session": a.Session.Thumbprint(), "challenge": challenge, "act": act, "object": object})
}

// Beside is what the session key signs at enrolment.
func (a *App) Beside(rpID, challenge string) string {
	return a.Session.Sign(`{"alg":"ES256","typ":"kw-session+jwt","kid":"`+a.Session.Thumbprint()+`"}`,
		map[string]any{"aud": rpID, "challenge": challenge, "touch": a.Touch.Thumbprint()})
}

func (a *App) chain(challenge []byte, key *BindingKey, touch bool) (out []string) {
	d := Phone(challenge, a.Package, a.Digest)
	if !touch { // it signs without the person
		d = d.With(TagUserAuthType, nil).With(TagNoAuth, Null())
	}
	if a.Phone != nil {
		d = a.Phone(d, touch)
	}
	by := a.Maker
	if a.Another != nil {
		if other := a.Another(touch); other != nil {
			by = other
		}
	}
	for _, der := range by.Android(key.key.Public(), d) {
		out = append(out, encode(der))
	}
	return out
}

func (a *App) vouched(challenge []byte) [32]byte {
	session, err := decode(a.Session.Thumbprint())
	if err != nil {
		panic(err) // our own
	}
	touch, err := decode(a.Touch.Thumbprint())
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(slices.Concat(challenge, session, touch))
}
