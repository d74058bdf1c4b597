package device_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"keyward/internal/attest"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

const (
	ourPackage = "com.example.exchange"
	ourAppID   = "TEAM123456.com.example.exchange"
)

var (
	ourDigest = [32]byte{7}
	ourApps   = device.Apps{Android: []attest.App{{Package: ourPackage, Digest: ourDigest}}, IOS: []string{ourAppID}}
)

func (w *world) android() *softkey.App { return softkey.NewAndroid(phones, ourPackage, ourDigest) }
func (w *world) iphone() *softkey.App  { return softkey.NewApple(phones, ourAppID, w.now) }

// enrolled is what comes of an app's answer, whose request the session key proves.
func (p *person) enrolled(app *softkey.App, change func(map[string]any)) (*device.Attestation, error) {
	p.w.t.Helper()
	options, err := p.w.devices.BeginRegister(p.registerFor(), "browser")
	p.w.must(err)
	answer, err := app.Enrol(options)
	p.w.must(err)
	f := p.registerFor()
	f.App, f.JKT = true, app.Session.Thumbprint()
	return p.w.devices.ParseRegister(context.Background(), f, "browser", p.changed(answer, change))
}

func (p *person) changed(answer []byte, change func(map[string]any)) []byte {
	p.w.t.Helper()
	if change == nil {
		return answer
	}
	var m map[string]any
	p.w.must(json.Unmarshal(answer, &m))
	change(m)
	b, err := json.Marshal(m)
	p.w.must(err)
	return b
}

// carries gives the person a phone as another key.
func (p *person) carries(app *softkey.App) device.Key {
	p.w.t.Helper()
	att, err := p.enrolled(app, nil)
	p.w.must(err)
	var key device.Key
	p.w.must(p.prove(device.Act{Kind: device.ActKeysAdd}, func(tx *store.Tx, proof device.Proof) (err error) {
		key, err = p.w.devices.Add(tx, p.acc.ID, att, p.dev.ID, "", proof)
		return err
	}))
	return key
}

// touchedBy is what comes of a touch of the app.
func (p *person) touchedBy(app *softkey.App, act, shown device.Act, jkt string, change func(map[string]any)) (*device.Assertion, error) {
	p.w.t.Helper()
	acc := p.acc.ID
	if act.Kind == device.ActSignIn {
		acc = ""
	}
	options, err := p.w.devices.BeginAssert(act, acc, "browser")
	p.w.must(err)
	answer, err := app.Sign(options, shown.Kind, shown.Object)
	p.w.must(err)
	return p.w.devices.ParseAssert(context.Background(), p.w.db, act, acc, "browser", jkt, p.changed(answer, change))
}

