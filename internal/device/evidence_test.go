package device_test

import (
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"keyward/internal/attest"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

const (
	someModel = "01020304-0506-0708-090a-0b0c0d0e0f10"
	gms       = "com.google.android.gms"
)

var (
	someAAGUID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	phones     = softkey.NewMaker() // whose root the tests' service takes for Google's
)

func goodPhone(challenge []byte) softkey.Android { return softkey.Phone(challenge, gms, [32]byte{9}) }

func statusList(t *testing.T, text string) *attest.Revoked {
	t.Helper()
	r, err := attest.ParseRevoked([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// metadata lists one model whose keys softkey's authority attests.
func metadata(t *testing.T, at time.Time, statuses ...string) *attest.MDS {
	t.Helper()
	fido := softkey.NewMaker()
	blob := fido.Metadata("mds.fidoalliance.org", at, map[string]any{
		"no": 7, "nextUpdate": at.AddDate(0, 1, 0).Format(time.DateOnly),
		"entries": []any{softkey.MetadataEntry(someModel, "Good Key", "secure_element", softkey.Authority().Root, statuses...)},
	})
	m, err := attest.ParseMDS(blob, []*x509.Certificate{fido.Root}, 0, at)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Each row is a key as an authenticator makes it; whatever it says, it registers.
func TestTheGradeIsWhatTheEvidenceProves(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := device.Lists{Revoked: statusList(t, `{"entries":{}}`), MDS: metadata(t, w.now(), "FIDO_CERTIFIED_L2")}
		revoked := all
		revoked.Revoked = statusList(t, `{"entries":{"`+phones.Middle().SerialNumber.Text(16)+`":{"status":"REVOKED","reason":"KEY_COMPROMISE"}}}`)
		broken := all
		broken.MDS = metadata(t, w.now(), "FIDO_CERTIFIED_L2", "USER_VERIFICATION_BYPASS")
		software := func(c []byte) softkey.Android { a := goodPhone(c); a.Level, a.KeyMintRank = 0, 0; return a }
		unlocked := func(c []byte) softkey.Android {
			return goodPhone(c).With(softkey.TagRootOfTrust, softkey.Boot(false, 2))
		}
		another := func([]byte) softkey.Android { return goodPhone([]byte("another challenge")) }
		for _, tc := range []struct {
			name   string
			keys   *softkey.Authenticator
			lists  device.Lists
			grade  device.Grade
			who    device.Speaker
			faults []attest.Fault
		}{
			{"a phone's own key", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: goodPhone, Local: true}, all, device.Hardware, device.Google, nil},
			{"the same, and it says that it is synced", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: goodPhone}, all, device.Synced, device.Google, nil},
			{"the same without a status list", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: goodPhone, Local: true}, device.Lists{}, device.Claimed, device.Google, []attest.Fault{"no_status_list"}},
			{"the same with its certificate revoked", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: goodPhone, Local: true}, revoked, device.Claimed, device.Google, []attest.Fault{attest.FaultRevoked}},
			{"a key in software", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: software, Local: true}, all, device.Claimed, device.Google, []attest.Fault{attest.FaultSoftware}},
			{"an unlocked phone", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: unlocked, Local: true}, all, device.Claimed, device.Google, []attest.Fault{attest.FaultUnlocked, attest.FaultBoot}},
			{"a chain for another challenge", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: another, Local: true}, all, device.Claimed, device.Nobody, []attest.Fault{attest.FaultUnchecked}},
			{"a phone of a maker nobody knows", &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: softkey.NewMaker(), Phone: goodPhone, Local: true}, all, device.Claimed, device.Nobody, []attest.Fault{attest.FaultUnknownMaker}},
			{"a listed model", &softkey.Authenticator{Statement: softkey.X5C, AAGUID: someAAGUID, Local: true}, all, device.Hardware, device.Maker, nil},
			{"a listed model that is broken", &softkey.Authenticator{Statement: softkey.X5C, AAGUID: someAAGUID, Local: true}, broken, device.Claimed, device.Maker, []attest.Fault{attest.FaultModel}},
			{"a listed model without the list", &softkey.Authenticator{Statement: softkey.X5C, AAGUID: someAAGUID, Local: true}, device.Lists{}, device.Claimed, device.Nobody, []attest.Fault{attest.FaultUnknownMaker}},
			{"the name of a listed model alone", &softkey.Authenticator{Statement: softkey.Self, AAGUID: someAAGUID, Local: true}, all, device.Claimed, device.ItselfOnly, nil},
			{"no statement, and it says that it stays", &softkey.Authenticator{AAGUID: someAAGUID, Local: true}, all, device.Claimed, device.Nobody, nil},
			{"no statement", &softkey.Authenticator{}, all, device.Synced, device.Nobody, nil},
			{"a format nobody knows", &softkey.Authenticator{Statement: softkey.Unheard, Local: true}, all, device.Claimed, device.Nobody, []attest.Fault{attest.FaultUnchecked}},
		} {
			w.devices.UseLists(tc.lists)
			key := w.person(tc.keys).enrol()
			if key.Grade != tc.grade || key.Evidence.Speaker != tc.who || !slices.Equal(key.Evidence.Faults, tc.faults) {
				t.Errorf("%s: %s, %+v; want %s by %q with %v", tc.name, key.Grade, key.Evidence, tc.grade, tc.who, tc.faults)
			}
			if key.Evidence.At == 0 {
				t.Errorf("%s: nobody knows when it was judged", tc.name)
			}
			if tc.grade == device.Hardware && key.Evidence.Kept == "" {
				t.Errorf("%s: kept nowhere", tc.name)
			}
		}
	})
}

// A good phone's chain about another key, or a signature that does not hold, is no
// honest key.
func TestWhatWasTamperedWithIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.devices.UseLists(device.Lists{Revoked: statusList(t, `{"entries":{}}`)})
		p := w.person(&softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: goodPhone, Local: true})
		if _, err := p.create(softkey.BogusSignature); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("a broken signature: %v", err)
		}
	})
}

// Two processes and a restart: the number is in the database.
func TestAListNeverGoesBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		take := func(name string, n int64) error {
			return w.db.Housekeeping(t.Context(), func(tx *store.Tx) error { return w.devices.TakeList(tx, name, n) })
		}
		for _, step := range []struct {
			list string
			n    int64
			ok   bool
		}{{"mds", 7, true}, {"mds", 7, true}, {"mds", 9, true}, {"mds", 8, false}, {"other", 1, true}, {"mds", 9, true}} {
			err := take(step.list, step.n)
			if (err == nil) != step.ok || err != nil && !errors.Is(err, attest.ErrMDSRolledBack) {
				t.Errorf("%s %d: %v", step.list, step.n, err)
			}
		}
		w.view(func(tx *store.Tx) error {
			n, err := w.devices.ListFloor(tx, "mds")
			if n != 9 || err != nil {
				t.Errorf("floor %d, %v", n, err)
			}
			if n, err := w.devices.ListFloor(tx, "none"); n != 0 || err != nil {
				t.Errorf("floor %d, %v", n, err)
			}
			return nil
		})
	})
}
