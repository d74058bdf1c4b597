package apikey

import (
	"net/http"
	"slices"
)

// What the gates have to know of profiles before a request is verified.

// ProfileOf is the profile whose marks a request shows, by its headers alone; not ok when
// it shows none, or those of two.
func ProfileOf(h http.Header) (Profile, bool) { return profileOf(&Request{Header: h}) }

// Known reports whether there is such a profile.
func (p Profile) Known() bool { return len(signsWith[p]) > 0 }

// Profiles lists all of them.
func Profiles() (all []Profile) {
	for p := range signsWith {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// SignsBody reports whether a profile signs the body itself, so that a front has to hand
// it over. The native one signs a digest, which the upstream compares; what signs none
// may only read.
func (p Profile) SignsBody() bool { return p != Native && !p.Unsigned() }

// Single reports whether a header has to stand in a request once because a verifier reads
// it. Where a front writes two copies as one line with a comma, neither is the request
// that a client signed. (Authorization may have commas of its own; its readers know how
// many.)
func Single(name string) bool {
	if name == "Content-Type" || name == "Content-Digest" {
		return true
	}
	p, ok := marked(name)
	return ok && p != ""
}

// NewID is the id of a native key that nobody has yet.
func NewID() ID { return idFor(Native, false) }
