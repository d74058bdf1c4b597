package signintest

import (
	"keyward/internal/attest"
	"keyward/internal/device"
	"keyward/internal/softkey"
)

// HardwareKey adds a passkey that cannot leave its phone, and whose maker says so. The
// touch for it is given with what is at hand. The person that it returns sits in front of a
// browser of their own, with that passkey alone, and is signed in.
func (p *Person) HardwareKey() (*Person, device.Key) {
	p.W.T.Helper()
	none, err := attest.ParseRevoked([]byte(`{"entries":{}}`))
	p.W.Must(err)
	p.W.Devices.UseLists(device.Lists{Revoked: none})
	keys := &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: Maker, Local: true, Phone: func(c []byte) softkey.Android {
		return softkey.Phone(c, "com.google.android.gms", [32]byte{9})
	}}
	k, err := p.Touch(device.ActKeysAdd, "").AddKey(keys, "Phone")
	p.W.Must(err)
	q := p.Elsewhere()
	q.Keys = keys
	return q.In(), k
}
