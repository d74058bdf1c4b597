package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// document is /api/openapi.json as a client reads it. The tests hold every answer
// against it: a status or a code that is not written down fails the test that met
// it.
type document struct {
	t     testing.TB
	raw   []byte
	Paths map[string]map[string]struct {
		OperationID string              `json:"operationId"`
		Codes       []string            `json:"x-problem-codes"`
		Security    []map[string][]any  `json:"security"`
		Responses   map[string]struct{} `json:"responses"`
		Parameters  []parameter         `json:"parameters"`
	} `json:"paths"`
	mux *http.ServeMux

	mu   sync.Mutex // guards seen
	seen map[string]bool
}

func (w *world) readDocument() *document {
	w.t.Helper()
	res, err := http.Get(w.url + "/api/openapi.json")
	ok(w.t, err)
	defer res.Body.Close()
	d := &document{t: w.t, mux: http.NewServeMux(), seen: map[string]bool{}}
	var raw json.RawMessage
	ok(w.t, json.NewDecoder(res.Body).Decode(&raw))
	ok(w.t, json.Unmarshal(raw, d))
	d.raw = append(raw, '\n')
	for path, ops := range d.Paths {
		for method := range ops {
			d.mux.HandleFunc(strings.ToUpper(method)+" "+path, func(http.ResponseWriter, *http.Request) {})
		}
	}
	return d
}

type parameter struct {
	Name, In string
	Required bool
}

// holds fails when an answer is not one that the document announces.
func (d *document) holds(r *response) {
	if d == nil {
		return
	}
	d.t.Helper()
	q, err := http.NewRequest(r.req.method, public+r.req.path, nil)
	ok(d.t, err)
	_, pattern := d.mux.Handler(q)
	method, path, found := strings.Cut(pattern, " ")
	if !found || strings.HasPrefix(r.req.path, "/api/openapi") {
		return
	}
	op := d.Paths[path][strings.ToLower(method)]
	d.mu.Lock()
	d.seen[pattern] = true
	d.mu.Unlock()
	if r.status < 400 {
		if _, said := op.Responses[strconv.Itoa(r.status)]; !said {
			d.t.Errorf("%s: answered %d, which its description does not know", op.OperationID, r.status)
		}
		return
	}
	var p problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		d.t.Errorf("%s: a refusal that is no problem: %d %s", op.OperationID, r.status, r.body)
		return
	}
	if !slices.Contains(op.Codes, p.Code) && !slices.Contains(commonCodes, p.Code) {
		d.t.Errorf("%s: refused with %s, which its description does not name", op.OperationID, p.Code)
	}
}

var commonCodes = strings.Fields("bad_request unknown_field nul_in_text unsupported_media_type body_too_large cross_site_request rate_limited busy unavailable internal")

func TestDocument(t *testing.T) {
	w := newWorld(t)

	t.Run("it is the one reviewers have read", func(t *testing.T) {
		golden := filepath.Join("testdata", "openapi.golden.json")
		if *update {
			ok(t, os.MkdirAll("testdata", 0o755))
			ok(t, os.WriteFile(golden, w.doc.raw, 0o644))
		}
		want, err := os.ReadFile(golden)
		ok(t, err)
		if string(want) != string(w.doc.raw) {
			t.Errorf("the description has changed; read the difference after: go test ./internal/api -run TestDocument -update")
		}
	})

	t.Run("it is OpenAPI 3.1 and knows only our form of refusal", func(t *testing.T) {
		if !strings.Contains(string(w.doc.raw), `"openapi": "3.1.0"`) {
			t.Error("another version")
		}
		for _, foreign := range []string{"ErrorModel", "ErrorDetail", "$schema"} {
			if strings.Contains(string(w.doc.raw), foreign) {
				t.Errorf("it mentions %s", foreign)
			}
		}
	})

	t.Run("every reference leads somewhere", func(t *testing.T) {
		var doc struct {
			Components struct {
				Schemas map[string]any
			}
		}
		ok(t, json.Unmarshal(w.doc.raw, &doc))
		for _, part := range strings.Split(string(w.doc.raw), `"#/components/schemas/`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			if doc.Components.Schemas[name] == nil {
				t.Errorf("no schema %s", name)
			}
		}
	})

	t.Run("every part of a path is described", func(t *testing.T) {
		for path, ops := range w.doc.Paths {
			for method, op := range ops {
				for _, part := range strings.Split(path, "{")[1:] {
					name, _, _ := strings.Cut(part, "}")
					if !slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.In == "path" && p.Name == name && p.Required }) {
						t.Errorf("%s %s: nothing is said about {%s}", method, path, name)
					}
				}
			}
		}
	})

	t.Run("docs/api.md names every operation, and no other", func(t *testing.T) {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
		ok(t, err)
		named := map[string]bool{}
		for _, m := range regexp.MustCompile(`(GET|POST|PATCH|DELETE) (/api/v1/[a-z0-9/{}_…-]+)`).FindAllStringSubmatch(string(page), -1) {
			r, err := http.NewRequest(m[1], public+strings.ReplaceAll(m[2], "…", "x"), nil)
			ok(t, err)
			_, pattern := w.doc.mux.Handler(r)
			if !strings.HasPrefix(pattern, m[1]+" ") {
				t.Errorf("the page names %s, which is not there", m[0])
			}
			named[pattern] = true
		}
		for path, ops := range w.doc.Paths {
			for method := range ops {
				if op := strings.ToUpper(method) + " " + path; !named[op] {
					t.Errorf("the page does not name %s", op)
				}
			}
		}
	})

	t.Run("a client that has it is told so", func(t *testing.T) {
		first := w.do(request{method: "GET", path: "/api/openapi.json"}).want(200)
		tag := first.header.Get("Etag")
		w.do(request{method: "GET", path: "/api/openapi.json", header: http.Header{"If-None-Match": {tag}}}).want(304)
	})

	t.Run("whatever is done once says so", func(t *testing.T) {
		n := 0
		for path, ops := range w.doc.Paths {
			for method, op := range ops {
				for _, p := range op.Parameters {
					if p.Name == "Idempotency-Key" {
						n++
						if !p.Required {
							t.Errorf("%s %s: the key is not marked as needed", method, path)
						}
					}
				}
			}
		}
		equal(t, "acts with a key", n, 3)
	})
}
