package config

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

var (
	androidPackage = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
	appleID        = regexp.MustCompile(`^[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
)

// Digests are the hashes of the certificates that may have signed the app.
func (a AndroidApp) Digests() (out [][32]byte, err error) {
	for _, s := range a.SHA256 {
		b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
		if err != nil || len(b) != 32 {
			return nil, fmt.Errorf("%q is not the SHA-256 of a certificate", s)
		}
		out = append(out, [32]byte(b))
	}
	return out, nil
}

func (k *checker) apps(a Apps) {
	for i, app := range a.Android {
		at := fmt.Sprintf("apps.android[%d].", i)
		if !androidPackage.MatchString(app.Package) {
			k.fault(at+"package", fmt.Sprintf("%q is not the name of a package", app.Package), "keys of any other app are refused", "write it as the manifest has it, such as com.example.exchange")
		}
		if _, err := app.Digests(); err != nil || len(app.SHA256) == 0 {
			k.fault(at+"sha256", "does not list 64 hexadecimal digits", "without it another app could take the name of yours",
				"copy the SHA-256 of the app signing certificate from the store's console, or from: keytool -printcert -jarfile app.apk")
		}
	}
	for i, id := range a.IOS {
		if !appleID.MatchString(id) {
			k.fault(fmt.Sprintf("apps.ios[%d]", i), fmt.Sprintf("%q is not an app id", id), "Apple signs its hash, letter by letter", "write team and bundle, such as TEAM123456.com.example.exchange")
		}
	}
	k.oneOf("apps.app_attest", a.AppAttest, "production", "development")
	k.oneOf("apps.app_attest_earns", a.AppAttestEarns, "claimed", "hardware")
}
