package keyring_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// deployment is a database of the first version, with what its keys gave then. Whatever is changed in this
// package, it must still open, and give the same: otherwise an upgrade signs everybody out and loses what
// was sealed. Writing it anew is therefore a decision, not a routine.
type deployment struct {
	Comment  string
	RootKey  []byte            // the root key file; of this test alone
	Records  map[string][]byte // store_meta
	Sealed   []byte            // "secret" at t, r, c
	Subkey   []byte            // of "x"
	MAC      []byte            // of "x" over ("ab", "c")
	Refresh  []byte            // of the current refresh key over ("ab", "c")
	KIDs     []string          // of the JWKS
	Token    string            // "payload", signed
	Rotation time.Time
}

const goldenFile = "testdata/deployment-v1.json"

func TestADeploymentOfTheFirstVersionStillOpens(t *testing.T) {
	if *update {
		writeDeployment(t)
	}
	raw, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var d deployment
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	shelf := new(keyringtest.Shelf)
	for name, v := range d.Records {
		shelf.Set(name, v)
	}
	kek := keyringtest.KEKOf(t, d.RootKey)
	ring := keyringtest.Open(t, kek, shelf, func() time.Time { return d.Rotation.Add(time.Hour) })

	if plain, err := ring.Open(d.Sealed, "t", "r", "c"); err != nil || string(plain) != "secret" {
		t.Errorf("what it sealed gives %q, %v", plain, err)
	}
	if sub := ring.Subkey("x"); !bytes.Equal(sub[:], d.Subkey) {
		t.Error("subkeys changed")
	}
	if !ring.MAC("x").Equal(d.MAC, []byte("ab"), []byte("c")) {
		t.Error("MACs changed")
	}
	if mac, ok := ring.RefreshKey(ring.CurrentRefreshKID()); !ok || !mac.Equal(d.Refresh, []byte("ab"), []byte("c")) {
		t.Error("refresh keys changed")
	}
	set := ring.JWKS()
	if len(set.Keys) != len(d.KIDs) {
		t.Fatalf("%d signing keys, there were %d", len(set.Keys), len(d.KIDs))
	}
	for i, k := range set.Keys {
		if k.KeyID != d.KIDs[i] {
			t.Errorf("signing key %d is %s, was %s", i, k.KeyID, d.KIDs[i])
		}
	}
	if !verifies(t, set, d.Token) {
		t.Error("a token it signed is refused")
	}
}

func writeDeployment(t *testing.T) {
	t.Helper()
	d := deployment{
		Comment: "made by TestADeploymentOfTheFirstVersionStillOpens; keys of this test alone",
		RootKey: keyring.Random(32), Rotation: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	kek := keyringtest.KEKOf(t, d.RootKey)
	shelf := new(keyringtest.Shelf)
	ring := keyringtest.Open(t, kek, shelf, func() time.Time { return d.Rotation })
	var err error
	if d.Sealed, err = ring.Seal([]byte("secret"), "t", "r", "c"); err != nil {
		t.Fatal(err)
	}
	d.Token = sign(t, ring, "payload")
	for _, rotate := range []func() error{
		func() error { return ring.RotateSeal(t.Context()) },
		func() error { return ring.RotateRefresh(t.Context()) },
		func() error { return ring.RotateSigning(t.Context()) },
	} {
		if err := rotate(); err != nil {
			t.Fatal(err)
		}
	}
	sub, sum := ring.Subkey("x"), ring.MAC("x").Sum(nil, []byte("ab"), []byte("c"))
	refresh, _ := ring.RefreshKey(ring.CurrentRefreshKID())
	sum2 := refresh.Sum(nil, []byte("ab"), []byte("c"))
	d.Subkey, d.MAC, d.Refresh = sub[:], sum[:], sum2[:]
	for _, k := range ring.JWKS().Keys {
		d.KIDs = append(d.KIDs, k.KeyID)
	}
	d.Records = shelf.Records()
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(raw, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
