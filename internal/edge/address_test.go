package edge

import (
	"net/netip"
	"strings"
	"testing"
)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

var proxyNet = prefixes("10.0.0.0/8", "fd00::/8", "127.0.0.1/32")

// addressRows also seed the fuzz target.
var addressRows = []struct {
	name      string
	peer      string
	forwarded []string
	want      string
}{
	{"a stranger's header is not read", "203.0.113.9:5000", []string{"198.51.100.1"}, "203.0.113.9"},
	{"a proxy without the header is the client", "10.0.0.1:5000", nil, "10.0.0.1"},
	{"a proxy names the client", "10.0.0.1:5000", []string{"198.51.100.1"}, "198.51.100.1"},
	{"what the client itself wrote stands on the left and is not read", "10.0.0.1:5000", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
	{"a client that claims to be one of our proxies gains nothing", "10.0.0.1:5000", []string{"1.1.1.1, 10.0.0.7, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
	{"two proxies in a row", "10.0.0.1:5000", []string{"198.51.100.1, 10.2.2.2"}, "198.51.100.1"},
	{"several header lines are one list", "10.0.0.1:5000", []string{"1.1.1.1", "198.51.100.1", "10.2.2.2"}, "198.51.100.1"},
	{"only our own proxies: the leftmost asks for itself", "10.0.0.1:5000", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
	{"with a port", "10.0.0.1:5000", []string{"198.51.100.1:4711"}, "198.51.100.1"},
	{"IPv6", "[fd00::1]:5000", []string{"2001:db8::5"}, "2001:db8::5"},
	{"IPv6 in brackets", "10.0.0.1:5000", []string{"[2001:db8::5]"}, "2001:db8::5"},
	{"IPv6 in brackets with a port", "10.0.0.1:5000", []string{"[2001:db8::5]:443"}, "2001:db8::5"},
	{"IPv6 with a zone loses it", "10.0.0.1:5000", []string{"fe80::1%eth0"}, "fe80::1"},
	{"the peer's zone is dropped too", "[fe80::1%eth0]:5000", nil, "fe80::1"},
	{"IPv4 dressed as IPv6 is IPv4", "10.0.0.1:5000", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
	{"a peer dressed as IPv6 is still our proxy", "[::ffff:10.0.0.1]:5000", []string{"198.51.100.1"}, "198.51.100.1"},
	{"white space around entries", "10.0.0.1:5000", []string{" \t198.51.100.1 \t, 10.2.2.2 "}, "198.51.100.1"},
	{"garbage at the right end: the peer", "10.0.0.1:5000", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
	{"garbage behind the client is never reached", "10.0.0.1:5000", []string{"garbage;;, 198.51.100.1"}, "198.51.100.1"},
	{"garbage between our proxies: the peer, not a guess", "10.0.0.1:5000", []string{"198.51.100.1, _hidden, 10.2.2.2"}, "10.0.0.1"},
	{"an empty entry is garbage", "10.0.0.1:5000", []string{"198.51.100.1,"}, "10.0.0.1"},
	{"a host name is garbage", "10.0.0.1:5000", []string{"localhost"}, "10.0.0.1"},
	{"a port out of shape is garbage", "10.0.0.1:5000", []string{"198.51.100.1:port"}, "10.0.0.1"},
	{"IPv4 in brackets is garbage", "10.0.0.1:5000", []string{"[198.51.100.1]"}, "10.0.0.1"},
	{"brackets left open are garbage", "10.0.0.1:5000", []string{"[2001:db8::5"}, "10.0.0.1"},
	{"a leading zero is garbage: some read it as octal", "10.0.0.1:5000", []string{"010.0.0.1"}, "10.0.0.1"},
	{"an entry of a kilobyte is garbage", "10.0.0.1:5000", []string{strings.Repeat("1", 1024)}, "10.0.0.1"},
	{"a peer without address stays without", "@", []string{"198.51.100.1"}, "invalid IP"},
}

func TestClientAddr(t *testing.T) {
	for _, tc := range addressRows {
		t.Run(tc.name, func(t *testing.T) {
			if got := clientAddr(peerAddr(tc.peer), tc.forwarded, proxyNet); got.String() != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func FuzzClientAddr(f *testing.F) {
	for _, tc := range addressRows {
		f.Add(tc.peer, strings.Join(tc.forwarded, "\n"))
	}
	f.Fuzz(func(t *testing.T, remote, header string) {
		peer := peerAddr(remote)
		lines := strings.Split(header, "\n")
		got := clientAddr(peer, lines, proxyNet)
		if !trusted(peer, proxyNet) {
			if got != peer {
				t.Fatalf("a stranger chose %v", got)
			}
			return
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("not normalised: %v", got)
		}
		// What a client writes itself can only stand to the left of what our
		// proxy appends, and must never matter.
		appended := append(lines, "198.51.100.77")
		if got := clientAddr(peer, appended, proxyNet); got != netip.MustParseAddr("198.51.100.77") {
			t.Fatalf("the client's own header changed its address to %v", got)
		}
		if !trusted(got, proxyNet) { // an address we report was written by somebody
			if !strings.Contains(header, ".") && !strings.Contains(header, ":") {
				t.Fatalf("%v came from nowhere", got)
			}
		}
	})
}

func BenchmarkClientAddr(b *testing.B) {
	peer := netip.MustParseAddr("10.0.0.1")
	lines := []string{"1.1.1.1, 198.51.100.1, 10.2.2.2"}
	b.ReportAllocs()
	for b.Loop() {
		clientAddr(peer, lines, proxyNet)
	}
}
