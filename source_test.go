package keyward_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// How the tests of this folder read the module's source.

// packages lists each package of the module with what it imports of it, tests aside;
// also where an import makes a circle and nothing would build.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}} {{range .Imports}}{{.}} {{end}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range bytes.Lines(out) {
		words := strings.Fields(string(line))
		pkg := inside(words[0])
		all[pkg] = []string{}
		for _, im := range words[1:] {
			if im == "keyward" || strings.HasPrefix(im, "keyward/") {
				all[pkg] = append(all[pkg], inside(im))
			}
		}
	}
	return all
}

func inside(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, "keyward"), "/")
}

type source struct {
	files []file
	tests bool // it has nothing but tests
}

type file struct {
	name string
	ast  *ast.File
}

// sources are all Go files but tests, for every platform, by folder.
func sources(t *testing.T) map[string]source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var parsed = sync.OnceValues(func() (map[string]source, error) {
	all := map[string]source{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || p != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(p, ".go"):
			return nil
		}
		dir := strings.TrimPrefix(path.Dir(filepath.ToSlash(p)), ".")
		src, seen := all[dir]
		if strings.HasSuffix(p, "_test.go") {
			if !seen {
				src.tests = true
			}
			all[dir] = src
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		src.tests = false
		src.files = append(src.files, file{path.Base(p), parsed})
		all[dir] = src
		return nil
	})
	return all, err
})

// tables are those of the schema. Both databases have the same, and each lies in
// its owner's file under its owner's name.
func tables(t *testing.T) []string {
	t.Helper()
	found := map[string]map[string]bool{"sqlite": {}, "postgres": {}}
	for dialect, names := range found {
		files, _ := filepath.Glob("internal/store/schema/" + dialect + "/*.sql")
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, owner, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".sql"), "_")
			for _, m := range regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`).FindAllStringSubmatch(string(text), -1) {
				if !strings.HasPrefix(m[1], owner+"_") {
					t.Errorf("%s makes the table %s of somebody else", f, m[1])
				}
				names[m[1]] = true
			}
			for _, m := range regexp.MustCompile(`(?m)^DROP TABLE (\w+)`).FindAllStringSubmatch(string(text), -1) {
				delete(names, m[1])
			}
		}
	}
	if !maps.Equal(found["sqlite"], found["postgres"]) || len(found["sqlite"]) == 0 {
		t.Fatalf("the two databases have other tables: %v", found)
	}
	return slices.Sorted(maps.Keys(found["sqlite"]))
}

// inHousekeeping collects the SQL that can run inside a call of Housekeeping: the
// constants named in the function given to it, and in functions with a *store.Tx
// that it calls, by name. It may find too much and never too little.
func inHousekeeping(t *testing.T) map[string][]string {
	t.Helper()
	type decl struct {
		dir string
		fn  *ast.FuncDecl
	}
	byName, consts := map[string][]decl{}, map[string]map[string]ast.Expr{}
	for dir, src := range sources(t) {
		if dir == "bench" || slices.Contains(forTests, dir) {
			continue
		}
		consts[dir] = map[string]ast.Expr{}
		for _, f := range src.files {
			for _, d := range f.ast.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if takesTx(d) {
						byName[d.Name.Name] = append(byName[d.Name.Name], decl{dir, d})
					}
				case *ast.GenDecl:
					for _, s := range d.Specs {
						if v, ok := s.(*ast.ValueSpec); ok && len(v.Names) == len(v.Values) {
							for i, n := range v.Names {
								consts[dir][n.Name] = v.Values[i]
							}
						}
					}
				}
			}
		}
	}
	var text func(dir string, e ast.Node) string
	text = func(dir string, e ast.Node) (s string) {
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					s += unquote(n)
				}
			case *ast.Ident:
				if v := consts[dir][n.Name]; v != nil && v != e {
					s += text(dir, v)
				}
			}
			return true
		})
		return s
	}
	// called gives the bodies that a call may mean: one of the same package if
	// there is one of that name, else any.
	called := func(dir string, fun ast.Expr) (found []decl) {
		name, elsewhere := "", false
		switch fun := fun.(type) {
		case *ast.Ident:
			name = fun.Name
		case *ast.SelectorExpr:
			name, elsewhere = fun.Sel.Name, true
		}
		for _, d := range byName[name] {
			if d.dir == dir {
				found = append(found, d)
			}
		}
		if len(found) == 0 && elsewhere {
			found = byName[name]
		}
		return found
	}
	var walk func(dir string, n ast.Node, seen map[ast.Node]bool, add func(string))
	walk = func(dir string, n ast.Node, seen map[ast.Node]bool, add func(string)) {
		if seen[n] {
			return
		}
		seen[n] = true
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if v := consts[dir][n.Name]; v != nil {
					add(text(dir, v))
				}
			case *ast.CallExpr:
				if slices.ContainsFunc(n.Args, func(a ast.Expr) bool { id, ok := a.(*ast.Ident); return ok && id.Name == "tx" }) {
					for _, d := range called(dir, n.Fun) {
						walk(d.dir, d.fn.Body, seen, add)
					}
				}
			}
			return true
		})
	}
	all := map[string][]string{}
	for dir, src := range sources(t) {
		if dir == "bench" || slices.Contains(forTests, dir) {
			continue
		}
		for _, f := range src.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 2 {
					return true
				}
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Housekeeping" {
					seen, add := map[ast.Node]bool{}, func(sql string) { all[dir+"/"+f.name] = append(all[dir+"/"+f.name], sql) }
					walk(dir, call.Args[1], seen, add)
					for _, d := range called(dir, call.Args[1]) { // a function given by its name
						walk(d.dir, d.fn.Body, seen, add)
					}
				}
				return true
			})
		}
	}
	return all
}

func takesTx(d *ast.FuncDecl) bool {
	for _, p := range d.Type.Params.List {
		if star, ok := p.Type.(*ast.StarExpr); ok {
			switch x := star.X.(type) {
			case *ast.SelectorExpr:
				if x.Sel.Name == "Tx" {
					return d.Body != nil
				}
			case *ast.Ident:
				if x.Name == "Tx" {
					return d.Body != nil
				}
			}
		}
	}
	return false
}

func unquote(lit *ast.BasicLit) string {
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return lit.Value
	}
	return s
}
