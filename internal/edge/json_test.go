package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Name string          `json:"name"`
	Raw  json.RawMessage `json:"raw,omitempty"`
}

type base struct {
	ID string `json:"id,omitempty"`
}

type order struct {
	base
	Label  string           `json:"label,omitempty"`
	RawID  string           `json:"rawId,omitempty"`
	Count  int              `json:"count,omitempty"`
	Inner  *inner           `json:"inner,omitempty"`
	List   []inner          `json:"list,omitempty"`
	ByName map[string]inner `json:"by_name,omitempty"`
	At     time.Time        `json:"at,omitzero"`
	Any    any              `json:"any,omitempty"`
	//lint:ignore U1000 what JSON cannot reach must not become a name
	private string
	Hidden  string `json:"-"`
}

var jsonRows = []struct {
	name, body  string
	code        string // "" accepted
	pointer     string
	description string
}{
	{name: "a plain object", body: `{"label":"a","count":2,"inner":{"name":"b"},"list":[{"name":"c"}],"by_name":{"x":{"name":"d"}}}`},
	{name: "white space around it", body: " \r\n\t{\"label\":\"a\"}\n "},
	{name: "an embedded field", body: `{"id":"acc_1"}`},
	{name: "anything goes inside raw and any", body: `{"inner":{"name":"b","raw":{"NAME":1,"x":{"y":[]}}},"any":{"Label":1}}`},
	{name: "null for an object", body: `{"inner":null}`},
	{name: "a time", body: `{"at":"2026-03-01T09:00:00Z"}`},
	{name: "an unknown field", body: `{"label":"a","lable":"b"}`, code: "unknown_field", pointer: "/lable"},
	{name: "an unknown field deep inside a list", body: `{"list":[{"name":"c"},{"nam":"d"}]}`, code: "unknown_field", pointer: "/list/1/nam"},
	{name: "an unknown field inside a map", body: `{"by_name":{"a/b":{"x~y":1}}}`, code: "unknown_field", pointer: "/by_name/a~1b/x~0y"},
	{name: "a known name in other letters", body: `{"Label":"a"}`, code: "unknown_field", pointer: "/Label"},
	{name: "a field that JSON may not set", body: `{"Hidden":"a"}`, code: "unknown_field", pointer: "/Hidden"},
	{name: "a field of the program only", body: `{"private":"a"}`, code: "unknown_field", pointer: "/private"},
	{name: "one name twice", body: `{"label":"a","label":"b"}`, code: "bad_request", pointer: "/label"},
	{name: "one name twice by an escape", body: `{"label":"a","l\u0061bel":"b"}`, code: "bad_request", pointer: "/label"},
	{name: "one name twice in other letters, where anything goes", body: `{"any":{"x":1,"X":2}}`, code: "bad_request", pointer: "/any/X"},
	{name: "U+0000 in a text", body: `{"label":"a\u0000b"}`, code: "nul_in_text", pointer: "/label"},
	{name: "U+0000 in a text where anything goes", body: `{"any":["\u0000"]}`, code: "nul_in_text", pointer: "/any/0"},
	{name: "U+0000 in a name", body: `{"any":{"a\u0000":1}}`, code: "nul_in_text", pointer: "/any"},
	{name: "a raw NUL byte", body: "{\"label\":\"a\x00b\"}", code: "bad_request"},
	{name: "broken UTF-8", body: "{\"label\":\"\xff\"}", code: "bad_request"},
	{name: "two values", body: `{"label":"a"}{"label":"b"}`, code: "bad_request"},
	{name: "something behind the value", body: `{"label":"a"}]`, code: "bad_request"},
	{name: "nothing", body: ``, code: "bad_request"},
	{name: "half an object", body: `{"label":`, code: "bad_request"},
	{name: "a comma too many", body: `{"list":[{"name":"a"},]}`, code: "bad_request"},
	{name: "a text where a number belongs", body: `{"count":"2"}`, code: "bad_request", pointer: "/count"},
	{name: "a number past its range", body: `{"count":1e99}`, code: "bad_request", pointer: "/count"},
	{name: "a list where an object belongs", body: `[]`, code: "bad_request"},
	{name: "nested past the cap", body: `{"any":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, code: "bad_request"},
	{name: "ten thousand open brackets", body: `{"any":` + strings.Repeat("[", 10_000), code: "bad_request"},
	{name: "a comment", body: `{/* */"label":"a"}`, code: "bad_request"},
}

func TestJSONIsReadStrictly(t *testing.T) {
	for _, tc := range jsonRows {
		t.Run(tc.name, func(t *testing.T) {
			var v order
			err := DecodeJSON([]byte(tc.body), &v)
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != tc.code {
				t.Fatalf("want %s, got %v", tc.code, err)
			}
			if tc.pointer != "" && (len(e.fields) != 1 || e.fields[0].Pointer != tc.pointer) {
				t.Errorf("want the place %s, got %+v", tc.pointer, e.fields)
			}
		})
	}
}

func TestTheContentTypeMustSayJSON(t *testing.T) {
	for _, tc := range []struct {
		contentType string
		ok          bool
	}{
		{"application/json", true}, {"application/json; charset=utf-8", true}, {"Application/JSON; charset=UTF-8", true},
		{"", false}, {"text/plain", false}, {"application/json; charset=latin1", false}, // what a foreign form can send without asking
		{"application/x-www-form-urlencoded", false}, {"text/plain; application/json", false}, {"application/jsonp", false},
	} {
		r := request("POST", "/x", `{}`)
		r.Header.Set("Content-Type", tc.contentType)
		var v order
		if err := ReadJSON(r, &v); (err == nil) != tc.ok || err != nil && !errors.Is(err, errMediaType) {
			t.Errorf("%q: %v", tc.contentType, err)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, tc := range jsonRows {
		f.Add([]byte(tc.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var strict order
		if err := DecodeJSON(body, &strict); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("not one of our errors: %v", err)
			}
			return
		}
		// Whatever passes must mean the same to the plain decoder.
		var plain order
		if err := json.Unmarshal(body, &plain); err != nil || !reflect.DeepEqual(strict, plain) {
			t.Fatalf("two readers disagree: %+v, %+v, %v", strict, plain, err)
		}
		if bytes.IndexByte(body, 0) >= 0 || strings.ContainsRune(strict.Label+strict.RawID+strict.ID, 0) {
			t.Fatal("U+0000 passed")
		}
	})
}

func TestFormsAreReadStrictly(t *testing.T) {
	for _, tc := range []struct {
		name, body, code string
	}{
		{"a plain form", "name=a&scope=read&scope=trade", ""},
		{"an empty form", "", ""},
		{"one name twice", "name=a&name=b", "bad_request"},
		{"U+0000 in a text", "name=a%00", "nul_in_text"},
		{"U+0000 in a name", "na%00me=a", "bad_request"},
		{"broken UTF-8", "name=%ff", "bad_request"},
		{"a broken escape", "name=%g", "bad_request"},
		{"a semicolon as separator", "name=a;b=c", "bad_request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			form, err := ReadForm(request("POST", "/x?name=query", tc.body, "Content-Type", "application/x-www-form-urlencoded"), "scope")
			var e *Error
			if tc.code == "" {
				if err != nil || form.Get("name") == "query" {
					t.Errorf("%v, %v", form, err)
				}
			} else if !errors.As(err, &e) || e.Code != tc.code {
				t.Errorf("want %s, got %v", tc.code, err)
			}
		})
	}
	if _, err := ReadForm(request("POST", "/x", "a=b", "Content-Type", "text/plain")); !errors.Is(err, errMediaType) {
		t.Errorf("text/plain: %v", err)
	}
	if _, err := ReadForm(request("POST", "/x", "a=b")); !errors.Is(err, errMediaType) {
		t.Errorf("no content type: %v", err)
	}
	large := request("POST", "/x", "a="+strings.Repeat("b", 100), "Content-Type", "application/x-www-form-urlencoded")
	large.Body = http.MaxBytesReader(nil, large.Body, 10)
	if _, err := ReadForm(large); !errors.Is(err, errTooLarge) {
		t.Errorf("past the limit: %v", err)
	}
}

func FuzzDecodeForm(f *testing.F) {
	f.Add("name=a&scope=read&scope=trade")
	f.Add("a=%00&%00=b")
	f.Add("a=1&a=2;b")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := DecodeForm(body)
		if err != nil {
			return
		}
		again, err := DecodeForm(form.Encode())
		if err != nil || !reflect.DeepEqual(form, again) {
			t.Fatalf("%v becomes %v, %v", form, again, err)
		}
	})
}
