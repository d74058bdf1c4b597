package keyward_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The documents are read here for what can be checked: names of tests, files,
// make targets, links, tables, libraries. Whether a sentence is true is for people.

var (
	testName   = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
	codeBlock  = regexp.MustCompile("(?ms)^```.*?^```$")
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	makeTarget = regexp.MustCompile(`\bmake ([a-z]+)`)
	ourPath    = regexp.MustCompile(`^(?:cmd|internal|rs|docs|deploy|e2e|bench|examples|scripts|\.ci)/[\w./*-]+$`)
)

// documents are all pages of the repository, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (p != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if strings.HasSuffix(p, ".md") && !strings.HasSuffix(p, "LICENSE.md") {
			all[filepath.ToSlash(p)] = read(t, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testNames are the tests, fuzz targets and benchmarks of the module.
var testNames = sync.OnceValue(func() map[string]bool {
	found := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	filepath.WalkDir(".", func(p string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, "_test.go") {
			b, _ := os.ReadFile(p)
			for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
				found[m[1]] = true
			}
		}
		return nil
	})
	return found
})

func targets(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		found[m[1]] = true
	}
	return found
}

func TestDocumentsNameWhatExists(t *testing.T) {
	known := targets(t)
	for page, text := range documents(t) {
		for _, name := range testName.FindAllString(text, -1) {
			if !testNames()[name] {
				t.Errorf("%s names %s, and there is no such test", page, name)
			}
		}
		code := codeBlock.FindAllString(text, -1)
		for _, m := range codeSpan.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			code = append(code, m[1])
			if ourPath.MatchString(m[1]) {
				if found, err := filepath.Glob(m[1]); err != nil || len(found) == 0 {
					t.Errorf("%s names %s, and there is no such file", page, m[1])
				}
			}
		}
		for _, c := range code {
			for _, m := range makeTarget.FindAllStringSubmatch(c, -1) {
				if !known[m[1]] {
					t.Errorf("%s says make %s, and there is no such target", page, m[1])
				}
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") || strings.HasPrefix(file, "mailto:") {
				continue
			}
			to := page
			if file != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(page), file))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			} else if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s links to %s, and that page has no such heading", page, m[1])
			}
		}
	}
}

// anchors of the headings, as forges make them.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		a := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(a, " ", "-"))
	}
	return all
}

func TestEveryTableIsInTheArchitecture(t *testing.T) {
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|(.*)$").FindAllStringSubmatch(read(t, "ARCHITECTURE.md"), -1) {
		rows[m[1]] = true
		if owner, _, _ := strings.Cut(m[1], "_"); owner != m[2] {
			t.Errorf("the table %s belongs to %s and not to %s", m[1], owner, m[2])
		}
		columns, listed := housekeeping[m[1]]
		if said := strings.Contains(m[3], "housekeeping"); said != listed {
			t.Errorf("%s: ARCHITECTURE.md and architecture_test.go disagree about housekeeping (columns %v)", m[1], columns)
		}
	}
	for _, name := range tables(t) {
		if !rows[name] {
			t.Errorf("the table %s is not in ARCHITECTURE.md", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("ARCHITECTURE.md lists %s, and there is no such table", name)
	}
}

func TestEveryLibraryHasItsReason(t *testing.T) {
	page := read(t, "docs/decisions/0014-dependencies.md")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| .*$`).FindAllString(page, -1) {
		first := strings.SplitN(row, "|", 3)[1]
		for _, m := range codeSpan.FindAllStringSubmatch(first, -1) {
			listed[m[1]] = true
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		if !listed[m[1]] {
			t.Errorf("go.mod requires %s directly, and docs/decisions/0014-dependencies.md does not say why", m[1])
		}
		delete(listed, m[1])
	}
	for name := range listed {
		t.Errorf("docs/decisions/0014-dependencies.md explains %s, which go.mod does not require directly", name)
	}
}

// Comments cite the design by number; the numbers must be there for a stranger.
func TestWhatCommentsCiteIsInTheDesign(t *testing.T) {
	design := read(t, "docs/design.md")
	cited := regexp.MustCompile(`(DESIGN §\d+)(?:\.(\d+))?|(MISSION (?:[A-Z]\d+|belief \d+))`)
	filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !slices.Contains([]string{".go", ".js", ".css", ".html", ".sql", ".md", ".yaml"}, filepath.Ext(p)) {
			return nil
		}
		for _, m := range cited.FindAllStringSubmatch(read(t, p), -1) {
			heading, rule := m[1], m[2]
			if heading == "" {
				if !strings.Contains(design, "| "+m[3]+" |") {
					t.Errorf("%s cites %s, which docs/design.md does not have", p, m[3])
				}
				continue
			}
			_, section, found := strings.Cut(design, "## "+heading+".")
			section, _, _ = strings.Cut(section, "\n## ")
			if !found || rule != "" && !strings.Contains(section, "\n"+rule+". ") {
				t.Errorf("%s cites %s, which docs/design.md does not have", p, m[0])
			}
		}
		return nil
	})
}

func TestDecisionsAreNumberedAndShort(t *testing.T) {
	files, _ := filepath.Glob("docs/decisions/*.md")
	for i, f := range files {
		name := filepath.Base(f)
		if want := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("%s: want number %s next; numbers are never used twice and none is missing", name, want)
		}
		text := read(t, f)
		if n := strings.Count(text, "\n"); n > 45 {
			t.Errorf("%s has %d lines; 20 to 40 are enough for a decision", name, n)
		}
		for _, word := range []string{"Context", "Choice", "Rejected", "change"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s has no part %q", name, word)
			}
		}
	}
}
