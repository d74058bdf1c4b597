package place

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Why a file is not opened. Each says what would be the right file.
var (
	ErrNotDatabase = errors.New("is no database in MaxMind DB format (.mmdb)")
	ErrNoPlaces    = errors.New("has no names of cities or countries: its records are not laid out as those of a City or Country database")
	ErrTooLarge    = errors.New("is larger than any place file there is")
	ErrNotRegular  = errors.New("is no ordinary file")
)

// File is an open place file. A nil File knows no place. It is safe for use by
// many at once.
type File struct{ db *maxminddb.Reader }

// Open reads a place file into memory. Mapping it would be cheaper, but an update
// that writes over a mapped file changes or cuts it under us, and reading beyond
// the new end kills the process: too much for a hint.
func Open(path string) (*File, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("place: %w", err)
	case !st.Mode().IsRegular(): // reading a pipe would wait for a writer
		return nil, fmt.Errorf("place: %s %w", path, ErrNotRegular)
	case st.Size() > maxFile:
		return nil, fmt.Errorf("place: %s %w", path, ErrTooLarge)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("place: %w", err)
	}
	db, err := maxminddb.OpenBytes(body)
	if err != nil {
		return nil, fmt.Errorf("place: %s %w: %w", path, ErrNotDatabase, err)
	}
	f := &File{db}
	if !f.knowsSome() {
		return nil, fmt.Errorf("place: %s %w", path, ErrNoPlaces)
	}
	return f, nil
}

// knowsSome looks at the beginning of the file. A database of something else, of
// network owners for example, would open and never know a place, and nobody would
// find out why.
func (f *File) knowsSome() bool {
	looked := 0
	for r := range f.db.Networks() {
		if looked++; looked > firstNetworks {
			return false
		}
		var rec record
		if r.Decode(&rec) == nil && rec.words("") != "" {
			return true
		}
	}
	return false
}

// record is what we read of a City or Country database. Names in other languages
// are not even decoded.
type record struct {
	City    area `maxminddb:"city"`
	Country area `maxminddb:"country"`
}

type area struct {
	ISO   string `maxminddb:"iso_code"`
	Names names  `maxminddb:"names"`
}

type names struct {
	EN string `maxminddb:"en"`
	KO string `maxminddb:"ko"`
}

// Locate says where an address probably is, in a language as far as the file has
// it; "" and false when it does not know. It does not block and has no error:
// whoever asks has something better to show, the address.
func (f *File) Locate(addr netip.Addr, lang string) (place string, known bool) {
	addr = addr.Unmap()
	if f == nil || !located(addr) {
		return "", false
	}
	var rec record
	if f.db.Lookup(addr).Decode(&rec) != nil {
		return "", false
	}
	place = rec.words(lang)
	return place, place != ""
}

// Apart reports that two addresses are in different countries, as far as the file
// knows both: for a warning beside two places that a person compares, no more.
func (f *File) Apart(a, b netip.Addr) bool {
	one, two := f.country(a.Unmap()), f.country(b.Unmap())
	return one != "" && two != "" && one != two
}

func (f *File) country(addr netip.Addr) string {
	var rec record
	if f == nil || !located(addr) || f.db.Lookup(addr).Decode(&rec) != nil {
		return ""
	}
	if rec.Country.ISO != "" {
		return rec.Country.ISO
	}
	return clean(rec.Country.Names.EN)
}

// words puts the smaller place first, which reads in both languages.
func (rec record) words(lang string) string {
	city, country := rec.City.Names.in(lang), rec.Country.Names.in(lang)
	switch {
	case city == "" || city == country: // "Singapore, Singapore"
		return country
	case country == "":
		return city
	}
	return city + ", " + country
}

// in falls back to the other language: the name somebody can look up is better
// than none.
func (n names) in(lang string) string {
	first, second := n.EN, n.KO
	if lang == "ko" {
		first, second = second, first
	}
	if name := clean(first); name != "" {
		return name
	}
	return clean(second)
}

// located: addresses that mean another machine in every network have no place,
// whatever a file says of them.
func located(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !sharedByCarriers.Contains(addr)
}

// sharedByCarriers: RFC 6598, between customers and their provider.
var sharedByCarriers = netip.MustParsePrefix("100.64.0.0/10")
