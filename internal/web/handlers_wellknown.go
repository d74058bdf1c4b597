package web

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"keyward/internal/edge"
)

// The files that browsers, phones, password managers and finders of holes look for.
// Each is made of the configuration and of nothing else: whoever stands in one of them
// may ask for our passkeys. Most are asked for on the domain of the RP ID; where that is
// a parent of this host, its web server passes these paths on (docs/operations.md).

// AndroidApp is an app of ours, and the SHA-256 of each certificate that may have signed it.
type AndroidApp struct {
	Package string
	Certs   [][32]byte
}

func (s *Server) wellKnown(mux *http.ServeMux, e *edge.Edge) {
	on := func(name string, h http.HandlerFunc) { // GET takes HEAD along; others get our 405
		mux.Handle("GET /.well-known/"+name, e.Limit(edge.ClassPage, h))
	}
	on("change-password", s.changePassword)
	on("passkey-endpoints", fixed("application/json", asJSON(map[string]string{"enroll": s.set.PublicURL + "/passkeys/add", "manage": s.set.PublicURL + "/passkeys"})))
	on("webauthn", fixed("application/json", asJSON(map[string][]string{"origins": webOrigins(s.set.Origins)})))
	// An app that does not exist is no statement: without one there is no file, as before.
	if len(s.set.Android) > 0 {
		on("assetlinks.json", fixed("application/json", asJSON(assetLinks(s.set.Android))))
	}
	if len(s.set.IOS) > 0 {
		on("apple-app-site-association", fixed("application/json", asJSON(siteAssociation(s.set.IOS))))
	}
	if s.set.SecurityContact != "" {
		on("security.txt", s.securityTxt)
	}
}

// changePassword: password managers send people here to replace a credential
// (W3C "A Well-Known URL for Changing Passwords" §3: 302, 303 or 307). There are no
// passwords; passkeys are what can be replaced.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/passkeys", http.StatusFound)
}

// webOrigins: WebAuthn L3 §5.11, Related Origin Requests. Only web origins have a place
// in it; an Android app proves itself by assetlinks.json. The configuration takes no
// origin outside the RP ID, so the list says to every browser: no other site.
func webOrigins(all []string) []string {
	out := []string{}
	for _, o := range all {
		if strings.HasPrefix(o, "https://") || strings.HasPrefix(o, "http://") {
			out = append(out, o)
		}
	}
	return out
}

type assetLink struct {
	Relation []string    `json:"relation"`
	Target   assetTarget `json:"target"`
}

type assetTarget struct {
	Namespace string   `json:"namespace"`
	Package   string   `json:"package_name"`
	Certs     []string `json:"sha256_cert_fingerprints"`
}

// assetLinks: Digital Asset Links. Android wants handle_all_urls for passkeys and
// get_login_creds for what password managers share.
func assetLinks(apps []AndroidApp) []assetLink {
	out := make([]assetLink, 0, len(apps))
	for _, a := range apps {
		t := assetTarget{Namespace: "android_app", Package: a.Package, Certs: []string{}}
		for _, c := range a.Certs {
			t.Certs = append(t.Certs, fingerprint(c))
		}
		out = append(out, assetLink{Relation: []string{"delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"}, Target: t})
	}
	return out
}

// fingerprint writes a digest as keytool does: upper case, in pairs. Android compares letters.
func fingerprint(digest [32]byte) string {
	pairs := make([]string, len(digest))
	for i := range digest {
		pairs[i] = strings.ToUpper(hex.EncodeToString(digest[i : i+1]))
	}
	return strings.Join(pairs, ":")
}

// siteAssociation: Apple's associated domains. webcredentials alone: our links open
// in the browser, where people see the address.
func siteAssociation(ids []string) map[string]any {
	return map[string]any{"webcredentials": map[string][]string{"apps": ids}}
}

// securityLasts: RFC 9116 §2.5.5 advises less than a year. The file is made
// anew with each answer, so it ends soon after a server that nobody runs.
const securityLasts = 30 * 24 * time.Hour

func (s *Server) securityTxt(w http.ResponseWriter, _ *http.Request) {
	until := s.DB.Now().UTC().Add(securityLasts).Truncate(24 * time.Hour)
	lines := []string{
		"Contact: " + s.set.SecurityContact,
		"Expires: " + until.Format(time.RFC3339),
		"Preferred-Languages: en, ko",
		"Canonical: " + s.set.PublicURL + "/.well-known/security.txt",
	}
	if s.set.SecurityPolicy != "" {
		lines = append(lines, "Policy: "+s.set.SecurityPolicy)
	}
	plainFile(w, "text/plain; charset=utf-8", strings.Join(lines, "\n")+"\n")
}

func fixed(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { plainFile(w, kind, body) }
}

// asJSON writes strings and lists of them, which cannot fail.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

func plainFile(w http.ResponseWriter, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write([]byte(body))
}
