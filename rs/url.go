package rs

import "strings"

// sameURL compares two addresses as RFC 9449 §4.3 (9) asks: query and fragment ignored, the rest after the
// normalisation of RFC 3986 §6.2.2 and §6.2.3. Nothing beyond that is forgiven: a proof for one path must
// not serve for another that a careless router would treat alike.
func sameURL(claimed, want string) bool {
	claimed, want = bare(claimed), bare(want)
	if claimed == want && want != "" {
		return true // by far the usual case
	}
	a, ok := normalURL(claimed)
	if !ok {
		return false
	}
	b, ok := normalURL(want)
	return ok && a == b
}

// bare is u without query and fragment.
func bare(u string) string {
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		return u[:i]
	}
	return u
}

// normalURL is u, an http or https address without query and fragment, in the one form that all
// equivalents share. User information is refused: it does not belong to a request's target.
func normalURL(u string) (string, bool) {
	for i := range len(u) {
		// Spaces, controls, backslash and everything outside ASCII must be percent-encoded in a URI; where
		// they are not, two parsers will disagree about what they mean.
		if c := u[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return "", false
		}
	}
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return "", false
	}
	scheme = strings.ToLower(scheme)
	if scheme != "https" && scheme != "http" {
		return "", false
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	authority, ok = normalAuthority(scheme, authority)
	if !ok {
		return "", false
	}
	path, ok = normalEscapes(path)
	if !ok {
		return "", false
	}
	return scheme + "://" + authority + withoutDots(path), true
}

// normalAuthority lower-cases the host and drops the scheme's own port.
func normalAuthority(scheme, authority string) (string, bool) {
	if strings.ContainsAny(authority, "@%") {
		return "", false
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	host = strings.ToLower(host)
	if strings.Trim(port, "0123456789") != "" || !goodHost(host) {
		return "", false
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return host, true
	}
	return host + ":" + port, true
}

// goodHost takes a name or an IPv4 address, or an IPv6 address in its brackets; not the zones and future
// forms of RFC 3986 §3.2.2, which no request to us has.
func goodHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdef:.") == ""
	}
	return host != "" && !strings.ContainsAny(host, ":[]")
}

// normalEscapes writes percent-escapes in upper case and undoes those that were not needed
// (RFC 3986 §6.2.2.1, §6.2.2.2).
func normalEscapes(path string) (string, bool) {
	if strings.IndexByte(path, '%') < 0 {
		return path, true
	}
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		if len(path)-i < 3 {
			return "", false
		}
		hi, ok1 := unhex(path[i+1])
		lo, ok2 := unhex(path[i+2])
		if !ok1 || !ok2 {
			return "", false
		}
		if c := hi<<4 | lo; unreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[hi], hexDigits[lo]})
		}
		i += 2
	}
	return b.String(), true
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// withoutDots resolves . and .. segments (RFC 3986 §5.2.4) of a path that is empty or begins with a slash.
func withoutDots(path string) string {
	if path == "" {
		return "/"
	}
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, s)
			continue
		}
		if last {
			kept = append(kept, "") // "/a/." and "/a/b/.." both end in the slash of "/a/"
		}
	}
	return "/" + strings.Join(kept, "/")
}
