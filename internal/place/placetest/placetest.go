package placetest

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Records are what a file says of blocks of addresses, such as 203.0.113.0/24.
type Records map[string]mmdbtype.DataType

// Named is a record as City databases have it; "" leaves a name out.
func Named(cityEN, cityKO, countryEN, countryKO string) mmdbtype.Map {
	m := mmdbtype.Map{"location": mmdbtype.Map{"latitude": mmdbtype.Float64(37.5)}}
	for part, n := range map[mmdbtype.String][2]string{"city": {cityEN, cityKO}, "country": {countryEN, countryKO}} {
		names := mmdbtype.Map{}
		for i, code := range []mmdbtype.String{"en", "ko"} {
			if n[i] != "" {
				names[code] = mmdbtype.String(n[i])
			}
		}
		if len(names) > 0 {
			m[part] = mmdbtype.Map{"names": names}
		}
	}
	return m
}

// Write makes a file in a folder of the test and returns its path.
func Write(t testing.TB, records Records) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", IncludeReservedNetworks: true, Languages: []string{"en", "ko"}})
	if err != nil {
		t.Fatal(err)
	}
	for block, rec := range records {
		_, network, err := net.ParseCIDR(block)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(network, rec); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "places.mmdb")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
