package device_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// honest authenticators of every kind we ask for.
func honest() map[string]*softkey.Authenticator {
	return map[string]*softkey.Authenticator{
		"a passkey provider without attestation":      {},
		"a provider with Ed25519 keys":                {Algorithm: softkey.EdDSA},
		"a platform key with self attestation":        {Statement: softkey.Self, Local: true},
		"an Ed25519 key with self attestation":        {Algorithm: softkey.EdDSA, Statement: softkey.Self},
		"a security key with certificate and counter": {Statement: softkey.X5C, Local: true, Counts: true, AAGUID: [16]byte{1, 2, 3}},
	}
}

func TestHonestAuthenticatorsSignUpAndSignIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, keys := range honest() {
			t.Run(name, func(t *testing.T) {
				p := w.person(keys)
				key := p.enrol()
				want := device.Synced
				if keys.Local {
					want = device.Claimed
				}
				if key.Grade != want || key.BE == keys.Local {
					t.Errorf("grade %s, BE %v; want %s", key.Grade, key.BE, want)
				}
				for range 2 {
					err := p.prove(device.Act{Kind: device.ActSignIn}, func(tx *store.Tx, proof device.Proof) error {
						if proof.Account() != p.acc.ID || proof.Key() != key.ID || proof.Device() != p.dev.ID || proof.Grade() != want {
							t.Errorf("proof of %s with %s on %s, grade %s", proof.Account(), proof.Key(), proof.Device(), proof.Grade())
						}
						if proof.CounterRegressed() {
							t.Error("an honest counter is reported as going back")
						}
						if !proof.At().Equal(tx.Now) {
							t.Errorf("touched at %v, not %v", proof.At(), tx.Now)
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				if live, _ := p.keys(); len(live) != 1 || live[0].LastUsed.IsZero() {
					t.Errorf("keys after sign-in: %+v", live)
				}
			})
		}
	})
}

func TestCreationOptions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		key := p.enrol()
		options, err := w.devices.BeginRegister(p.registerFor(key.CredentialID), "browser")
		w.must(err)
		var o map[string]any
		w.must(json.Unmarshal(options, &o))
		sel := o["authenticatorSelection"].(map[string]any)
		for what, ok := range map[string]bool{
			"the key must be discoverable":                     sel["residentKey"] == "required" && sel["requireResidentKey"] == true,
			"the user must be verified":                        sel["userVerification"] == "required",
			"the statement is asked for directly":              o["attestation"] == "direct",
			"the person has five minutes":                      o["timeout"] == 300000.0,
			"the relying party id is the configured domain":    o["rp"].(map[string]any)["id"] == rpID,
			"the key the account has is excluded":              len(o["excludeCredentials"].([]any)) == 1,
			"algorithms are ES256, EdDSA, RS256 in this order": algs(o) == "-7 -8 -257",
		} {
			if !ok {
				t.Errorf("not so: %s\n%s", what, options)
			}
		}
		if _, err := p.browser.Create(options); !errors.Is(err, softkey.ErrInvalidState) {
			t.Errorf("a second passkey in one manager: %v", err)
		}
	})
}

func algs(o map[string]any) string {
	var out []string
	for _, p := range o["pubKeyCredParams"].([]any) {
		b, _ := json.Marshal(p.(map[string]any)["alg"])
		out = append(out, string(b))
	}
	return strings.Join(out, " ")
}

func TestRequestOptionsNeverListCredentials(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		sign, err := w.devices.BeginAssert(device.Act{Kind: device.ActSignIn}, "", "browser")
		w.must(err)
		step, err := w.devices.BeginAssert(device.Act{Kind: device.ActKeysAdd}, p.acc.ID, "browser")
		w.must(err)
		for _, options := range [][]byte{sign, step} {
			if bytes.Contains(options, []byte("allowCredentials")) || !bytes.Contains(options, []byte(`"userVerification":"required"`)) {
				t.Errorf("options %s", options)
			}
		}
		if len(sign) != len(step) {
			t.Error("the length of the options tells sign-in from step-up")
		}
	})
}

func TestABrowserGivesAPhishingPageNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		options, err := w.devices.BeginAssert(device.Act{Kind: device.ActSignIn}, "", "browser")
		w.must(err)
		for _, page := range []string{"https://auth.example.com.evil.example", "https://evil-example.com", "https://example.co"} {
			phish := &softkey.Browser{Origin: page, Keys: p.browser.Keys}
			if _, err := phish.Get(options); !errors.Is(err, softkey.ErrSecurity) {
				t.Errorf("%s got an answer: %v", page, err)
			}
		}
	})
}

