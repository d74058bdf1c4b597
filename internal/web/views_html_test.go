package web

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keyward/internal/lang"
)

// tag is one start tag of a page.
type tag struct {
	name  string
	attrs map[string]string
	in    []string // names of the elements around it
}

func (t tag) has(attr string) bool { _, has := t.attrs[attr]; return has }

var (
	markup = regexp.MustCompile(`(?s)<!--.*?-->|<!doctype html>|<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[^\s"'<>=/]+(?:="[^"]*")?)*)\s*(/?)>`)
	attr   = regexp.MustCompile(`([^\s"'<>=/]+)(?:="([^"]*)")?`)
	void   = []string{"meta", "link", "input", "br", "hr", "img"}
	drawn_ = []string{"path", "rect", "circle"} // svg: closed by "/>"
)

// tags reads a page strictly: quoted attributes, each closed in order, no attribute twice. Text may hold no bare "<".
func tags(page string) (list []tag, err error) {
	var open []string
	last := 0
	for _, m := range markup.FindAllStringSubmatchIndex(page, -1) {
		if i := strings.IndexByte(page[last:m[0]], '<'); i >= 0 {
			return nil, fmt.Errorf("stray < before %.60q", page[last+i:])
		}
		last = m[1]
		if m[4] < 0 {
			continue // doctype or comment
		}
		name := page[m[4]:m[5]]
		if m[2] != m[3] { // closing
			if len(open) == 0 || open[len(open)-1] != name {
				return nil, fmt.Errorf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
			continue
		}
		t := tag{name: name, attrs: map[string]string{}, in: slices.Clone(open)}
		for _, a := range attr.FindAllStringSubmatch(page[m[6]:m[7]], -1) {
			if t.has(a[1]) {
				return nil, fmt.Errorf("<%s> has %s twice", name, a[1])
			}
			t.attrs[a[1]] = a[2]
		}
		list = append(list, t)
		selfClosed := m[8] != m[9]
		if selfClosed != slices.Contains(drawn_, name) && !slices.Contains(void, name) {
			return nil, fmt.Errorf("<%s/> is closed the wrong way", name)
		}
		if !selfClosed && !slices.Contains(void, name) {
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("not closed: %v", open)
	}
	return list, nil
}

func checkWellFormed(t *testing.T, page string) []tag {
	t.Helper()
	list, err := tags(page)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What every page must hold, whatever it says.
func TestPagesAreSoundHTML(t *testing.T) {
	r := renderer(t)
	for _, f := range fixtures {
		for _, code := range []string{lang.EN, lang.KO, lang.Long} {
			t.Run(f.name+"/"+code, func(t *testing.T) {
				page := drawn(t, r, f, code)
				list := checkWellFormed(t, page)
				if strings.Contains(page, "⟦") || strings.Contains(page, "{n}") || strings.Contains(page, "&lt;no value&gt;") {
					t.Error("a message or a value is missing")
				}
				checkPolicy(t, r, list)
				checkReferences(t, list)
				checkForms(t, list)
				checkNames(t, list)
			})
		}
	}
}

// checkPolicy: default-src 'none' with 'self' must hold.
func checkPolicy(t *testing.T, r *Renderer, list []tag) {
	t.Helper()
	for _, e := range list {
		for name, value := range e.attrs {
			if name == "style" || strings.HasPrefix(name, "on") || strings.HasPrefix(value, "data:") || strings.HasPrefix(value, "javascript:") {
				t.Errorf("<%s %s=%q> is inline", e.name, name, value)
			}
		}
		switch e.name {
		case "style":
			t.Error("an inline style sheet")
		case "script":
			if !strings.HasPrefix(e.attrs["src"], "/static/") {
				t.Errorf("a script from %q", e.attrs["src"])
			}
		}
		for _, a := range []string{"src", "href"} {
			if name, is := strings.CutPrefix(e.attrs[a], "/static/"+r.version+"/"); is && r.assets[name] == nil {
				t.Errorf("%s does not exist", e.attrs[a])
			}
		}
	}
}

// checkReferences: ids are unique, and what points at one finds it.
func checkReferences(t *testing.T, list []tag) {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range list {
		if id, has := e.attrs["id"]; has {
			if ids[id] {
				t.Errorf("id %q is there twice", id)
			}
			ids[id] = true
		}
	}
	for _, e := range list {
		for _, a := range []string{"for", "aria-labelledby", "aria-describedby", "form"} {
			for id := range strings.FieldsSeq(e.attrs[a]) {
				if !ids[id] {
					t.Errorf("<%s %s=%q> points nowhere", e.name, a, id)
				}
			}
		}
		if to, is := strings.CutPrefix(e.attrs["href"], "#"); is && !ids[to] {
			t.Errorf("a link to #%s points nowhere", to)
		}
	}
}

// checkForms: every form says how and where, because it must work without script; none is inside another.
func checkForms(t *testing.T, list []tag) {
	t.Helper()
	for _, e := range list {
		switch e.name {
		case "form":
			if m := e.attrs["method"]; m != "post" && m != "get" || !strings.HasPrefix(e.attrs["action"], "/") || strings.HasPrefix(e.attrs["action"], "//") {
				t.Errorf("a form with method %q and action %q", m, e.attrs["action"])
			}
			if slices.Contains(e.in, "form") {
				t.Error("a form inside a form")
			}
		case "input":
			kind := e.attrs["type"]
			if kind == "" || !e.has("name") {
				t.Errorf("an input without type or name: %v", e.attrs)
			}
			if kind != "hidden" && kind != "checkbox" && (!e.has("id") || !e.has("autocomplete")) {
				t.Errorf("an input without id or autocomplete: %v", e.attrs)
			}
		case "button":
			if !slices.Contains(e.in, "form") && !e.has("form") && e.attrs["type"] != "button" {
				t.Errorf("a button that does nothing: %v", e.attrs)
			}
		case "a":
			if !e.has("href") || e.attrs["href"] == "#" {
				t.Errorf("a link to nowhere: %v", e.attrs)
			}
		}
	}
}

// checkNames: one main, one h1, no heading level skipped, no list item outside a list.
func checkNames(t *testing.T, list []tag) {
	t.Helper()
	count := map[string]int{}
	level := 0
	for _, e := range list {
		count[e.name]++
		if len(e.name) == 2 && e.name[0] == 'h' && e.name[1] >= '1' && e.name[1] <= '6' {
			if now := int(e.name[1] - '0'); now > level+1 {
				t.Errorf("<%s> after <h%d>", e.name, level)
			} else {
				level = now
			}
		}
		parent := ""
		if len(e.in) > 0 {
			parent = e.in[len(e.in)-1]
		}
		switch e.name {
		case "li":
			if parent != "ul" && parent != "ol" {
				t.Errorf("<li> in <%s>", parent)
			}
		case "dt", "dd":
			if parent != "div" || !slices.Contains(e.in, "dl") {
				t.Errorf("<%s> in <%s>", e.name, parent)
			}
		case "p":
			if slices.Contains(e.in, "p") {
				t.Error("<p> in <p>")
			}
		case "div", "ul", "ol", "form", "h1", "h2", "h3":
			if slices.Contains(e.in, "p") || slices.Contains(e.in, "button") {
				t.Errorf("<%s> inside text", e.name)
			}
		case "svg":
			if e.attrs["aria-hidden"] != "true" {
				t.Error("a drawing that is read aloud")
			}
		}
	}
	if count["main"] != 1 || count["h1"] != 1 || count["title"] != 1 {
		t.Errorf("%d main, %d h1, %d title", count["main"], count["h1"], count["title"])
	}
}
