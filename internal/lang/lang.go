package lang

import (
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"maps"
	"slices"
	"strings"
)

// The languages there are. Long is a pseudo-locale, English stretched by 40 %, which only layout tests ask for: a page that
// holds together in it holds together in German.
const (
	EN   = "en"
	KO   = "ko"
	Long = "xx-long"
)

//go:embed *.json
var files embed.FS

// message is one text: other always, one only where the language tells one from many.
type message struct{ one, other string }

var catalog = load()

// load panics on a bad file: the files are compiled in, so a bad one is a bug that the first test run finds.
func load() map[string]map[string]message {
	all := map[string]map[string]message{EN: {}, KO: {}, Long: {}}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".json")
		code := name[strings.LastIndexByte(name, '.')+1:]
		into, known := all[code]
		if !known {
			panic("lang: " + e.Name() + " is for no language we have")
		}
		text, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		if err := read(text, into); err != nil {
			panic("lang: " + e.Name() + ": " + err.Error())
		}
	}
	for key, m := range all[EN] {
		all[Long][key] = message{one: stretch(m.one), other: stretch(m.other)}
	}
	return all
}

func read(text []byte, into map[string]message) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	for key, value := range raw {
		if _, twice := into[key]; twice {
			return fmt.Errorf("%q is already in another file", key)
		}
		var m message
		if json.Unmarshal(value, &m.other) != nil {
			var forms struct{ One, Other string }
			if err := json.Unmarshal(value, &forms); err != nil || forms.Other == "" {
				return fmt.Errorf("%q must be a string or {one, other}", key)
			}
			m = message{one: forms.One, other: forms.Other}
		}
		into[key] = m
	}
	return nil
}

// T is the text of key in a language, its {placeholders} filled from args: pairs of name and value, or one map[string]any.
// An unknown language reads as English. A key that does not exist shows itself, so that a hole is seen and not guessed at;
// the tests keep it from ever being shipped.
func T(code, key string, args ...any) string {
	return fill(text(code, key, args), args, func(v any) string { return fmt.Sprint(v) })
}

// HTML is T for sentences that carry markup. The message is escaped unless its key ends in "_html"; arguments are escaped
// unless they are template.HTML already, so a device somebody named "<script>" stays a name.
func HTML(code, key string, args ...any) template.HTML {
	m := text(code, key, args)
	if !strings.HasSuffix(key, "_html") {
		m = html.EscapeString(m)
	}
	return template.HTML(fill(m, args, func(v any) string {
		if safe, is := v.(template.HTML); is {
			return string(safe)
		}
		return html.EscapeString(fmt.Sprint(v))
	}))
}

// Has says whether a language has the key.
func Has(code, key string) bool {
	_, has := catalog[code][key]
	return has
}

// Keys lists all keys of a language in order.
func Keys(code string) []string { return slices.Sorted(maps.Keys(catalog[code])) }

func text(code, key string, args []any) string {
	words, known := catalog[code]
	if !known {
		words = catalog[EN]
	}
	m, has := words[key]
	if !has {
		return "⟦" + key + "⟧"
	}
	if m.one != "" && fmt.Sprint(arg(args, "n")) == "1" {
		return m.one
	}
	return m.other
}

func fill(text string, args []any, show func(any) string) string {
	if !strings.ContainsRune(text, '{') {
		return text
	}
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(text, "{")
		b.WriteString(before)
		if !open {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("{" + rest)
			return b.String()
		}
		if v := arg(args, name); v != nil {
			b.WriteString(show(v))
		} else {
			b.WriteString("{" + name + "}")
		}
		text = after
	}
}

func arg(args []any, name string) any {
	if len(args) == 1 {
		if m, is := args[0].(map[string]any); is {
			return m[name]
		}
	}
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return args[i+1]
		}
	}
	return nil
}