// refused are answers no server may take, at either ceremony.
var refused = []struct {
	name  string
	trick softkey.Trick
	why   string // in the operator's log, never in the answer
}{
	{"another origin", softkey.Origin("https://example.org"), "origin"},
	{"a look-alike that begins with our name", softkey.LookAlike, "origin"},
	{"a name that ends with ours without being ours", softkey.Origin("https://evil-example.com"), "origin"},
	{"a subdomain we did not list", softkey.Origin("https://old.example.com"), "origin"},
	{"our own origin in capitals", softkey.Origin("https://AUTH.example.com"), "origin"},
	{"our own origin with its default port", softkey.Origin("https://auth.example.com:443"), "origin"},
	{"our own origin with a slash", softkey.Origin("https://auth.example.com/"), "origin"},
	{"our own origin without TLS", softkey.Origin("http://auth.example.com"), "origin"},
	{"an app we did not list", softkey.Origin("android:apk-key-hash:" + strings.Repeat("A", 43)), "origin"},
	{"no origin", softkey.Origin(""), "origin"},
	{"asked from inside another site's page", softkey.CrossOrigin, "another origin"},
	{"another site's page around ours", softkey.TopOrigin("https://example.net"), "another origin"},
	{"the other ceremony", softkey.WrongType, "type"},
	{"another challenge of the same length", softkey.Challenge(bytes.Repeat([]byte{7}, 56)), "challenge"},
	{"an empty challenge", softkey.Challenge(nil), "challenge"},
	{"two challenges, ours last", softkey.ChallengeTwice, "twice"},
	{"nobody was present", softkey.NoPresence, "present"},
	{"nobody was verified", softkey.NoVerification, "verified"},
	{"backed up without being eligible", softkey.BackedUpOnly, "backed up"},
	{"made for another relying party", softkey.OtherRP("example.org"), "relying party"},
	{"made for our parent domain", softkey.OtherRP("com"), "relying party"},
	{"a byte after the authenticator data", softkey.TrailingBytes, "after the authenticator data"},
	{"authenticator data cut off", softkey.ShortAuthData, "bytes"},
	{"a body of ten megabytes", softkey.Huge, "bytes"},
	{"a second JSON value after the first", softkey.TrailingJSON, "one JSON value"},
}

func TestWrongRegistrationsAreRefused(t *testing.T) {
	more := append(refused[:len(refused):len(refused)], []struct {
		name  string
		trick softkey.Trick
		why   string
	}{
		{"a bogus signature over the statement", softkey.BogusSignature, "ignature"},
		{"no signature over the statement", softkey.NoSignature, ""},
		{"a format given twice in the attestation", softkey.DuplicateName, "duplicate"},
		{"an algorithm given twice in the key", softkey.DuplicateKeyName, "duplicate"},
		{"a byte after the attestation object", softkey.TrailingObject, "extraneous"},
		{"a key that was not kept for discovery", softkey.NotDiscoverable, "did not keep"},
	}...)
	each(t, func(t *testing.T, w *world) {
		for _, tc := range more {
			t.Run(tc.name, func(t *testing.T) {
				p := w.person(&softkey.Authenticator{Statement: softkey.Self})
				_, err := p.create(tc.trick)
				wantRefusal(t, err, tc.why)
			})
		}
	})
}

func TestWrongAssertionsAreRefused(t *testing.T) {
	more := append(refused[:len(refused):len(refused)], []struct {
		name  string
		trick softkey.Trick
		why   string
	}{
		{"a bogus signature", softkey.BogusSignature, "ignature"},
		{"no signature", softkey.NoSignature, ""},
		{"backup eligibility changed", softkey.FlipBackup, "eligibility changed"},
		{"no user handle", softkey.NoUserHandle, "user handle"},
		{"the user handle of somebody else", softkey.OtherUserHandle(bytes.Repeat([]byte{1}, 32)), "user handle"},
		{"a user handle longer than the specification allows", softkey.OtherUserHandle(bytes.Repeat([]byte{1}, 65)), "user handle"},
	}...)
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		for _, tc := range more {
			t.Run(tc.name, func(t *testing.T) {
				_, err := p.touch(device.Act{Kind: device.ActSignIn}, tc.trick)
				wantRefusal(t, err, tc.why)
			})
		}
		if _, err := p.touch(device.Act{Kind: device.ActSignIn}); err != nil {
			t.Errorf("after all that the owner is refused: %v", err)
		}
	})
}

