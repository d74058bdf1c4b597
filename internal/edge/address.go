package edge

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddr is the address the request came from: the peer's own, unless the
// peer is a configured proxy; then X-Forwarded-For is read from the right,
// because only the right end was written by proxies we know, and the first
// address that is not one of ours is the client. Reading from the left is how
// a stranger gets to choose an address (and to pass an allow list).
//
// An entry that is not an address ends the reading, and the peer's address is
// the answer: it is true, and limits on a proxy's address fail towards
// refusing. If every entry is one of our proxies, the leftmost is the answer
// (a health check, a proxy of ours talking for itself).
//
// RFC 7239 Forwarded, X-Real-IP and friends are ignored: one header, one truth.
func ClientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	return clientAddr(peerAddr(r.RemoteAddr), r.Header["X-Forwarded-For"], proxies)
}

// ClientAddrBehind is the same where another program says who its TCP peer was, and what
// stood in X-Forwarded-For.
func ClientAddrBehind(peer netip.Addr, forwarded []string, proxies []netip.Prefix) netip.Addr {
	return clientAddr(peer.Unmap().WithZone(""), forwarded, proxies)
}

func clientAddr(peer netip.Addr, forwarded []string, proxies []netip.Prefix) netip.Addr {
	if !trusted(peer, proxies) {
		return peer
	}
	client := peer
	for _, line := range slices.Backward(forwarded) { // RFC 9110 §5.3: several lines are one list
		for line != "" {
			i := strings.LastIndexByte(line, ',')
			addr, ok := parseHop(line[i+1:])
			if !ok {
				return peer
			}
			client = addr
			if !trusted(addr, proxies) {
				return addr
			}
			line = line[:max(i, 0)]
		}
	}
	return client
}

// parseHop reads one entry: 192.0.2.1, 192.0.2.1:443, 2001:db8::1,
// [2001:db8::1], [2001:db8::1]:443, with or without a zone, which means
// something on one link only and is dropped.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if len(s) > 64 { // longer than any address with port and zone; not worth parsing
		return netip.Addr{}, false
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, port, ok := strings.Cut(inner, "]")
		if !ok || port != "" && !isPort(port) || !strings.Contains(host, ":") {
			return netip.Addr{}, false
		}
		s = host
	} else if host, port, ok := strings.Cut(s, ":"); ok && !strings.Contains(port, ":") {
		if !isPort(":" + port) {
			return netip.Addr{}, false
		}
		s = host
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

// isPort: a colon and one to five digits.
func isPort(s string) bool {
	if len(s) < 2 || len(s) > 6 || s[0] != ':' {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// peerAddr is the address of the TCP peer; zero for anything that has none.
func peerAddr(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func trusted(addr netip.Addr, proxies []netip.Prefix) bool {
	if !addr.IsValid() {
		return false
	}
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Neighbours reports that two addresses are in one block as the limits count blocks:
// /24, and /48 of IPv6. A hint for people who compare two devices.
func Neighbours(a, b netip.Addr) bool {
	a, b = a.Unmap().WithZone(""), b.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	return err == nil && p.Contains(b)
}
