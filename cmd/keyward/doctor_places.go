package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyward/internal/config"
)

// What a proxy does to the files at /.well-known/ is not seen from inside: it answers
// them itself, redirects them, or an older copy stands on a web server. Phones then refuse
// passkeys without a word. So doctor reads each as a browser would, from outside.

const (
	placePatience = 5 * time.Second
	// placeMost: Apple takes no larger file.
	placeMost = 128 << 10
)

// placeFile is one of the files and what must be in it.
type placeFile struct {
	name, kind string
	mayMiss    bool // nothing is to be said, so that there is no file is right
	read       func(body []byte) error
}

// lookAtPlaces reads the files at the public URL and, where passkeys belong to a parent
// of its host, those that are asked for there.
func lookAtPlaces(ctx context.Context, transport http.RoundTripper, cfg config.Config, public *url.URL, now time.Time) []finding {
	c := &http.Client{Transport: transport, Timeout: placePatience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	here := func(name string) string {
		return "let what stands in front pass /.well-known/" + name + " on to Keyward as it is, and restart Keyward after a change of its configuration"
	}
	files := append(shownAtRP(cfg), placeFile{"security.txt", "text/plain", cfg.SecurityContact == "", func(b []byte) error { return readSecurity(cfg, b, now) }})
	out := lookAtFiles(ctx, c, cfg.PublicURL, files, here)
	out = append(out, finding{cfg.PublicURL + "/.well-known/change-password", lookAtChange(ctx, c, cfg.PublicURL), here("change-password")})
	if public.Scheme == "https" && public.Hostname() != cfg.RP.ID {
		there := func(name string) string {
			return "let the web server of " + cfg.RP.ID + " pass /.well-known/" + name + " on to Keyward, without a redirect: passkeys belong to that domain, so they are looked for there (docs/operations.md, \"Official places\")"
		}
		files := shownAtRP(cfg)
		files[0].mayMiss = true // no origin is outside the RP ID, so there is nothing to allow
		out = append(out, lookAtFiles(ctx, c, "https://"+cfg.RP.ID, files, there)...)
	}
	return out
}

// shownAtRP are the files that are asked for on the domain of the RP ID.
func shownAtRP(cfg config.Config) []placeFile {
	return []placeFile{
		{"webauthn", "application/json", false, func(b []byte) error { return readOrigins(cfg.RP.Origins, b) }},
		{"passkey-endpoints", "application/json", false, func(b []byte) error { return readEndpoints(cfg.PublicURL, b) }},
		{"assetlinks.json", "application/json", len(cfg.Apps.Android) == 0, func(b []byte) error { return readAssetLinks(cfg.Apps.Android, b) }},
		{"apple-app-site-association", "application/json", len(cfg.Apps.IOS) == 0, func(b []byte) error { return readAssociation(cfg.Apps.IOS, b) }},
	}
}

func lookAtFiles(ctx context.Context, c *http.Client, origin string, files []placeFile, fix func(string) string) (out []finding) {
	for _, f := range files {
		at := origin + "/.well-known/" + f.name
		err := lookAtFile(ctx, c, at, f)
		out = append(out, finding{at, err, fix(f.name)})
		var unreached *url.Error
		if errors.As(err, &unreached) {
			return out // the others would say the same, five seconds later each
		}
	}
	return out
}

func lookAtFile(ctx context.Context, c *http.Client, at string, f placeFile) error {
	res, body, err := fetch(ctx, c, at)
	switch {
	case err != nil:
		return err
	case res.StatusCode == http.StatusNotFound && f.mayMiss:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fmt.Errorf("it redirects to %q, and none is allowed", res.Header.Get("Location"))
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("it answered %s", res.Status)
	case len(body) > placeMost:
		return fmt.Errorf("it is larger than %d KiB", placeMost>>10)
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != f.kind {
		return fmt.Errorf("its type is %q, not %s", res.Header.Get("Content-Type"), f.kind)
	}
	return f.read(body)
}

func fetch(ctx context.Context, c *http.Client, at string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, placeMost+1))
	return res, body, err
}

