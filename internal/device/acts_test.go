package device

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A new act stands in the one table, or nobody knows which key may give its touch. What is
// not there is refused for a young key and asked for by nobody.
func TestEveryActSaysWhoMay(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Names) != 1 || len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, "Act") {
				return true
			}
			lit, ok := v.Values[0].(*ast.BasicLit)
			if !ok {
				return true
			}
			kind, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if named = append(named, kind); acts[kind] == (rule{}) {
				t.Errorf("%s (%s) is not in the table of acts", v.Names[0].Name, kind)
			}
			return true
		})
	}
	if len(named) != len(acts) {
		t.Errorf("%d acts have a name and %d stand in the table", len(named), len(acts))
	}
	if (rule{}).lets(nil, Key{}, Act{Kind: "an act of tomorrow"}) {
		t.Error("an act that nobody wrote down is a young key's to open")
	}
	if slices.Contains(Acts(), ActConfirm) || slices.Contains(Acts(), ActSignIn) || slices.Contains(Raisable(), ActSessionsEndAll) {
		t.Error("a touch can be asked for that is none, or stopping is made harder")
	}
}

func TestObjectsOfActsAreReadOneWay(t *testing.T) {
	id := "kwk_1"
	for _, row := range []struct {
		name, kind, object string
		ok                 bool
	}{
		{"an act without an object", ActCodesNew, "", true},
		{"the word that it looks, on nothing", ActCodesNew, " look", false},
		{"an act on a key", ActBotKeyUnlock, id, true},
		{"with the word for a better key", ActBotKeyUnlock, id + " phrh", true},
		{"both words", ActBotKeyAdd, "hash look phrh", true},
		{"in the other order", ActBotKeyAdd, "hash phrh look", false},
		{"twice the same", ActBotKeyAdd, "hash look look", false},
		{"a word that nobody knows", ActBotKeyAdd, "hash more", false},
		{"a space at the end", ActBotKeyAdd, "hash ", false},
		{"an object that is missing", ActBotKeyAdd, "", false},
		{"as long as an imported key's", ActBotKeyChange, strings.Repeat("k", 172) + " look phrh", true},
		{"longer", ActBotKeyChange, strings.Repeat("k", 173), false},
		{"a withdrawal", ActConfirm, "int_1", false},
		{"a sign-in", ActSignIn, "", false},
		{"an act of tomorrow", "keys.export", "", false},
	} {
		act, err := ParseAct(row.kind, row.object)
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
		if err == nil && row.object != "" && (strings.Contains(act.On(), " ") || !strings.HasPrefix(row.object, act.On())) {
			t.Errorf("%s: on %q", row.name, act.On())
		}
	}
	if a := (Act{ActBotKeyAdd, "x"}).Looking(); !a.looks() || a.hard() || a.plain() != a {
		t.Errorf("%+v", a)
	}
}
