package apikey

import (
	"net/netip"
	"strings"

	"keyward/internal/edge"
)

// ErrPlace: not an address or range that a key can be tied to.
var ErrPlace = edge.E("apikey_address")

// The widest ranges that still say something about where a bot is. A cloud's whole
// network is no place: the thief rents there too.
const (
	minBits4  = 24
	minBits6  = 48
	maxPlaces = 32
)

// ParsePlaces reads addresses and CIDR ranges, separated by spaces, commas or lines.
// IPv4 in IPv6 is unwrapped and zones are refused, so that one place has one spelling.
func ParsePlaces(text string) ([]netip.Prefix, error) {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' || r == '\t' })
	if len(fields) > maxPlaces {
		return nil, ErrPlace.With("at", fields[maxPlaces])
	}
	var out []netip.Prefix
	for _, f := range fields {
		p, ok := parsePlace(f)
		if !ok {
			return nil, ErrPlace.With("at", f)
		}
		out = append(out, p)
	}
	return out, nil
}

func parsePlace(text string) (netip.Prefix, bool) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, false
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), a.IsValid() && !a.IsUnspecified() && !a.IsMulticast()
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Zone() != "" {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	least := minBits6
	if p.Addr().Is4() {
		least = minBits4
	}
	if p.Bits() < least || p != p.Masked() { // host bits set: not what its owner meant
		return netip.Prefix{}, false
	}
	return p, !p.Addr().IsUnspecified() && !p.Addr().IsMulticast()
}

func joinPlaces(list []netip.Prefix) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return strings.Join(out, " ")
}

// within reports whether an address may use a key. An address that is not known is
// nowhere: with a list it is refused.
func within(addr netip.Addr, allow, deny []netip.Prefix) bool {
	if addr = addr.Unmap().WithZone(""); !addr.IsValid() {
		return len(allow) == 0 && len(deny) == 0
	}
	for _, p := range deny {
		if p.Contains(addr) {
			return false
		}
	}
	for _, p := range allow { // a walk beats any tree up to a few dozen
		if p.Contains(addr) {
			return true
		}
	}
	return len(allow) == 0
}

// covers reports whether every place of inner lies in outer; an empty outer is
// everywhere, an empty inner is only in that.
func covers(outer, inner []netip.Prefix) bool {
	if len(outer) == 0 {
		return true
	}
	if len(inner) == 0 {
		return false
	}
	for _, in := range inner {
		found := false
		for _, out := range outer {
			found = found || out.Bits() <= in.Bits() && out.Contains(in.Addr())
		}
		if !found {
			return false
		}
	}
	return true
}
