package java

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool finds a program, or skips aloud; it fails where nothing may skip.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatalf("there is no %s, and nothing may skip here: run make setup", name)
		}
		t.Skipf("skipped: there is no %s; make test installs it", name)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// compiled is where the classes of examples/java lie.
func compiled(t *testing.T) string {
	t.Helper()
	classes := t.TempDir()
	sources, err := filepath.Glob("../../examples/java/*.java")
	if err != nil || len(sources) != 4 {
		t.Fatalf("%v, %v", sources, err)
	}
	// Whoever copies it compiles it by their own rules: no warning of any kind.
	run(t, "javac", append([]string{"--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", classes}, sources...)...)
	return classes
}

// holds runs one of the Java tests over a file, and once more over the file with one thing
// changed in it: a test that cannot fail shows nothing.
func holds(t *testing.T, class, path, old, changed string) {
	t.Helper()
	classes := compiled(t)
	t.Log(strings.TrimSpace(run(t, "java", "-cp", classes, class, path)))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", path, old)
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), old, changed, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool(t, "java"), "-cp", classes, class, wrong).CombinedOutput(); err == nil {
		t.Errorf("%s finds nothing wrong with a wrong file:\n%s", class, out)
	}
}

func TestJavaReadsDecisionsAsThePageSays(t *testing.T) {
	holds(t, "DecisionTokenTest", "../../docs/decision-token.md", "token: kwd1.ey", "token: kwd1.fy")
}

func TestJavaChecksConfirmationsAsExecutorDoes(t *testing.T) {
	// A good proof that is said to be none: whoever takes everything, or nothing, is found out.
	holds(t, "ConfirmationTest", "../../executor/testdata/vectors.json", `"says": "ok"`, `"says": "proof"`)
}
