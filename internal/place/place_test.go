package place

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"keyward/internal/place/placetest"
)

func opened(t *testing.T, records placetest.Records) *File {
	t.Helper()
	f, err := Open(placetest.Write(t, records))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAPlaceIsSaidInWords(t *testing.T) {
	seoul := placetest.Named("Seoul", "서울", "South Korea", "대한민국")
	f := opened(t, placetest.Records{
		"203.0.113.0/24":    seoul,
		"2001:db8::/32":     placetest.Named("Busan", "부산", "South Korea", "대한민국"),
		"198.51.100.0/25":   placetest.Named("", "", "France", "프랑스"),
		"198.51.100.128/25": placetest.Named("Lyon", "", "France", ""),
		"192.0.2.0/26":      placetest.Named("", "대전", "", "대한민국"),
		"192.0.2.64/26":     placetest.Named("Singapore", "싱가포르", "Singapore", "싱가포르"),
		"192.0.2.128/26":    placetest.Named("Atlantis", "", "", ""),
		"192.0.2.192/27":    mmdbtype.Map{"location": mmdbtype.Map{"latitude": mmdbtype.Float64(1)}},
		"192.0.2.224/27":    mmdbtype.Map{"country": mmdbtype.String("KR"), "city": mmdbtype.String("Seoul")},
		"10.0.0.0/8":        seoul, "127.0.0.0/8": seoul, "100.64.0.0/10": seoul, "169.254.0.0/16": seoul, "fd00::/8": seoul, "fe80::/10": seoul, "::1/128": seoul,
	})
	for _, tc := range []struct{ name, addr, en, ko string }{
		{"a city and its country", "203.0.113.7", "Seoul, South Korea", "서울, 대한민국"},
		{"an IPv6 address", "2001:db8:40::7", "Busan, South Korea", "부산, 대한민국"},
		{"an IPv4 address in the dress of IPv6", "::ffff:203.0.113.7", "Seoul, South Korea", "서울, 대한민국"},
		{"a country alone", "198.51.100.9", "France", "프랑스"},
		{"a file without Korean is read in English", "198.51.100.200", "Lyon, France", "Lyon, France"},
		{"a file without English is read in Korean", "192.0.2.1", "대전, 대한민국", "대전, 대한민국"},
		{"a city that is its country is said once", "192.0.2.65", "Singapore", "싱가포르"},
		{"a city of no country", "192.0.2.129", "Atlantis", "Atlantis"},
		{"a record without names", "192.0.2.193", "", ""},
		{"a record laid out otherwise", "192.0.2.225", "", ""},
		{"an address the file does not have", "8.8.8.8", "", ""},
		{"an IPv6 address the file does not have", "2a00::1", "", ""},
		{"a private address, whatever the file says", "10.1.2.3", "", ""},
		{"a private IPv6 address", "fd00::1", "", ""},
		{"this machine", "127.0.0.1", "", ""},
		{"this machine in IPv6", "::1", "", ""},
		{"an address of a provider's inside", "100.64.0.9", "", ""},
		{"an address of one cable", "169.254.1.1", "", ""},
		{"an address of one cable, with its name", "fe80::1%eth0", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for lang, want := range map[string]string{"en": tc.en, "ko": tc.ko, "xx-long": tc.en, "": tc.en} {
				got, known := f.Locate(netip.MustParseAddr(tc.addr), lang)
				if got != want || known != (want != "") {
					t.Errorf("in %q: %q, %v; want %q", lang, got, known, want)
				}
			}
		})
	}
}

// Two places are apart only where both countries are known and differ.
func TestApartIsSaidOnlyOfWhatIsKnown(t *testing.T) {
	f := opened(t, placetest.Records{
		"203.0.113.0/24":  placetest.Named("Seoul", "서울", "South Korea", "대한민국"),
		"2001:db8::/32":   placetest.Named("Busan", "부산", "South Korea", "대한민국"),
		"198.51.100.0/24": placetest.Named("Lyon", "리옹", "France", "프랑스"),
		"192.0.2.0/24":    placetest.Named("Atlantis", "", "", ""),
	})
	for _, row := range []struct {
		name, a, b string
		want       bool
		file       *File
	}{
		{"another country", "203.0.113.7", "198.51.100.9", true, f},
		{"another city", "203.0.113.7", "2001:db8::1", false, f},
		{"a country that is not known", "203.0.113.7", "192.0.2.1", false, f},
		{"an address that is not in the file", "203.0.113.7", "100.0.0.1", false, f},
		{"a private address", "203.0.113.7", "10.0.0.1", false, f},
		{"no file", "203.0.113.7", "198.51.100.9", false, nil},
		{"an address written the long way", "::ffff:203.0.113.7", "198.51.100.9", true, f},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.file.Apart(netip.MustParseAddr(row.a), netip.MustParseAddr(row.b)); got != row.want {
				t.Errorf("apart: %v", got)
			}
		})
	}
}

