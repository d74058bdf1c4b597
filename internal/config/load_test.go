package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write puts a configuration into a temporary file named keyward.yaml.
func write(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyward.yaml")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const trying = "public_url: http://localhost:7480\n"

func TestTheShortestFileGivesEveryDefault(t *testing.T) {
	l, err := Load(write(t, trying), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.RP.ID, "localhost"; got != want {
		t.Errorf("rp.id = %q, want %q", got, want)
	}
	if !slices.Equal(l.RP.Origins, []string{"http://localhost:7480"}) {
		t.Errorf("rp.origins = %q", l.RP.Origins)
	}
	want := Sessions{Access: 5 * time.Minute, Idle: time.Hour, Absolute: 24 * time.Hour, Remember: 30 * 24 * time.Hour, DBSC: "false"}
	if l.Sessions != want {
		t.Errorf("sessions = %+v, want %+v", l.Sessions, want)
	}
	if l.Listen.Ops != "127.0.0.1:7489" || l.SelfSignUp || l.Limits.BodyBytes != 65536 {
		t.Errorf("unexpected defaults: %+v", l.Config)
	}
}

func TestTheZeroConfigRefusesAndSaysWhatIsMissing(t *testing.T) {
	_, err := Config{}.Complete()
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Key != "public_url" {
		t.Fatalf("want one fault about public_url, got %v", err)
	}
	if !strings.Contains(faults[0].Fix, "https://id.example.com") {
		t.Errorf("the fix names no example: %s", faults[0])
	}
}

func TestEveryFaultOfAFileIsToldAtOnceWithItsLine(t *testing.T) {
	_, err := Load(write(t, "public_url: https://id.example.com\nlisten:\n  pubic: :443\nsessions:\n  access: 300\nmystery: 1\n"), nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"keyward.yaml:3: listen.pubic: is not a key", "did you mean listen.public?",
		"keyward.yaml:5: sessions.access: is a duration with its unit",
		"keyward.yaml:6: mystery: is not a key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	for _, tc := range []struct{ name, yaml, where, want string }{
		{"a key is set twice", trying + "brand_name: A\nbrand_name: B\n", "keyward.yaml:3", "second time (first in line 2)"},
		{"a key stands under the wrong parent", trying + "listen:\n  trusted_proxies: [10.0.0.1]\n", "keyward.yaml:3", "did you mean trusted_proxies?"},
		{"a nested key is written flat", trying + "rp_id: localhost\n", "keyward.yaml:2", "did you mean rp.id?"},
		{"a list holds one value", trying + "trusted_proxies: 10.0.0.1\n", "keyward.yaml:2", "must be a list"},
		{"a section holds a value", trying + "listen: 8080\n", "keyward.yaml:2", "must hold keys"},
		{"a value holds a list", trying + "brand_name: [a]\n", "keyward.yaml:2", "must be one value"},
		{"a switch says yes", trying + "self_sign_up: yes\n", "keyward.yaml:2", "true or false"},
		{"an alias hides a value", trying + "brand_name: &n A\nrp:\n  name: *n\n", "keyward.yaml:2", "anchor or alias"},
		{"two documents in one file", trying + "---\nbrand_name: A\n", "keyward.yaml", "more than one YAML document"},
		{"a tab indents", trying + "listen:\n\tpublic: x\n", "keyward.yaml:3", "not YAML"},
		{"a block has host bits", trying + "trusted_proxies: [10.1.2.3/8]\n", "keyward.yaml:2", `write "10.0.0.0/8"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(write(t, tc.yaml), nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.where+":") {
				t.Errorf("want %q at %s, got\n%v", tc.want, tc.where, err)
			}
		})
	}
}

func TestAMissingFileSaysWhatToCopy(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	if err == nil || !strings.Contains(err.Error(), "keyward.example.yaml") {
		t.Fatalf("got %v", err)
	}
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	l, err := Load(write(t, trying+"brand_name: File\nbehind_proxy: true\ntrusted_proxies: [10.0.0.1]\n"), []string{
		"KEYWARD_BRAND_NAME=Environment", "KEYWARD_TRUSTED_PROXIES=127.0.0.1, ::1", "KEYWARD_SESSIONS_ACCESS=10m", "PATH=/bin",
		"KEYWARD_SERVICE_HOST=10.9.9.9", // container platforms inject such names
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.BrandName != "Environment" || l.Sessions.Access != 10*time.Minute {
		t.Errorf("not overridden: %q, %v", l.BrandName, l.Sessions.Access)
	}
	want := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}
	if !slices.Equal(l.TrustedProxies, want) {
		t.Errorf("trusted_proxies = %v, want %v", l.TrustedProxies, want)
	}
	if _, err := Load(write(t, trying), []string{"KEYWARD_LISTEN_PUBLC=:1"}); err == nil || !strings.Contains(err.Error(), "did you mean KEYWARD_LISTEN_PUBLIC?") {
		t.Errorf("a slip in a variable's name passed: %v", err)
	}
	_, err = Load(write(t, trying), []string{"KEYWARD_SESSIONS_ACCESS=2h"})
	if err == nil || !strings.Contains(err.Error(), "KEYWARD_SESSIONS_ACCESS: sessions.access: 2h is outside 1m to 1h") {
		t.Errorf("a fault of a variable does not name it: %v", err)
	}
}

func TestSecretsComeFromFilesAndTheEnvironmentWins(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(secret, []byte("postgres://kw:hunter2@db/keyward\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, yaml string
		env        []string
		want       string
	}{
		{"the yaml names a file", "database:\n  url_file: " + secret + "\n", nil, "postgres://kw:hunter2@db/keyward"},
		{"the environment names a file", "", []string{"KEYWARD_DATABASE_URL_FILE=" + secret}, "postgres://kw:hunter2@db/keyward"},
		{"the environment's value wins over the yaml's file", "database:\n  url_file: " + secret + "\n", []string{"KEYWARD_DATABASE_URL=sqlite:/tmp/x.db"}, "sqlite:/tmp/x.db"},
		{"the environment's file wins over the yaml's value", "database:\n  url: sqlite:/tmp/x.db\n", []string{"KEYWARD_DATABASE_URL_FILE=" + secret}, "postgres://kw:hunter2@db/keyward"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := Load(write(t, trying+tc.yaml), tc.env)
			if err != nil {
				t.Fatal(err)
			}
			if l.Database.URL != tc.want {
				t.Errorf("database.url = %q, want %q", l.Database.URL, tc.want)
			}
		})
	}
	if _, err := Load(write(t, trying+"database:\n  url: sqlite:/x.db\n  url_file: "+secret+"\n"), nil); err == nil || !strings.Contains(err.Error(), "one of them is stale") {
		t.Errorf("two sources of one secret passed: %v", err)
	}
	if _, err := Load(write(t, trying), []string{"KEYWARD_MAIL_PASSWORD_FILE=/nowhere/password"}); err == nil || !strings.Contains(err.Error(), "cannot read the file") {
		t.Errorf("an unreadable secret file passed: %v", err)
	}
}

func TestPrintShowsTheSourceOfEachValueAndNoSecret(t *testing.T) {
	l, err := Load(write(t, trying+`mail:
  host: localhost
  from: a@example.com
  username: kw
  password: CANARY-mail
backends:
  - id: web
    secret_sha256: `+strings.Repeat("ab", 32)+`
    may: [introspect]
`), []string{"KEYWARD_DATABASE_URL=postgres://kw:CANARY-user@db/keyward?password=CANARY-query&sslmode=verify-full"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := l.Print(&b); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if strings.Contains(out, "CANARY") || strings.Contains(out, strings.Repeat("ab", 32)) {
		t.Errorf("a secret is printed:\n%s", out)
	}
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		`public_url "http://localhost:7480" keyward.yaml:1`,
		`sessions.remember 30d default`,
		`mail.port 587 default`,
		`mail.password (set, not shown) keyward.yaml:6`,
		`sslmode=verify-full" KEYWARD_DATABASE_URL`,
		`backends[0].may ["introspect"] keyward.yaml:10`,
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("missing %q in\n%s", want, out)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("public_url: http://localhost:1\n")
	f.Add("a: &a [*a]\n")
	f.Add("backends:\n  - {id: x, may: [end]}\n")
	f.Add("rp:\n  origins: [android:apk-key-hash:x, null, {}]\n")
	f.Add("trusted_proxies: [::ffff:1.2.3.4/120, 1.2.3.4]\nbehind_proxy: true\n")
	f.Fuzz(func(t *testing.T, body string) {
		l := Loaded{source: make(map[string]string)}
		if faults := l.decode("f.yaml", []byte(body)); len(faults) > 0 {
			_ = faults.Error()
			return
		}
		c, err := l.Config.Complete()
		if err != nil {
			return
		}
		if again, err := c.Complete(); err != nil {
			t.Fatalf("accepted once, refused when complete: %v\n%+v", err, again)
		}
	})
}