func TestAPhoneIsWorthWhatItsMakerSays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := device.Lists{Revoked: statusList(t, `{"entries":{}}`)}
		revoked := device.Lists{Revoked: statusList(t, `{"entries":{"`+phones.Middle().SerialNumber.Text(16)+`":{"status":"REVOKED"}}}`)}
		android := func(change func(a softkey.Android, touch bool) softkey.Android) *softkey.App {
			app := w.android()
			app.Phone = change
			return app
		}
		software := func(a softkey.Android, _ bool) softkey.Android { a.Level, a.KeyMintRank = 0, 0; return a }
		stranger := w.android()
		stranger.Maker = softkey.NewMaker()
		enough := w.config()
		enough.Apps.AppIsEnough = true
		believing, err := device.New(enough, w.ring, w.log)
		w.must(err)
		for _, tc := range []struct {
			name   string
			app    *softkey.App
			lists  device.Lists
			by     *device.Service
			grade  device.Grade
			kept   string
			faults []attest.Fault
		}{
			{"a good Android phone", w.android(), all, w.devices, device.Hardware, "strongbox", nil},
			{"one without a status list", w.android(), device.Lists{}, w.devices, device.Claimed, "strongbox", []attest.Fault{"no_status_list"}},
			{"one whose certificates were revoked", w.android(), revoked, w.devices, device.Claimed, "strongbox", []attest.Fault{attest.FaultRevoked}},
			{"keys in software", android(software), all, w.devices, device.Claimed, "software", []attest.Fault{attest.FaultSoftware}},
			{"a session key in software beside a good touch key", android(func(a softkey.Android, touch bool) softkey.Android {
				if touch {
					return a
				}
				return software(a, touch)
			}), all, w.devices, device.Claimed, "strongbox", []attest.Fault{attest.FaultSoftware}},
			{"an unlocked phone", android(func(a softkey.Android, _ bool) softkey.Android {
				return a.With(softkey.TagRootOfTrust, softkey.Boot(false, 2))
			}), all, w.devices, device.Claimed, "strongbox", []attest.Fault{attest.FaultUnlocked, attest.FaultBoot}},
			{"a phone whose maker nobody knows", stranger, all, w.devices, device.Claimed, "", []attest.Fault{attest.FaultUnknownMaker}},
			{"a touch key that nobody vouches for beside a session key of Google's", half(w, true), all, w.devices, device.Claimed, "", []attest.Fault{attest.FaultUnknownMaker}},
			{"a session key that nobody vouches for beside a touch key of Google's", half(w, false), all, w.devices, device.Claimed, "strongbox", []attest.Fault{attest.FaultUnknownMaker}},
			{"an iPhone, whose maker speaks for the app alone", w.iphone(), all, w.devices, device.Claimed, "secure_enclave", []attest.Fault{attest.FaultAppOnly}},
			{"an iPhone where that is enough", w.iphone(), all, believing, device.Hardware, "secure_enclave", nil},
		} {
			tc.by.UseLists(tc.lists)
			p := w.person(&softkey.Authenticator{})
			p.enrol()
			svc := w.devices
			w.devices = tc.by
			key := p.carries(tc.app)
			w.devices = svc
			if vouched := key.Evidence.Speaker != device.Nobody; vouched != (tc.kept != "") {
				t.Errorf("%s: %q vouches for a key that is kept in %q", tc.name, key.Evidence.Speaker, tc.kept)
			}
			if e := key.Evidence; key.Grade != tc.grade || e.Kept != tc.kept || !slices.Equal(e.Faults, tc.faults) || key.Kind != device.Phone || e.App != (tc.app.Apple != nil) {
				t.Errorf("%s: %s, kept in %q, faults %v, evidence %+v", tc.name, key.Grade, e.Kept, e.Faults, e)
			}
		}
	})
}

func TestATouchOfAPhoneProvesWhatAPasskeyDoes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, app := range []*softkey.App{w.android(), w.iphone()} {
			p := w.person(&softkey.Authenticator{})
			p.enrol()
			key := p.carries(app)
			for range 3 {
				a, err := p.touchedBy(app, device.Act{Kind: device.ActSignIn}, device.Act{Kind: device.ActSignIn}, app.Session.Thumbprint(), nil)
				w.must(err)
				w.must(w.update(func(tx *store.Tx) error {
					proof, err := w.devices.Prove(tx, a)
					if err == nil && (proof.Key() != key.ID || !proof.For(tx, p.acc.ID, device.Act{Kind: device.ActSignIn}) || proof.CounterRegressed()) {
						t.Errorf("proved %+v", proof)
					}
					return err
				}))
			}
			// No passkey manager hears of it: it could not tell the key from one that is gone.
			w.view(func(tx *store.Tx) error {
				ids, err := w.devices.AcceptedCredentialIDs(tx, p.acc.ID)
				if len(ids) != 1 {
					t.Errorf("%d credentials for passkey managers", len(ids))
				}
				return err
			})
		}
	})
}