func TestWithoutAFileEveryPlaceIsUnknown(t *testing.T) {
	var none *File
	for _, addr := range []netip.Addr{{}, netip.MustParseAddr("203.0.113.7")} {
		if got, known := none.Locate(addr, "en"); known || got != "" {
			t.Errorf("%v: %q", addr, got)
		}
	}
	some := opened(t, placetest.Records{"203.0.113.0/24": placetest.Named("Seoul", "", "", "")})
	if got, known := some.Locate(netip.Addr{}, "en"); known {
		t.Errorf("no address at all is in %q", got)
	}
}

// Whoever makes or changes the file must not be able to write lines into our
// mails, turn the text around, or fill a page.
func TestNamesOfAHostileFileAreHarmless(t *testing.T) {
	long := strings.Repeat("가", 5000)
	for _, tc := range []struct{ name, city, want string }{
		{"line ends that would begin a header or a fact", "Seoul\r\nSubject: you won\u2028\u2029\x85x", "Seoul Subject: you won x"},
		{"controls and an escape of terminals", "Se\x00o\x1b[31mul\x7f", "Seo[31mul"},
		{"marks that turn the text around", "\u202eluoeS\u202c \u2066x\u2069\u200f\u061c", "luoeS x"},
		{"marks that nobody sees", "Se\u200bo\u00adul\ufeff", "Seoul"},
		{"bytes that are no text", "Se\xff\xfeoul", "Seoul"},
		{"letters of nobody's alphabet", "Seoul\ue000\U000f0000", "Seoul"},
		{"spaces all over", " \t Se  oul \u3000", "Se oul"},
		{"kilobytes", long, strings.Repeat("가", maxName) + "…"},
		{"nothing but dirt", "\u202e\x00\u200b \r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := opened(t, placetest.Records{
				"203.0.113.0/24": placetest.Named(tc.city, "", "", ""), "198.51.100.0/24": placetest.Named("", "", "France", ""),
			})
			got, _ := f.Locate(netip.MustParseAddr("203.0.113.7"), "en")
			if got != tc.want {
				t.Errorf("%q instead of %q", got, tc.want)
			}
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxName+1 {
				t.Errorf("not a short text: %q", got)
			}
		})
	}
}

func TestWhatIsNoPlaceFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, body []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(placetest.Write(t, placetest.Records{"203.0.113.0/24": placetest.Named("Seoul", "", "", "")}))
	if err != nil {
		t.Fatal(err)
	}
	huge := file("huge.mmdb", nil)
	if err := os.Truncate(huge, maxFile+1); err != nil { // a hole: it takes no room
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		want       error
	}{
		{"a file that is not there", filepath.Join(dir, "none.mmdb"), os.ErrNotExist},
		{"a folder", dir, ErrNotRegular},
		{"a pipe, which would wait for ever", pipe, ErrNotRegular},
		{"an empty file", file("empty.mmdb", nil), ErrNotDatabase},
		{"a file of something else", file("text.mmdb", []byte("network,city\n")), ErrNotDatabase},
		{"a file that was cut", file("cut.mmdb", whole[:len(whole)/2]), ErrNotDatabase},
		{"a file that would fill the memory", huge, ErrTooLarge},
		{"a database of something else", placetest.Write(t, placetest.Records{
			"203.0.113.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64496)}}), ErrNoPlaces},
		{"a database of nothing", placetest.Write(t, nil), ErrNoPlaces},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if f, err := Open(tc.path); !errors.Is(err, tc.want) || f != nil {
				t.Errorf("%v instead of %v", err, tc.want)
			} else if !strings.Contains(err.Error(), tc.path) {
				t.Errorf("%q does not name the file", err)
			}
		})
	}
}

// A byte of the file is wrong: whatever it is, the file is refused or an address
// has some place or none, and nothing panics.
func TestABrokenByteNeverReachesAnybody(t *testing.T) {
	whole, err := os.ReadFile(placetest.Write(t, placetest.Records{
		"203.0.113.0/24": placetest.Named("Seoul", "서울", "South Korea", "대한민국"), "2001:db8::/32": placetest.Named("", "", "France", "프랑스"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "broken.mmdb")
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < len(whole); i += step {
		for _, bits := range []byte{0x01, 0x80, 0xff} {
			broken := bytes.Clone(whole)
			broken[i] ^= bits
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Open(path)
			if err != nil {
				continue
			}
			for _, addr := range []string{"203.0.113.7", "2001:db8::1", "8.8.8.8"} {
				if got, _ := f.Locate(netip.MustParseAddr(addr), "ko"); !utf8.ValidString(got) || utf8.RuneCountInString(got) > 2*maxName+4 {
					t.Errorf("byte %d: %q", i, got)
				}
			}
		}
	}
}

// An updater writes over the file while the server runs.
func TestTheFileMayBeOverwrittenWhileItIsUsed(t *testing.T) {
	path := placetest.Write(t, placetest.Records{"203.0.113.0/24": placetest.Named("Seoul", "", "South Korea", "")})
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.Locate(netip.MustParseAddr("203.0.113.7"), "en"); got != "Seoul, South Korea" {
		t.Errorf("%q", got)
	}
}

func BenchmarkLocate(b *testing.B) {
	f, err := Open(placetest.Write(b, placetest.Records{"203.0.113.0/24": placetest.Named("Seoul", "서울", "South Korea", "대한민국")}))
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("203.0.113.7")
	for b.Loop() {
		f.Locate(addr, "ko")
	}
}
