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

func TestJavaReadsDecisionsAsThePageSays(t *testing.T) {
	classes := t.TempDir()
	sources, err := filepath.Glob("../../examples/java/*.java")
	if err != nil || len(sources) != 2 {
		t.Fatalf("%v, %v", sources, err)
	}
	// Whoever copies it compiles it by their own rules: no warning of any kind.
	run(t, "javac", append([]string{"--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", classes}, sources...)...)
	page := "../../docs/decision-token.md"
	t.Log(strings.TrimSpace(run(t, "java", "-cp", classes, "DecisionTokenTest", page)))

	// A test that cannot fail shows nothing: one digit of one token changed, and it must say so.
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.md")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), "token: kwd1.ey", "token: kwd1.fy", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool(t, "java"), "-cp", classes, "DecisionTokenTest", wrong).CombinedOutput(); err == nil {
		t.Errorf("the Java test finds nothing wrong with a wrong token:\n%s", out)
	}
}