// What no app of ours would send enrols nothing.
func TestAPhoneThatIsNotOursEnrolsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.devices.UseLists(device.Lists{Revoked: statusList(t, `{"entries":{}}`)})
		android := func(f func(*softkey.App)) *softkey.App { a := w.android(); f(a); return a }
		apple := func(f func(*softkey.App)) *softkey.App { a := w.iphone(); f(a); return a }
		say := func(app *softkey.App, rp, challenge, act, object string) func(map[string]any) {
			return func(m map[string]any) {
				if challenge == "" {
					challenge = challengeOf(m["statement"].(string))
				}
				m["statement"] = app.Statement(rp, challenge, act, object)
			}
		}
		same, other := w.android(), w.android()
		same.Session = same.Touch
		one, two, three := w.android(), w.android(), w.android()
		four, five, six := w.android(), w.android(), w.android()
		for _, tc := range []struct {
			name   string
			app    *softkey.App
			change func(map[string]any)
		}{
			{"made by another app", android(func(a *softkey.App) { a.Package = "com.example.thief" }), nil},
			{"signed by another maker of apps", android(func(a *softkey.App) { a.Digest = [32]byte{1} }), nil},
			{"a touch key that signs without the person", android(func(a *softkey.App) {
				a.Phone = func(d softkey.Android, touch bool) softkey.Android {
					return d.With(softkey.TagUserAuthType, nil).With(softkey.TagNoAuth, softkey.Null())
				}
			}), nil},
			{"a touch key that signs for a minute after a touch", android(func(a *softkey.App) {
				a.Phone = func(d softkey.Android, touch bool) softkey.Android {
					return d.With(softkey.TagAuthTimeout, softkey.Int(60))
				}
			}), nil},
			{"keys made for another challenge", android(func(a *softkey.App) {
				a.Phone = func(d softkey.Android, _ bool) softkey.Android { d.Challenge = []byte("another"); return d }
			}), nil},
			{"a member that nobody reads", w.android(), func(m map[string]any) { m["more"] = "bytes to store" }},
			{"a session key that says nothing", w.android(), func(m map[string]any) { delete(m, "session_statement") }},
			{"a session key that goes with another touch key", w.android(), func(m map[string]any) { m["session_statement"] = m2(other, m)["session_statement"] }},
			{"a session key that speaks to another server", four, func(m map[string]any) {
				m["session_statement"] = four.Beside("evil.example", challengeOf(m["statement"].(string)))
			}},
			{"a session key that the touch key speaks for", five, func(m map[string]any) {
				m["session_statement"] = five.Touch.Sign(`{"alg":"ES256","typ":"kw-session+jwt","kid":"`+five.Session.Thumbprint()+`"}`,
					map[string]any{"aud": rpID, "challenge": challengeOf(m["statement"].(string)), "touch": five.Touch.Thumbprint()})
			}},
			{"an old challenge by the session key", six, func(m map[string]any) { m["session_statement"] = six.Beside(rpID, "AAAA") }},
			{"one key for both", same, nil},
			{"a session chain of another phone", w.android(), func(m map[string]any) { m["session_chain"] = m2(other, m)["session_chain"] }},
			{"a touch key beside its chain", w.android(), func(m map[string]any) { m["touch_chain"] = m["session_chain"] }},
			{"a statement for another server", one, say(one, "evil.example", "", "keys.add", "")},
			{"a statement about another act", two, say(two, rpID, "", "sign-in", "")},
			{"a statement by the session key", three, func(m map[string]any) {
				m["statement"] = three.Session.Sign(`{"alg":"ES256","typ":"kw-touch+jwt","kid":"`+three.Touch.Thumbprint()+`"}`,
					map[string]any{"aud": rpID, "session": three.Session.Thumbprint(), "challenge": challengeOf(m["statement"].(string)), "act": "keys.add", "object": ""})
			}},
			{"a challenge of nobody", one, say(one, rpID, "AAAA", "keys.add", "")},
			{"a session key that no statement names", w.android(), func(m map[string]any) { m["session_key"] = m2(other, m)["session_key"] }},
			{"a statement that names another session key", w.android(), func(m map[string]any) { m["statement"] = m2(other, m)["statement"] }},
			{"a platform that is not known", w.android(), func(m map[string]any) { m["platform"] = "symbian" }},
			{"another app on an iPhone", apple(func(a *softkey.App) { a.AppID = "TEAM123456.com.example.thief" }), nil},
			{"a developer's key", apple(func(a *softkey.App) { a.Environment = softkey.AppleDevelopment }), nil},
			{"an iPhone of a maker that nobody knows", apple(func(a *softkey.App) { a.Maker = softkey.NewMaker() }), nil},
			{"Apple's word for other keys", apple(func(a *softkey.App) {}), func(m map[string]any) { m["app_attestation"] = m["app_key_id"] }},
		} {
			p := w.person(&softkey.Authenticator{})
			if _, err := p.enrolled(tc.app, tc.change); !errors.Is(err, device.ErrNotAccepted) {
				t.Errorf("%s: %v", tc.name, err)
			}
		}

		p := w.person(&softkey.Authenticator{})
		options, err := w.devices.BeginRegister(p.registerFor(), "browser")
		w.must(err)
		app := w.android()
		answer, err := app.Enrol(options)
		w.must(err)
		for name, jkt := range map[string]string{"another key": w.android().Session.Thumbprint(), "the touch key": app.Touch.Thumbprint()} {
			f := p.registerFor()
			f.App, f.JKT = true, jkt
			if _, err := w.devices.ParseRegister(context.Background(), f, "browser", answer); !errors.Is(err, device.ErrNotAccepted) {
				t.Errorf("a request that is proved by %s: %v", name, err)
			}
		}
		bare := w.config()
		bare.Apps = device.Apps{}
		without, err := device.New(bare, w.ring, w.log)
		w.must(err)
		f := p.registerFor()
		f.JKT = app.Session.Thumbprint()
		if _, err := w.devices.ParseRegister(context.Background(), f, "browser", answer); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("at the pages' door: %v", err)
		}
		f.App = true
		if _, err := without.ParseRegister(context.Background(), f, "browser", answer); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("where no app is configured: %v", err)
		}
	})
}