// sameNames says what a list has too little or too much. Too much is worse: whoever stands
// there may ask for our passkeys.
func sameNames(what string, got, want []string) error {
	for _, w := range want {
		if !slices.Contains(got, w) {
			return fmt.Errorf("%s %s is not in it", what, w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			return fmt.Errorf("it names the %s %q, which is not in the configuration", what, g)
		}
	}
	return nil
}

func readOrigins(all []string, body []byte) error {
	var file struct {
		Origins []string `json:"origins"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return fmt.Errorf("it is not the JSON of WebAuthn L3 §5.11: %w", err)
	}
	var want []string
	for _, o := range all {
		if !strings.HasPrefix(o, "android:") {
			want = append(want, o)
		}
	}
	return sameNames("origin", file.Origins, want)
}

func readEndpoints(publicURL string, body []byte) error {
	var file struct{ Enroll, Manage string }
	if err := json.Unmarshal(body, &file); err != nil {
		return fmt.Errorf("it is not the JSON of passkey-endpoints: %w", err)
	}
	if want := publicURL + "/passkeys/add"; file.Enroll != want {
		return fmt.Errorf("enroll is %q, not %s: password managers would send people there", file.Enroll, want)
	}
	if want := publicURL + "/passkeys"; file.Manage != want {
		return fmt.Errorf("manage is %q, not %s: password managers would send people there", file.Manage, want)
	}
	return nil
}

func readAssetLinks(apps []config.AndroidApp, body []byte) error {
	var file []struct {
		Relation []string
		Target   struct {
			Namespace string
			Site      string
			Package   string   `json:"package_name"`
			Certs     []string `json:"sha256_cert_fingerprints"`
		}
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return fmt.Errorf("it is not the JSON of Digital Asset Links: %w", err)
	}
	want := map[string][]string{}
	for _, a := range apps {
		digests, err := a.Digests()
		if err != nil {
			return err
		}
		for _, d := range digests {
			want[a.Package] = append(want[a.Package], keytoolHex(d))
		}
	}
	got := map[string][]string{}
	for _, s := range file {
		if s.Target.Namespace != "android_app" || want[s.Target.Package] == nil {
			return fmt.Errorf("it speaks for %q, which is not in the configuration", s.Target.Package+s.Target.Site)
		}
		for _, r := range []string{"delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"} {
			if !slices.Contains(s.Relation, r) {
				return fmt.Errorf("%s has no relation %s", s.Target.Package, r)
			}
		}
		got[s.Target.Package] = append(got[s.Target.Package], s.Target.Certs...)
	}
	for _, a := range apps {
		if got[a.Package] == nil {
			return fmt.Errorf("app %s is not in it", a.Package)
		}
		if err := sameNames("fingerprint of "+a.Package, got[a.Package], want[a.Package]); err != nil {
			return err
		}
	}
	return nil
}

func keytoolHex(d [32]byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", d[:]), " ", ":") }

func readAssociation(ids []string, body []byte) error {
	var file struct {
		Web struct{ Apps []string } `json:"webcredentials"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return fmt.Errorf("it is not the JSON of Apple's associated domains: %w", err)
	}
	return sameNames("app", file.Web.Apps, ids)
}

func readSecurity(cfg config.Config, body []byte, now time.Time) error {
	fields := map[string][]string{}
	for line := range strings.Lines(string(body)) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(line, "#") {
			name = strings.ToLower(name) // RFC 9116 §2.1
			fields[name] = append(fields[name], strings.TrimSpace(value))
		}
	}
	var contact []string
	if cfg.SecurityContact != "" {
		contact = []string{cfg.SecurityContact}
	}
	if err := sameNames("contact", fields["contact"], contact); err != nil {
		return err
	}
	if len(fields["expires"]) != 1 { // §2.5.5
		return fmt.Errorf("it has %d lines of Expires, not one", len(fields["expires"]))
	}
	until, err := time.Parse(time.RFC3339, fields["expires"][0])
	if err != nil || !until.After(now) {
		return fmt.Errorf("it expired at %q, and nobody believes it", fields["expires"][0])
	}
	if own := cfg.PublicURL + "/.well-known/security.txt"; !slices.Contains(fields["canonical"], own) {
		return fmt.Errorf("it does not call %s canonical", own)
	}
	if cfg.SecurityPolicy != "" && !slices.Contains(fields["policy"], cfg.SecurityPolicy) {
		return fmt.Errorf("it does not name the policy %s", cfg.SecurityPolicy)
	}
	return nil
}

// lookAtChange: W3C change-password §3 has it redirect for the time being, and its clients
// first ask for a file that cannot exist, to see whether the server says so.
func lookAtChange(ctx context.Context, c *http.Client, origin string) error {
	res, _, err := fetch(ctx, c, origin+"/.well-known/change-password")
	if err != nil {
		return err
	}
	if s := res.StatusCode; s != 302 && s != 303 && s != 307 {
		return fmt.Errorf("it answered %s, not with a redirect of the moment", res.Status)
	}
	to, err := res.Location()
	if want := origin + "/passkeys"; err != nil || to.String() != want {
		return fmt.Errorf("it leads to %q, not to %s", res.Header.Get("Location"), want)
	}
	const nothing = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
	res, _, err = fetch(ctx, c, origin+nothing)
	if err != nil {
		return err
	}
	if res.StatusCode < 300 {
		return fmt.Errorf("%s answered %s, so password managers do not believe that this file exists", nothing, res.Status)
	}
	return nil
}
