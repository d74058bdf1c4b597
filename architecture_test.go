package keyward_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floors: a package imports only from strictly lower ones, never from its own.
// ARCHITECTURE.md draws them; a package that is on no floor stands beside them.
var floors = map[string]int{
	"cmd/keyward":  8,
	"internal/web": 7, "internal/gate": 7, "internal/api": 7, "internal/console": 7,
	"internal/oauth":  6,
	"internal/signin": 5, "internal/confirm": 5, "internal/contain": 5, "internal/staff": 5,
	"internal/session": 4, "internal/apikey": 4,
	"internal/device": 3, "internal/notify": 3,
	"internal/account": 2,
	"internal/audit":   1, "internal/job": 1, "internal/edge": 1,
	"internal/store": 0, "internal/keyring": 0, "internal/attest": 0, "internal/proof": 0, "internal/lang": 0, "internal/config": 0, "internal/place": 0,
	"rs": public, "gatekit": public, "executor": public,
}

// public packages lie under all floors: they import nothing of ours, everybody may import them, and the
// examples may import nothing else.
const public = -1

// beside the floors, with those who may import them outside of tests. A software
// authenticator in a server would be a key that anybody can copy.
var beside = map[string][]string{
	"":                  {},
	"internal/demo":     {"cmd/keyward"},
	"internal/softkey":  {"internal/demo", "bench"},
	"examples/exchange": {"cmd/keyward"},
	"bench":             {}, "deploy": {}, "e2e": {}, "e2e/apps": {}, "e2e/modules": {}, "e2e/pictures": {}, "e2e/clients": {}, "e2e/ccxt": {}, "e2e/conformance": {},
	"e2e/java": {}, "e2e/bots": {}, "e2e/mobile": {}, "examples/clients/go": {},
	"e2e/person": {"e2e/conformance", "e2e/e2etest"},
}

// forTests are packages that tests share, and nothing else imports.
var forTests = []string{"e2e/e2etest", "internal/storetest", "internal/keyring/keyringtest", "internal/keyring/vaulttest", "internal/place/placetest", "internal/proof/prooftest", "internal/signin/signintest"}

// housekeeping: the tables that change without an audit event, because nobody
// would ever ask who did it. A list of columns means: these columns and no others.
var housekeeping = map[string][]string{
	"store_meta":  {},                                                                                                                           // keys wrapped by the root: their own compare-and-swap
	"audit_index": {}, "audit_pending": {}, "audit_hash": {}, "audit_checkpoint": {}, "audit_sealer": {}, "audit_lease": {}, "audit_cursor": {}, // the log's own gears
	"job_job":     {},
	"notify_sent": {}, "notify_rate": {},
	"account_idempotency": {},
	"device_proof":        {}, "device_spent": {}, "device_list": {},
	"session_jti": {}, "session_session": {"last_seen", "reach_ms"},
	"staff_spent": {}, "staff_session": {"last_used"},
	"signin_join": {}, // shown to strangers, swept; what an owner does with one is audited
	"oauth_code":  {}, "oauth_ask": {},
	"apikey_use": {}, "apikey_replay": {}, "apikey_nonce": {}, "apikey_sighting": {}, "apikey_spent": {}, "apikey_key": {"used_at"}, "apikey_version": {"lookup", "sealed"}, "apikey_meter": {},
}

func TestImportsGoDownstairs(t *testing.T) {
	for pkg, imports := range packages(t) {
		floor, onFloor := floors[pkg]
		_, isBeside := beside[pkg]
		if slices.Contains(forTests, pkg) {
			continue
		}
		if !onFloor && !isBeside {
			t.Errorf("%s is on no floor and not beside them: give it a place in architecture_test.go and ARCHITECTURE.md", pkg)
		}
		for _, im := range imports {
			allowed, imBeside := beside[im]
			switch {
			case strings.HasPrefix(pkg, "examples/") && floors[im] != public:
				t.Errorf("%s imports %s: examples show what anybody can write, with what is public", pkg, im)
			case slices.Contains(forTests, im) || imBeside && !slices.Contains(allowed, pkg):
				t.Errorf("%s imports %s, which only tests and %v may", pkg, im, allowed)
			case onFloor && !imBeside && floors[im] >= floor && !(pkg == "executor" && im == "rs"): // the issuer's keys are read in one place
				t.Errorf("%s (floor %d) imports %s (floor %d)", pkg, floor, im, floors[im])
			}
		}
	}
}

// A place is a hint for people: who writes pages, mails and what apps show may know it,
// and no package that refuses, slows or allows something.
func TestPlacesReachOnlyWhoTellsPeople(t *testing.T) {
	for pkg, imports := range packages(t) {
		if slices.Contains(imports, "internal/place") && !slices.Contains([]string{"cmd/keyward", "internal/web", "internal/api", "internal/notify"}, pkg) {
			t.Errorf("%s imports internal/place, which only words for people come from", pkg)
		}
	}
}

// What attest trusts is in files that everybody can read: the makers' roots and no
// others. A root made in software among them would make every key hardware.
func TestAttestCarriesTheMakersRootsAlone(t *testing.T) {
	files, err := filepath.Glob("internal/attest/roots/*")
	want := []string{"apple-app-attest.pem", "globalsign-r3.pem", "globalsign-r46.pem", "google-p384.pem", "google-rsa.pem"}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if err != nil || !slices.Equal(files, want) {
		t.Errorf("%v, want %v: %v", files, want, err)
	}
	for pkg, imports := range packages(t) {
		if slices.Contains(imports, "internal/softkey") && pkg != "internal/demo" && pkg != "bench" && !slices.Contains(forTests, pkg) {
			t.Errorf("%s imports internal/softkey", pkg)
		}
	}
	for _, f := range sources(t)["internal/attest"].files {
		for _, im := range f.ast.Imports {
			switch p := unquote(im.Path); p {
			case "os", "net", "net/http", "io/fs", "crypto/rand":
				t.Errorf("internal/attest/%s imports %s, and is to do no I/O", f.name, p)
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
			if !slices.Contains(dirs, dir) && !slices.Contains(forTests, dir) {
				t.Errorf("%s/%s uses %s, which only %v may", dir, file, what, dirs)
			}
		}
	}
	clock := only("time.Now", "internal/store", "cmd/keyward", "bench", "rs", "gatekit", "examples/exchange", "examples/clients/go") // rs, gatekit: in other people's programs, where no store is
	random := only("crypto/rand", "internal/keyring", "internal/softkey", "examples/exchange", "examples/clients/go", "e2e/conformance")
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