// half is a phone one of whose keys is attested by a maker that nobody knows.
func half(w *world, touch bool) *softkey.App {
	app := w.android()
	app.Another = func(is bool) *softkey.Maker {
		if is == touch {
			return softkey.NewMaker()
		}
		return nil
	}
	return app
}

// m2 is the answer of another phone to the same challenge.
func m2(app *softkey.App, m map[string]any) map[string]any {
	answer, err := app.Enrol([]byte(`{"rp":{"id":"` + rpID + `"},"challenge":"` + challengeOf(m["statement"].(string)) + `"}`))
	if err != nil {
		panic(err)
	}
	var other map[string]any
	if err := json.Unmarshal(answer, &other); err != nil {
		panic(err)
	}
	return other
}

func TestATouchOfAPhoneThatProvesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		android, iphone := w.android(), w.iphone()
		p.carries(android)
		p.carries(iphone)
		signIn, end := device.Act{Kind: device.ActSignIn}, device.Act{Kind: device.ActSessionsEndAll}
		stranger := w.person(&softkey.Authenticator{})
		stranger.enrol()
		theirs := w.android()
		stranger.carries(theirs)
		unknown := w.android()
		// An assertion that the same iPhone made for an earlier touch.
		var old any
		_, err := p.touchedBy(iphone, signIn, signIn, iphone.Session.Thumbprint(), func(m map[string]any) { old = m["app_assertion"] })
		w.must(err)
		for _, tc := range []struct {
			name   string
			app    *softkey.App
			act    device.Act
			shown  device.Act
			jkt    string
			change func(map[string]any)
		}{
			{"beside no proof", android, signIn, signIn, "", nil},
			{"beside the proof of another key", android, signIn, signIn, theirs.Session.Thumbprint(), nil},
			{"beside the proof of the touch key itself", android, signIn, signIn, android.Touch.Thumbprint(), nil},
			{"of a phone that nobody enrolled", unknown, signIn, signIn, unknown.Session.Thumbprint(), nil},
			{"of another account's phone", theirs, end, end, theirs.Session.Thumbprint(), nil},
			{"about another act than it was shown", android, end, signIn, android.Session.Thumbprint(), nil},
			{"about another object", android, device.Act{Kind: device.ActKeysRemove, Object: "key_1"}, device.Act{Kind: device.ActKeysRemove, Object: "key_2"}, android.Session.Thumbprint(), nil},
			{"by the session key", android, signIn, signIn, android.Session.Thumbprint(), func(m map[string]any) {
				m["statement"] = android.Session.Sign(`{"alg":"ES256","typ":"kw-touch+jwt","kid":"`+android.Touch.Thumbprint()+`"}`,
					map[string]any{"aud": rpID, "session": android.Session.Thumbprint(), "challenge": challengeOf(m["statement"].(string)), "act": "sign-in", "object": ""})
			}},
			{"as a proof for a request", android, signIn, signIn, android.Session.Thumbprint(), func(m map[string]any) {
				m["statement"] = android.Touch.Sign(`{"alg":"ES256","typ":"dpop+jwt","kid":"`+android.Touch.Thumbprint()+`"}`,
					map[string]any{"aud": rpID, "session": android.Session.Thumbprint(), "challenge": challengeOf(m["statement"].(string)), "act": "sign-in", "object": ""})
			}},
			{"with a key in its header", android, signIn, signIn, android.Session.Thumbprint(), func(m map[string]any) {
				m["statement"] = android.Touch.Sign(`{"alg":"ES256","typ":"kw-touch+jwt","kid":"`+android.Touch.Thumbprint()+`","jku":"https://evil.example"}`,
					map[string]any{"aud": rpID, "session": android.Session.Thumbprint(), "challenge": challengeOf(m["statement"].(string)), "act": "sign-in", "object": ""})
			}},
			{"of an iPhone without Apple's word", iphone, signIn, signIn, iphone.Session.Thumbprint(), func(m map[string]any) { delete(m, "app_assertion") }},
			{"of an iPhone with the word for another touch", iphone, signIn, signIn, iphone.Session.Thumbprint(), func(m map[string]any) { m["app_assertion"] = old }},
		} {
			if _, err := p.touchedBy(tc.app, tc.act, tc.shown, tc.jkt, tc.change); !errors.Is(err, device.ErrNotAccepted) {
				t.Errorf("%s: %v", tc.name, err)
			}
		}
		// Without a break in their text, two spellings of one thing are one too many.
		if _, err := p.touchedBy(android, signIn, signIn, android.Session.Thumbprint(), func(m map[string]any) {
			m["statement"] = strings.Replace(m["statement"].(string), ".", "\n.", 1)
		}); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("a statement with a line break: %v", err)
		}
		// A passkey's answer that claims the id of a touch key.
		options, err := w.devices.BeginAssert(signIn, "", "browser")
		w.must(err)
		id, err := json.Marshal(android.Touch.Thumbprint())
		w.must(err)
		answer, err := p.browser.Get(options, softkey.As(p.acc.Handle))
		w.must(err)
		claim := p.changed(answer, func(m map[string]any) { m["id"], m["rawId"] = json.RawMessage(id), json.RawMessage(id) })
		if _, err := w.devices.ParseAssert(context.Background(), w.db, signIn, "", "browser", "", claim); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("a passkey in the name of a phone: %v", err)
		}
	})
}

