package signin_test

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"keyward/internal/attest"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// Two security keys of one model, one before FIDO's list is there and one after: what
// its maker says opens a session of the higher level, and its name alone does not.
func TestAKeyThatItsMakerVouchesForOpensAHigherSession(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		now, fido := w.Clock.Now(), softkey.NewMaker()
		model := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		with := func() *signintest.Person {
			p := w.NewPerson()
			p.Keys = &softkey.Authenticator{Statement: softkey.X5C, AAGUID: model, Local: true}
			w.Must(p.SignUp())
			w.Must(p.SignInWith(p.From()))
			return p
		}
		if ses := with().Session(); ses.ACR != session.ACRPhr || !slices.Contains(ses.AMR, "swk") {
			t.Errorf("without a list: %s %v", ses.ACR, ses.AMR)
		}
		blob := fido.Metadata("mds.fidoalliance.org", now, map[string]any{
			"no": 1, "nextUpdate": now.AddDate(0, 1, 0).Format(time.DateOnly),
			"entries": []any{softkey.MetadataEntry("01020304-0506-0708-090a-0b0c0d0e0f10", "Good Key", "secure_element", softkey.Authority().Root, "FIDO_CERTIFIED_L1")},
		})
		list, err := attest.ParseMDS(blob, []*x509.Certificate{fido.Root}, 0, now)
		w.Must(err)
		w.Devices.UseLists(device.Lists{MDS: list})
		if ses := with().Session(); ses.ACR != session.ACRPhrh || !slices.Contains(ses.AMR, "hwk") {
			t.Errorf("with it: %s %v", ses.ACR, ses.AMR)
		}
	})
}
