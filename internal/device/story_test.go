package device_test

import (
	"context"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

const (
	rpID   = "example.com"
	origin = "https://auth.example.com"
)

// world is one deployment with a clock of its own.
type world struct {
	t        *testing.T
	db       *store.DB
	ring     *keyring.Ring
	log      *audit.Log
	accounts *account.Service
	devices  *device.Service

	mu sync.Mutex // guards at
	at time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// each tells one story on every database.
func each(t *testing.T, story func(t *testing.T, w *world)) {
	t.Helper()
	w := &world{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := w.on(t, db)
		story(t, w)
	}, storetest.WithNow(w.now))
}

func (w *world) on(t *testing.T, db *store.DB) *world {
	t.Helper()
	w.t, w.db = t, db
	w.ring = keyringtest.NewTestRing(t)
	w.log = audit.New(w.ring)
	w.accounts = account.New(w.log, w.ring)
	var err error
	w.devices, err = device.New(w.config(), w.ring, w.log)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) config() device.Config {
	return device.Config{
		RPID: rpID, RPName: "Example", Origins: []string{origin, "android:apk-key-hash:" + apkHash}, Now: w.now,
		AndroidRoots: []*x509.Certificate{phones.Root}, AppleRoot: phones.Root, Apps: ourApps,
	}
}

// apkHash is the base64url SHA-256 of an app's signing certificate, made up.
const apkHash = "fRBDRz1Vv6kOhTDTWAHU44G8afDR8dDWsKb5oeLD1OU"

// update runs a transaction with an event, as every flow does.
func (w *world) update(f func(tx *store.Tx) error) error {
	return w.db.Update(context.Background(), store.Cause{Actor: "system:test"}, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		_, err := w.log.Append(tx, audit.Event{Action: "key.renamed", Target: "test"})
		return err
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// person is an account with a browser.
type person struct {
	w       *world
	acc     account.Account
	browser *softkey.Browser
	dev     device.Device
	cookie  string
}

func (w *world) person(keys *softkey.Authenticator) *person {
	w.t.Helper()
	p := &person{w: w, browser: &softkey.Browser{Origin: origin, Keys: keys}, cookie: device.NewCookie()}
	w.must(w.update(func(tx *store.Tx) (err error) {
		if p.acc, err = w.accounts.Create(tx, account.NewAccount{}); err != nil {
			return err
		}
		p.dev, _, err = w.devices.Meet(tx, p.acc.ID, p.cookie, device.UserAgent{Browser: "Firefox", System: "Linux"})
		return err
	}))
	return p
}

func (p *person) registerFor(exclude ...[]byte) device.RegisterFor {
	return device.RegisterFor{Account: p.acc.ID, Handle: p.acc.Handle, UserName: "kim@example.com", Exclude: exclude}
}

// create runs a registration up to its verified attestation.
func (p *person) create(tricks ...softkey.Trick) (*device.Attestation, error) {
	p.w.t.Helper()
	options, err := p.w.devices.BeginRegister(p.registerFor(), "browser")
	p.w.must(err)
	answer, err := p.browser.Create(options, tricks...)
	p.w.must(err)
	return p.w.devices.ParseRegister(context.Background(), p.registerFor(), "browser", answer)
}

// enrol gives the person a first key.
func (p *person) enrol() device.Key {
	p.w.t.Helper()
	att, err := p.create()
	p.w.must(err)
	var key device.Key
	p.w.must(p.w.update(func(tx *store.Tx) (err error) {
		key, err = p.w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
		return err
	}))
	return key
}

// touch runs an assertion up to its verified signature.
func (p *person) touch(act device.Act, tricks ...softkey.Trick) (*device.Assertion, error) {
	p.w.t.Helper()
	acc := p.acc.ID
	if act.Kind == device.ActSignIn {
		acc = ""
	}
	options, err := p.w.devices.BeginAssert(act, acc, "browser")
	p.w.must(err)
	answer, err := p.browser.Get(options, append([]softkey.Trick{softkey.As(p.acc.Handle)}, tricks...)...)
	p.w.must(err)
	return p.w.devices.ParseAssert(context.Background(), p.w.db, act, acc, "browser", "", answer)
}

// prove does act with a fresh touch.
func (p *person) prove(act device.Act, f func(tx *store.Tx, proof device.Proof) error) error {
	p.w.t.Helper()
	a, err := p.touch(act)
	if err != nil {
		return err
	}
	return p.w.update(func(tx *store.Tx) error {
		proof, err := p.w.devices.Prove(tx, a)
		if err != nil {
			return err
		}
		return f(tx, proof)
	})
}

// addKey gives the person another key from another authenticator.
func (p *person) addKey(keys *softkey.Authenticator) (device.Key, error) {
	p.w.t.Helper()
	second := *p
	second.browser = &softkey.Browser{Origin: origin, Keys: keys}
	att, err := second.create()
	p.w.must(err)
	var key device.Key
	err = p.prove(device.Act{Kind: device.ActKeysAdd}, func(tx *store.Tx, proof device.Proof) (err error) {
		key, err = p.w.devices.Add(tx, p.acc.ID, att, p.dev.ID, "", proof)
		return err
	})
	return key, err
}

func (w *world) view(f func(tx *store.Tx) error) {
	w.t.Helper()
	w.must(w.db.View(context.Background(), f))
}

func (p *person) keys() (live, removed []device.Key) {
	p.w.view(func(tx *store.Tx) (err error) {
		if live, err = p.w.devices.Keys(tx, p.acc.ID); err != nil {
			return err
		}
		removed, err = p.w.devices.RemovedKeys(tx, p.acc.ID)
		return err
	})
	return live, removed
}

func testRing(t testing.TB) *keyring.Ring {
	t.Helper()
	return keyringtest.NewTestRing(t)
}
