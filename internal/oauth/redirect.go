package oauth

import (
	"net/netip"
	"net/url"
	"strings"
)

// goodRedirect judges an address at registration. What passes is compared byte by
// byte later (RFC 9700 §2.1), so only one spelling of an address passes: no upper
// case host, dot segment, empty port or escape that a browser would rewrite.
func goodRedirect(raw string) bool {
	if raw == "" || len(raw) > maxURI || strings.ContainsAny(raw, "#\\ \t\r\n*") {
		return false
	}
	for i := range len(raw) {
		if raw[i] < 0x21 || raw[i] > 0x7e {
			return false
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" || u.String() != raw {
		return false
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		return onWeb(u)
	}
	// A private scheme of a native app: reverse domain name (RFC 8252 §7.1), or any
	// other app could have chosen the same.
	return strings.Contains(u.Scheme, ".") && u.Host == "" && strings.HasPrefix(u.Path, "/") && !dotted(u.Path)
}

// onWeb: https, or http where it never leaves the machine: its own address (RFC 8252
// §7.3) and names below .localhost (RFC 6761 §6.3).
func onWeb(u *url.URL) bool {
	return goodHost(u) && (u.Scheme == "https" || isLoopback(u) || u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost"))
}

// goodWeb judges an address that we call ourselves, or whose page we lead to.
func goodWeb(raw string) bool {
	u, err := url.Parse(raw)
	return goodRedirect(raw) && err == nil && (u.Scheme == "https" || u.Scheme == "http")
}

// goodDomain: a host name in lower case with a dot in it, and no address.
func goodDomain(d string) bool {
	if len(d) > 253 || !strings.Contains(d, ".") {
		return false
	}
	if _, err := netip.ParseAddr(d); err == nil {
		return false
	}
	for _, label := range strings.Split(d, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func goodHost(u *url.URL) bool {
	host := u.Hostname()
	return host != "" && host == strings.ToLower(host) && !strings.HasSuffix(u.Host, ":") && strings.HasPrefix(u.Path, "/") && !dotted(u.EscapedPath())
}

// dotted: dot segments are resolved before a browser sends them, also written %2e.
func dotted(path string) bool {
	for _, seg := range strings.Split(strings.ToLower(path), "/") {
		switch strings.ReplaceAll(seg, "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return strings.Contains(path, "//")
}

func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// redirectMatches compares an address with a registered one, exactly. The port of a
// loopback address is free: the operating system gives a native app another one each
// time (RFC 8252 §7.3, RFC 9700 §2.1).
func redirectMatches(asked, registered string) bool {
	if asked == registered {
		return true
	}
	a, err := url.Parse(asked)
	if err != nil {
		return false
	}
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" || !isLoopback(r) || !goodRedirect(asked) {
		return false
	}
	return a.Scheme == r.Scheme && a.Hostname() == r.Hostname() && a.EscapedPath() == r.EscapedPath() && a.RawQuery == r.RawQuery && a.User == nil
}

// namedLoopback: a server of a developer's machine under a name of its own and one
// registered port, as the demo exchange. No app of a phone comes back there.
func namedLoopback(redirect string) bool {
	u, err := url.Parse(redirect)
	return err == nil && u.Scheme == "http" && strings.HasSuffix(u.Hostname(), ".localhost")
}
