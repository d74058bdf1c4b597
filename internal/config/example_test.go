package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const examplePath = "../../keyward.example.yaml"

func TestTheExampleParses(t *testing.T) {
	l, err := Load(examplePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.PublicURL != "https://id.example.com" || len(l.Backends) != 1 {
		t.Errorf("not the example: %+v", l.Config)
	}
}

// commentedKey is "# key: value" or "key: value" at some indent.
var commentedKey = regexp.MustCompile(`^( *)(# ?)?( *)(- )?(?:# .*|([a-z0-9_]+):(.*))$`)

// exampleKeys reads the key paths of the example by indentation, commented or
// not, with the text after the colon.
func exampleKeys(t *testing.T) map[string]string {
	t.Helper()
	body, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	type level struct {
		indent int
		name   string
	}
	var open []level
	known := make(map[string]bool)
	for _, k := range Keys() {
		known[k] = true
		for i := range k {
			if k[i] == '.' {
				known[strings.TrimSuffix(k[:i], "[]")] = true
			}
		}
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		m := commentedKey.FindStringSubmatch(line)
		if m == nil || m[5] == "" {
			continue
		}
		indent := len(m[1]) + len(m[3])
		for len(open) > 0 && open[len(open)-1].indent >= indent {
			open = open[:len(open)-1]
		}
		path := m[5]
		if len(open) > 0 {
			path = open[len(open)-1].name + "." + path
		}
		path = strings.NewReplacer("backends.", "backends[].", "gate.routes.", "gate.routes[].", "step_up.acts.", "step_up.acts[].", "step_up.scopes.", "step_up.scopes[].").Replace(path)
		if !known[path] {
			continue // a word with a colon in prose
		}
		open = append(open, level{indent, strings.ReplaceAll(path, "[]", "")})
		found[path] = strings.TrimSpace(m[6])
	}
	return found
}

func TestTheExampleExplainsEveryKey(t *testing.T) {
	found := exampleKeys(t)
	for _, k := range Keys() {
		if _, ok := found[k]; !ok {
			t.Errorf("%s is missing from keyward.example.yaml", k)
		}
	}
}

// A commented-out value claims to be the default, so it must be.
func TestTheExampleShowsTheTrueDefaults(t *testing.T) {
	complete, err := Config{PublicURL: "http://localhost:7480", Mail: Mail{Host: "localhost", From: "a@b.example"}}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	found := exampleKeys(t)
	checked := 0
	for _, lf := range leaves(reflect.ValueOf(&complete).Elem(), "") {
		name := lf.path[strings.LastIndexByte(lf.path, '.')+1:]
		if !regexp.MustCompile(`(?m)^ *# +` + name + `: ` + regexp.QuoteMeta(found[lf.path])).Match(body) {
			continue // set in the example, not commented out
		}
		value, _, _ := strings.Cut(found[lf.path], " #")
		switch lf.path {
		case "rp.name", "mail.host", "mail.from", "sessions.dbsc":
			continue // explained in words: they depend on other keys
		}
		if lf.value.Kind() == reflect.Slice {
			if strings.TrimSpace(value) != "[]" || lf.value.Len() != 0 {
				t.Errorf("%s: the example says %v, the default is %v", lf.path, value, lf.value)
			}
			continue
		}
		shown := reflect.New(lf.value.Type()).Elem()
		if err := setText(shown, strings.Trim(strings.TrimSpace(value), `"`)); err != nil {
			t.Errorf("%s: %v", lf.path, err)
			continue
		}
		checked++
		if !shown.Equal(lf.value) {
			t.Errorf("%s: the example says %v, the default is %v", lf.path, shown, lf.value)
		}
	}
	if checked < 20 {
		t.Errorf("only %d defaults were found in the example", checked)
	}
}
