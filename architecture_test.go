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

// floors: a package imports only from strictly lower ones, never from its own.
// ARCHITECTURE.md draws them; a package that is on no floor stands beside them.
var floors = map[string]int{
	"cmd/keyward":  8,
	"internal/web": 7, "internal/api": 7,
	"internal/signin": 5, "internal/contain": 5,
	"internal/session": 4,
	"internal/device":  3, "internal/notify": 3,
	"internal/account": 2,
	"internal/audit":   1, "internal/job": 1, "internal/edge": 1,
	"internal/store": 0, "internal/keyring": 0, "internal/proof": 0, "internal/lang": 0, "internal/config": 0,
}

// beside the floors, with those who may import them outside of tests. A software
// authenticator in a server would be a key that anybody can copy.
var beside = map[string][]string{
	"":                   {},
	"internal/demo":      {"cmd/keyward"},
	"internal/softkey":   {"internal/demo", "bench"},
	"internal/storetest": {}, "internal/keyring/keyringtest": {}, "internal/proof/prooftest": {},
	"examples/exchange": {"cmd/keyward"},
	"bench":             {}, "deploy": {}, "e2e": {}, "e2e/modules": {}, "e2e/pictures": {},
}

// housekeeping: the tables that change without an audit event, because nobody
// would ever ask who did it. A list of columns means: these columns and no others.
var housekeeping = map[string][]string{
	"store_meta":  {},                                                                                                       // keys wrapped by the root: their own compare-and-swap
	"audit_index": {}, "audit_pending": {}, "audit_hash": {}, "audit_checkpoint": {}, "audit_sealer": {}, "audit_lease": {}, // the log's own gears
	"job_job":       {},
	"notify_cursor": {}, "notify_sent": {}, "notify_rate": {},
	"account_idempotency": {},
	"device_proof":        {}, "device_spent": {},
	"session_jti": {}, "session_session": {"last_seen", "reach_ms"},
	"signin_handoff": {},
}

func TestImportsGoDownstairs(t *testing.T) {
	for pkg, imports := range packages(t) {
		floor, onFloor := floors[pkg]
		if _, known := beside[pkg]; !onFloor && !known {
			t.Errorf("%s is on no floor and not beside them: give it a place in architecture_test.go and ARCHITECTURE.md", pkg)
		}
		for _, im := range imports {
			allowed, isBeside := beside[im]
			switch {
			case strings.HasPrefix(pkg, "examples/"):
				t.Errorf("%s imports %s: examples show what anybody can write, with nothing of ours", pkg, im)
			case isBeside && !slices.Contains(allowed, pkg) && !(im == "internal/keyring" && pkg == "internal/keyring/keyringtest"):
				t.Errorf("%s imports %s, which only %v may outside of tests", pkg, im, allowed)
			case onFloor && !isBeside && floors[im] >= floor:
				t.Errorf("%s (floor %d) imports %s (floor %d)", pkg, floor, im, floors[im])
			}
		}
	}
}

func TestServeNeverReachesTheDemo(t *testing.T) {
	for _, f := range sources(t)["cmd/keyward"].files {
		for _, im := range f.ast.Imports {
			if p := unquote(im.Path); (p == "keyward/internal/demo" || p == "keyward/examples/exchange") && f.name != "demo.go" {
				t.Errorf("cmd/keyward/%s imports %s: only the demo subcommand may", f.name, p)
			}
		}
	}
}

func TestSQLTouchesItsOwnersTablesOnly(t *testing.T) {
	names := regexp.MustCompile(`\b(` + strings.Join(tables(t), "|") + `)\b`)
	for dir, src := range sources(t) {
		if dir == "bench" { // loads a million rows, where signing a million people up would take hours
			continue
		}
		for _, f := range src.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					for _, name := range names.FindAllString(lit.Value, -1) {
						if owner, _, _ := strings.Cut(name, "_"); dir != "internal/"+owner {
							t.Errorf("%s/%s names the table %s of %s", dir, f.name, name, owner)
						}
					}
				}
				return true
			})
		}
	}
}

func TestOnlyTheseTablesChangeWithoutAnAuditEvent(t *testing.T) {
	change := regexp.MustCompile(`(?i)\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z]+_[a-z]+)(?:\s+SET\s+([a-z_]+) = \$\d+ WHERE)?`)
	found := map[string]bool{}
	for where, texts := range inHousekeeping(t) {
		for _, text := range texts {
			for _, m := range change.FindAllStringSubmatch(text, -1) {
				columns, listed := housekeeping[m[1]]
				if !listed || len(columns) > 0 && !slices.Contains(columns, m[2]) {
					t.Errorf("%s changes %s outside of Update: %s", where, m[1], text)
				}
				found[m[1]] = true
			}
		}
	}
	for table := range housekeeping {
		if !found[table] {
			t.Errorf("no housekeeping changes %s any more: take it off the list", table)
		}
	}
}

func TestClockRandomnessAndTheAuditMark(t *testing.T) {
	only := func(what string, dirs ...string) func(dir, file string) {
		return func(dir, file string) {
			if !slices.Contains(dirs, dir) {
				t.Errorf("%s/%s uses %s, which only %v may", dir, file, what, dirs)
			}
		}
	}
	clock := only("time.Now", "internal/store", "cmd/keyward", "bench", "internal/storetest", "internal/keyring/keyringtest")
	random := only("crypto/rand", "internal/keyring", "internal/softkey", "internal/proof/prooftest", "examples/exchange")
	mark := only("MarkAudited", "internal/audit")
	for dir, src := range sources(t) {
		for _, f := range src.files {
			for _, im := range f.ast.Imports {
				if unquote(im.Path) == "crypto/rand" {
					random(dir, f.name)
				}
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && sel.Sel.Name == "Now" {
						clock(dir, f.name)
					}
					if sel.Sel.Name == "MarkAudited" {
						mark(dir, f.name)
					}
				}
				return true
			})
		}
	}
}

func TestEveryPackageSaysWhatItOwnsAndNeverDoes(t *testing.T) {
	for dir, src := range sources(t) {
		if src.tests {
			continue // a folder with tests alone
		}
		doc := ""
		for _, f := range src.files {
			if f.name == "doc.go" {
				doc = f.ast.Doc.Text()
			}
		}
		if doc == "" {
			t.Errorf("%s has no doc.go with a package comment", dir)
		}
		if _, onFloor := floors[dir]; onFloor && !regexp.MustCompile(`[Nn]ever|[Nn]either`).MatchString(doc) {
			t.Errorf("%s/doc.go does not say what the package never does", dir)
		}
	}
}

// ---------------------------------------------------------------- how it is read

// packages lists each package of the module with what it imports of it, tests aside.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{range .Imports}}{{.}} {{end}}`, "./...").Output()
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
		case d.IsDir() && (d.Name() == "testdata" || p != "." && strings.HasPrefix(d.Name(), ".")):
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
		if dir == "bench" {
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
		if dir == "bench" {
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
