package keyward_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each line of docs/holds.md names a test, a make target or a file, or says that
// it is not true yet. That the names exist is held by TestDocumentsNameWhatExists.
func TestEveryPromiseIsShownOrSaysNotYet(t *testing.T) {
	rows, open := 0, 0
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \| (.+) \|$`).FindAllStringSubmatch(read(t, "docs/holds.md"), -1) {
		promise, shown := m[1], m[2]
		if strings.HasPrefix(promise, "what ") || promise == "part" {
			continue // the heads of the tables
		}
		rows++
		if strings.Contains(shown, "**Not yet:**") {
			open++
			continue
		}
		evidence := testName.MatchString(shown) || strings.Contains(shown, "the same, row")
		for _, c := range codeSpan.FindAllStringSubmatch(shown, -1) {
			_, err := os.Stat(c[1])
			evidence = evidence || err == nil || strings.HasPrefix(c[1], "make ")
		}
		if !evidence {
			t.Errorf("%q names nothing that shows it, and does not say that it is not true yet: %s", promise, shown)
		}
	}
	if rows < 60 {
		t.Errorf("only %d lines were read: the form of docs/holds.md has changed", rows)
	}
	t.Logf("%d promises, %d not true yet", rows, open)
}
