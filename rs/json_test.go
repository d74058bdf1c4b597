package rs

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReadObject(t *testing.T) {
	for _, c := range []struct {
		name, in string
		ok       bool
	}{
		{"empty", `{}`, true},
		{"every kind of value", `{"a":"x","b":-1.5e+3,"c":true,"d":false,"e":null,"f":[1,[2],{}],"g":{"h":{}}}`, true},
		{"every escape", `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, true},
		{"white space everywhere", " {\t\"a\"\r:\n1 , \"b\" : [ ] } ", true},
		{"duplicates deep inside", `{"a":{"b":1,"b":2}}`, false},
		{"duplicates inside a list", `{"a":[{"b":1,"b":2}]}`, false},
		{"one name in two objects", `{"a":{"b":1},"c":{"b":1}}`, true},
		{"names that differ in case", `{"a":1,"A":2}`, true},
		{"something behind", `{} {}`, false},
		{"a NUL behind", "{}\x00", false},
		{"a byte order mark", "\ufeff{}", false},
		{"a comment", `{/**/}`, false},
		{"single quotes", `{'a':1}`, false},
		{"a name without quotes", `{a:1}`, false},
		{"a comma at the end", `{"a":1,}`, false},
		{"a comma at the end of a list", `{"a":[1,]}`, false},
		{"no colon", `{"a" 1}`, false},
		{"no value", `{"a":}`, false},
		{"a number with a leading zero", `{"a":01}`, false},
		{"a number with a plus", `{"a":+1}`, false},
		{"a number that ends in a point", `{"a":1.}`, false},
		{"a number that begins with a point", `{"a":.1}`, false},
		{"half an exponent", `{"a":1e}`, false},
		{"NaN", `{"a":NaN}`, false},
		{"True", `{"a":True}`, false},
		{"a control character in a string", "{\"a\":\"\x01\"}", false},
		{"a control character after an escape", "{\"a\":\"\\n\x01\"}", false},
		{"an unknown escape", `{"a":"\x41"}`, false},
		{"half a unicode escape", `{"a":"\u00"}`, false},
		{"half a surrogate pair", `{"a":"\ud83d"}`, false},
		{"half a surrogate pair before something else", `{"a":"\ud83d\u0041"}`, false},
		{"the second half alone", `{"a":"\ude00"}`, false},
		{"a string without an end", `{"a":"x`, false},
		{"a string that ends in a backslash", `{"a":"x\`, false},
		{"UTF-8 that is none", "{\"a\":\"\xc3\x28\"}", false},
		{"32 members", `{` + strings.TrimSuffix(members32(), ",") + `}`, true},
		{"33 members", `{` + members32() + `"x":1}`, false},
		{"four levels", `{"a":{"a":{"a":{}}}}`, true},
		{"five levels", `{"a":{"a":{"a":{"a":{}}}}}`, false},
		{"nothing", ``, false},
		{"a brace", `{`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, ok := readWithin(proofBounds, c.in, nil); ok != c.ok {
				t.Errorf("%q: %v", c.in, ok)
			}
		})
	}
}

func members32() string {
	var b strings.Builder
	for i := range 32 {
		b.WriteString(`"` + string(rune('A'+i)) + `":1,`)
	}
	return strings.ReplaceAll(b.String(), `"\":`, `"back":`)
}

// What we accept, encoding/json accepts too, and reads the same out of it.
func FuzzReadObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"x","b":-1.5e+3,"c":true,"d":null,"f":[1,[2],{}]}`, `{"a":"\ud83d\ude00\n"}`, `{"a":{"b":1,"b":2}}`, "{\"\\u0000\":0}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := readObject(s, nil)
		if !ok {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if len(want) != len(got) {
			t.Fatalf("%q has %d members, we read %d", s, len(want), len(got))
		}
		for _, m := range got {
			raw, ok := want[m.name]
			if !ok {
				t.Fatalf("%q has no member %q", s, m.name)
			}
			if m.kind != 's' {
				if string(raw) != m.text {
					t.Errorf("%q: %q is %q, we read %q", s, m.name, raw, m.text)
				}
				continue
			}
			var text string
			if err := json.Unmarshal(raw, &text); err != nil || text != m.text {
				t.Errorf("%q: %q is %q (%v), we read %q", s, m.name, text, err, m.text)
			}
		}
	})
}
