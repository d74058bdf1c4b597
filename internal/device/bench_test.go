package device_test

import (
	"context"
	"testing"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// BenchmarkAssertion measures a sign-in's verification: JSON, challenge, the
// one read, signature. The transaction that follows is the store's to measure.
func BenchmarkAssertion(b *testing.B) {
	for _, alg := range []struct {
		name string
		cose int64
	}{{"ES256", softkey.ES256}, {"EdDSA", softkey.EdDSA}} {
		b.Run(alg.name, func(b *testing.B) {
			devices, db, browser := benchWorld(b, &softkey.Authenticator{Algorithm: alg.cose})
			options, err := devices.BeginAssert(signIn, "", "browser")
			if err != nil {
				b.Fatal(err)
			}
			answer, err := browser.Get(options)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := devices.ParseAssert(context.Background(), db, signIn, "", "browser", "", answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBeginAssert is what a flood of begins costs us.
func BenchmarkBeginAssert(b *testing.B) {
	devices, _, _ := benchWorld(b, &softkey.Authenticator{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := devices.BeginAssert(signIn, "", "browser"); err != nil {
			b.Fatal(err)
		}
	}
}

func benchWorld(b *testing.B, keys *softkey.Authenticator) (*device.Service, *store.DB, *softkey.Browser) {
	b.Helper()
	db := storetest.SQLite(b)
	ring := keyringtest.NewTestRing(b)
	log := audit.New(ring)
	accounts := account.New(log, ring)
	devices, err := device.New(device.Config{RPID: rpID, RPName: "Example", Origins: []string{origin}, Now: db.Now}, ring, log)
	if err != nil {
		b.Fatal(err)
	}
	browser := &softkey.Browser{Origin: origin, Keys: keys}
	err = db.Update(context.Background(), store.Cause{Actor: "system:bench"}, func(tx *store.Tx) error {
		acc, err := accounts.Create(tx, account.NewAccount{})
		if err != nil {
			return err
		}
		f := device.RegisterFor{Account: acc.ID, Handle: acc.Handle, UserName: "kim"}
		options, err := devices.BeginRegister(f, "browser")
		if err != nil {
			return err
		}
		answer, err := browser.Create(options)
		if err != nil {
			return err
		}
		att, err := devices.ParseRegister(context.Background(), f, "browser", answer)
		if err != nil {
			return err
		}
		key, err := devices.AddFirst(tx, acc.ID, att, "dev_1", "")
		if err != nil {
			return err
		}
		_, err = log.Append(tx, audit.Event{Action: "key.added", Account: string(acc.ID), Target: string(key.ID)})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return devices, db, browser
}
