package demo

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"keyward/internal/softkey"
)

// The exchange's app on phones that are none. Their maker is this process's own, and
// nothing outside of the demo trusts its word.
const (
	PhonePackage = "com.example.exchange"
	PhoneAppID   = "TEAM123456.com.example.exchange"
)

// Phones is the maker of the demo's phones.
type Phones struct{ maker *softkey.Maker }

// NewPhones makes a maker.
func NewPhones() Phones { return Phones{softkey.NewMaker()} }

// Root is what the demo's server trusts in place of the makers' own.
func (p Phones) Root() *x509.Certificate { return p.maker.Root }

// Passkey is an authenticator whose passkeys cannot leave it, as this maker says.
func (p Phones) Passkey() *softkey.Authenticator {
	return &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: p.maker, Local: true, Phone: func(challenge []byte) softkey.Android {
		return softkey.Phone(challenge, "com.google.android.gms", [32]byte{9})
	}}
}

// PhoneDigest is the SHA-256 of the certificate that signed the app.
var PhoneDigest = [32]byte{0x2a}

// NoneRevoked writes a status list that names nobody, and says where.
func NoneRevoked(dir string) (string, error) {
	path := filepath.Join(dir, "android-status.json")
	return path, os.WriteFile(path, []byte(`{"entries":{}}`), 0o600)
}

// phones: two keys made in one enrolment. What they may do is what their makers say of
// them, and a touch is good beside its own phone alone.
func phones() []step {
	return []step{
		{"phone", "makes two keys of its own; Google says where they live", want{201, "", "it proved that they stay there"}, func(ctx context.Context, s *story) (*answer, error) {
			s.android = softkey.NewAndroid(s.Phones.maker, PhonePackage, PhoneDigest)
			a, err := s.enrol(ctx, s.android, "Mina's phone", "hardware")
			s.phone.bind = s.android.Session
			return a, err
		}},
		{"phone", "signs in with its touch key", want{200, "", "the highest kind of session"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.phone.touchIn(ctx, s.android)
			if err := well(a, err); err != nil {
				return a, err
			}
			var me struct {
				Session struct{ ACR string }
			}
			seen, err := s.phone.api(ctx, http.MethodGet, "/session", nil)
			if err := well(seen, err); err != nil {
				return seen, err
			}
			if err := seen.into(&me); err != nil || me.Session.ACR != "phrh" {
				return a, fmt.Errorf("acr %q %w", me.Session.ACR, err)
			}
			return a, nil
		}},
		{"thief", "talks Mina into a touch, and carries it to its own machine", want{401, "passkey_not_accepted", ""}, func(ctx context.Context, s *story) (*answer, error) {
			thief := s.thief.copy()
			thief.bind = softkey.NewBindingKey()
			return thief.touchIn(ctx, s.android)
		}},
		{"phone", "has an iPhone enrol too; Apple speaks for the app alone", want{201, "", "it says that they stay there"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.enrol(ctx, softkey.NewApple(s.Phones.maker, PhoneAppID, s.Now), "Mina's iPhone", "claimed")
		}},
		{"phone", "has an old phone enrol, which keeps its keys in software", want{201, "", "graded down, with the reason"}, func(ctx context.Context, s *story) (*answer, error) {
			old := softkey.NewAndroid(s.Phones.maker, PhonePackage, PhoneDigest)
			old.Phone = func(a softkey.Android, _ bool) softkey.Android { a.Level, a.KeyMintRank = 0, 0; return a }
			return s.enrol(ctx, old, "An old phone", "claimed")
		}},
		{"thief", "has another app enrol in its name", want{401, "passkey_not_accepted", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.enrol(ctx, softkey.NewAndroid(s.Phones.maker, "com.example.thief", PhoneDigest), "A thief's phone", "")
		}},
	}
}

// enrol adds an app's keys from Mina's phone, with a touch of the key that is there.
func (s *story) enrol(ctx context.Context, app *softkey.App, name, grade string) (*answer, error) {
	touch := func() (*answer, error) { return s.phone.appTouch(ctx, "keys.add", "") }
	if s.android != nil && s.phone.bind == s.android.Session {
		touch = func() (*answer, error) { return s.phone.touchFor(ctx, s.android, "keys.add", "") }
	}
	if a, err := touch(); well(a, err) != nil {
		return a, err
	}
	a, err := s.phone.api(ctx, http.MethodPost, "/passkeys", nil)
	if err := well(a, err); err != nil {
		return a, err
	}
	var b begun
	if err := a.into(&b); err != nil {
		return a, err
	}
	credential, err := app.Enrol(b.Options)
	if err != nil {
		return nil, err
	}
	a, err = s.phone.api(ctx, http.MethodPost, "/passkeys/finish", map[string]any{"credential": json.RawMessage(credential), "name": name})
	if err != nil || a.status != http.StatusCreated {
		return a, err
	}
	var key struct{ Kind, Grade string }
	if err := a.into(&key); err != nil || key.Kind != "phone" || key.Grade != grade {
		return a, fmt.Errorf("a key of kind %q and grade %q %w", key.Kind, key.Grade, err)
	}
	return a, nil
}

// touchIn signs in with the touch key of an app.
func (v *visitor) touchIn(ctx context.Context, app *softkey.App) (*answer, error) {
	options, a, ok, err := v.begin(ctx, "/api/v1/sign-in", struct{}{})
	if !ok {
		return a, err
	}
	credential, err := app.Sign(options, "sign-in", "")
	if err != nil {
		return nil, err
	}
	return v.take(v.do(ctx, call{method: http.MethodPost, path: "/api/v1/sign-in/finish", json: map[string]any{"credential": json.RawMessage(credential)}, prove: true}))
}

// touchFor is appTouch by the touch key of an app.
func (v *visitor) touchFor(ctx context.Context, app *softkey.App, act, object string) (*answer, error) {
	purpose := map[string]any{"act": act, "object": object}
	a, err := v.api(ctx, http.MethodPost, "/step-up", purpose)
	if err := well(a, err); err != nil {
		return a, err
	}
	var b begun
	if err := a.into(&b); err != nil {
		return nil, err
	}
	credential, err := app.Sign(b.Options, act, object)
	if err != nil {
		return nil, err
	}
	purpose["credential"] = json.RawMessage(credential)
	return v.take(v.api(ctx, http.MethodPost, "/step-up/finish", purpose))
}