// Of many copies of one touch, each with its own challenge spent or not, one counts.
func TestATouchOfAPhoneCountsOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, app := range []*softkey.App{w.android(), w.iphone()} {
			p := w.person(&softkey.Authenticator{})
			p.enrol()
			p.carries(app)
			signIn := device.Act{Kind: device.ActSignIn}
			a, err := p.touchedBy(app, signIn, signIn, app.Session.Thumbprint(), nil)
			w.must(err)
			var wg sync.WaitGroup
			var mu sync.Mutex
			proved := 0
			for range 8 {
				wg.Go(func() {
					if err := w.update(func(tx *store.Tx) error {
						_, err := w.devices.Prove(tx, a)
						return err
					}); err == nil {
						mu.Lock()
						proved++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if proved != 1 {
				t.Errorf("one touch proved %d times", proved)
			}
		}
	})
}

// The counter is judged where the touch is used: of two that were verified at once the
// one with the lower counter is a copy, or came too late.
func TestTheCounterOfAnIPhoneGrows(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		app := w.iphone()
		p.carries(app)
		signIn := device.Act{Kind: device.ActSignIn}
		first, err := p.touchedBy(app, signIn, signIn, app.Session.Thumbprint(), nil)
		w.must(err)
		second, err := p.touchedBy(app, signIn, signIn, app.Session.Thumbprint(), nil)
		w.must(err)
		use := func(a *device.Assertion) error {
			return w.update(func(tx *store.Tx) error {
				_, err := w.devices.Prove(tx, a)
				return err
			})
		}
		w.must(use(second))
		if err := use(first); !errors.Is(err, device.ErrChallengeSpent) {
			t.Errorf("a lower counter after a higher one: %v", err)
		}
	})
}

// challengeOf reads a statement without any check, as its sender may.
func challengeOf(statement string) string {
	var c struct{ Challenge string }
	body, _ := base64.RawURLEncoding.DecodeString(strings.Split(statement, ".")[1])
	if err := json.Unmarshal(body, &c); err != nil {
		panic(err)
	}
	return c.Challenge
}