// wantRefusal: one public code whatever is wrong, the reason in the cause only.
func wantRefusal(t *testing.T, err error, why string) {
	t.Helper()
	if !errors.Is(err, device.ErrNotAccepted) {
		t.Fatalf("not refused: %v", err)
	}
	if cause := errors.Unwrap(err); cause == nil || !strings.Contains(cause.Error(), why) {
		t.Errorf("refused because %v; want %q", cause, why)
	}
}

func TestMembersOfLaterBrowsersAreIgnored(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		att, err := p.create(softkey.UnknownMember)
		w.must(err)
		w.must(w.update(func(tx *store.Tx) error {
			_, err := w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
			return err
		}))
		if _, err := p.touch(device.Act{Kind: device.ActSignIn}, softkey.UnknownMember); err != nil {
			t.Error(err)
		}
	})
}

func TestTheAppWeListMaySignIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.browser.Origin = "android:apk-key-hash:" + apkHash
		p.enrol()
		if _, err := p.touch(device.Act{Kind: device.ActSignIn}); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUnknownCredentialIsTellableForTheBrowserOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		if _, err := p.create(); err != nil { // made, never added
			t.Fatal(err)
		}
		_, err := p.touch(device.Act{Kind: device.ActSignIn})
		if !errors.Is(err, device.ErrNotAccepted) || !device.IsUnknownCredential(err) {
			t.Errorf("got %v", err)
		}
		p.enrol()
		_, err = p.touch(device.Act{Kind: device.ActSignIn}, softkey.BogusSignature)
		if device.IsUnknownCredential(err) {
			t.Error("a bad signature passes for an unknown credential")
		}
	})
}

func TestSeveralAccountsInOneAuthenticator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		shared := &softkey.Authenticator{}
		ann, ben := w.person(shared), w.person(shared)
		ann.enrol()
		ben.enrol()
		for _, p := range []*person{ann, ben} {
			a, err := p.touch(device.Act{Kind: device.ActSignIn})
			w.must(err)
			if a.Account() != p.acc.ID {
				t.Error("signed in as somebody else")
			}
		}
		// A step-up of Ann's session, answered with Ben's passkey.
		options, err := w.devices.BeginAssert(device.Act{Kind: device.ActKeysAdd}, ann.acc.ID, "browser")
		w.must(err)
		answer, err := ann.browser.Get(options, softkey.As(ben.acc.Handle))
		w.must(err)
		_, err = w.devices.ParseAssert(context.Background(), w.db, device.Act{Kind: device.ActKeysAdd}, ann.acc.ID, "browser", "", answer)
		wantRefusal(t, err, "another account")
	})
}

func TestACopiedKeyShowsInTheCounter(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		keys := &softkey.Authenticator{Counts: true, Local: true}
		p := w.person(keys)
		p.enrol()
		signIn := func() (regressed bool) {
			w.must(p.prove(device.Act{Kind: device.ActSignIn}, func(_ *store.Tx, proof device.Proof) error {
				regressed = proof.CounterRegressed()
				return nil
			}))
			return regressed
		}
		signIn()
		thief := *p
		thief.browser = &softkey.Browser{Origin: origin, Keys: keys.Clone()}
		for range 2 { // 2, 3
			if signIn() {
				t.Error("the owner's own counter is reported")
			}
		}
		a, err := thief.touch(device.Act{Kind: device.ActSignIn}) // 2 again
		w.must(err)
		w.must(w.update(func(tx *store.Tx) error {
			proof, err := w.devices.Prove(tx, a)
			if err == nil && !proof.CounterRegressed() {
				t.Error("the copy goes unnoticed")
			}
			return err
		}))
		if live, _ := p.keys(); live[0].Counter != 3 {
			t.Errorf("counter %d: the copy pulled it back", live[0].Counter)
		}
		if _, err := p.touch(device.Act{Kind: device.ActSignIn}, softkey.CounterBack); err != nil {
			t.Errorf("a counter is a signal and not a refusal: %v", err)
		}
	})
}
