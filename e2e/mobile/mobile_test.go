package mobile

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keyward/e2e/e2etest"
)

func TestMain(m *testing.M) { e2etest.Main(m) }

const sources = "../../examples/mobile/"

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatalf("%s, and nothing may skip here: run make setup", what)
	}
	t.Skipf("skipped: %s; make test installs it", what)
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "there is no "+name)
	}
	return path
}

// compiler is the class path of the Kotlin compiler and, last, the standard library, each file held to its hash.
func compiler(t *testing.T) (all []string, stdlib string) {
	t.Helper()
	pins, err := filepath.Glob("kotlin-*.sha256")
	if err != nil || len(pins) != 1 {
		t.Fatalf("%v, %v", pins, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		missing(t, "there is no cache folder: "+err.Error())
	}
	folder := filepath.Join(cache, "keyward", strings.TrimSuffix(pins[0], ".sha256"))
	list, err := os.Open(pins[0])
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for lines := bufio.NewScanner(list); lines.Scan(); {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		file := filepath.Join(folder, name)
		b, err := os.ReadFile(file)
		if err != nil {
			missing(t, "there is no "+name+" of the Kotlin compiler")
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
			t.Fatalf("%s is another file than the one that is pinned", file)
		}
		if strings.HasPrefix(name, "kotlin-stdlib-") {
			stdlib = file
		}
		all = append(all, file)
	}
	return all, stdlib
}

// app compiles the protocol part with the phone that is none, and returns how it is run.
func app(t *testing.T) []string {
	t.Helper()
	java := tool(t, "java")
	jars, stdlib := compiler(t)
	files, err := filepath.Glob(sources + "android/*.kt")
	if err != nil {
		t.Fatal(err)
	}
	// What touches the platform stands in one file, which says so.
	platform := slices.IndexFunc(files, func(f string) bool { return filepath.Base(f) == "AndroidKeys.kt" })
	if platform < 0 {
		t.Fatalf("no AndroidKeys.kt among %v", files)
	}
	files = slices.Delete(files, platform, platform+1)
	own, err := filepath.Glob("*.kt")
	if err != nil || len(own) == 0 {
		t.Fatalf("%v, %v", own, err)
	}
	classes := t.TempDir()
	// Whoever copies it compiles it by their own rules: no warning of any kind.
	args := []string{"-XX:TieredStopAtLevel=1", "-cp", strings.Join(jars, ":"), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
		"-no-stdlib", "-no-reflect", "-cp", stdlib, "-jvm-target", "17", "-Werror", "-Wextra", "-d", classes}
	if out, err := exec.CommandContext(t.Context(), java, append(append(args, files...), own...)...).CombinedOutput(); err != nil {
		t.Fatalf("the Kotlin compiler: %v\n%s", err, out)
	}
	return []string{java, "-XX:TieredStopAtLevel=1", "-cp", classes + ":" + stdlib, "com.example.keyward.HarnessKt"}
}

// Nobody vouches for the keys of the harness, so they are worth as little as a passkey that says what it likes; all
// else is what a phone does.
func TestTheKotlinAppSpeaksToTheServer(t *testing.T) {
	command := app(t)
	s := e2etest.NewKeyward(t, `apps:`, `  android:`, `    - package: com.example.exchange`, `      sha256: ["`+strings.Repeat("ab", 32)+`"]`, ``)
	s.Start()
	out, err := exec.CommandContext(t.Context(), command[0], append(command[1:], s.Origin, t.TempDir())...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `bad JSON taken: []
JSON comes back: true
a short signature: true
bent signatures taken: 0
signed up: phone claimed [unknown_root]
signed in: phr bound true remembered true
an act without a touch: 403 step_up_required -> TOUCH
the person read: keys.add
the act: true
refreshed twice: the same child
a lost refresh: sent again with another proof
goes on: true
eight at once: 1 refresh
a lost step-up: 401 session_ended -> SIGN_IN
tokens: forgotten
a lost sign-in: 409 challenge_spent -> BEGIN_AGAIN
enrolled: new keys
keys of the account: 2
another machine: 401 passkey_not_accepted -> NOT_ACCEPTED
the owner's own: DPoP
another act: 401 passkey_not_accepted -> NOT_ACCEPTED
a wrong clock: late@example.org
a lost sign-up: tunnel@example.org
unknown keys: 401 passkey_not_accepted -> NOT_ACCEPTED
a removed phone: 404 key_unknown -> REMOVED
its keys: deleted
the other keys: 1
`
	if string(out) != want {
		t.Errorf("the app said:\n%s\ninstead of:\n%s", out, want)
	}
}

// The page has a row for each refusal; the apps know the same ones, in both languages.
func TestTheAppsKnowEveryRefusalOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/mobile.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## What a refusal asks of the app")
	table, _, _ = strings.Cut(table, "\n## ")
	var codes []string
	for line := range strings.Lines(table) {
		if first, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " | "); found && strings.HasPrefix(line, "| `") {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(first, -1) {
				codes = append(codes, m[1])
			}
		}
	}
	if len(codes) < 15 {
		t.Fatalf("only %v", codes)
	}
	for _, file := range []string{"android/Refused.kt", "ios/Refused.swift"} {
		text, err := os.ReadFile(sources + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([a-z]+(?:_[a-z]+)+)"`).FindAllStringSubmatch(string(text), -1) {
			if c := m[1]; c != "request_id" && !slices.Contains(codes, c) {
				t.Errorf("%s knows %s, and docs/mobile.md does not", file, c)
			}
		}
		for _, c := range codes {
			if !strings.Contains(string(text), `"`+c+`"`) {
				t.Errorf("%s does not know %s of docs/mobile.md", file, c)
			}
		}
	}
}

// What no test compiles must say so where a reader begins.
func TestWhatIsNotCompiledSaysSo(t *testing.T) {
	swift, err := filepath.Glob(sources + "ios/*.swift")
	if err != nil || len(swift) < 4 {
		t.Fatalf("%v, %v", swift, err)
	}
	for _, file := range append(swift, sources+"android/AndroidKeys.kt") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "// Not compiled") {
			t.Errorf("%s does not begin with that nobody compiles it here", file)
		}
	}
}
