package api

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is read of a message has tokens, no more than may be, and stands in the body.
func FuzzGitHubMatches(f *testing.F) {
	for _, s := range []string{
		`[{"token":"kws_live_x","type":"t","url":"https://github.com/a/b","source":"content"}]`, `[]`, `[{}]`, `[{"token":null}]`, `[{"token":"a","token":"b"}]`, `{"token":"a"}`,
		`[{"token":"\u0000"}]`, `[{"token":"\ud800"}]`, strings.Repeat("[", 40), `[{"token":"a","x":{"y":[1,2,{"z":null}]}}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseGitHubMatches(body)
		if err != nil {
			return
		}
		if len(got) > gitHubMatches || !json.Valid(body) {
			t.Fatalf("%d matches of %q", len(got), body)
		}
		for _, m := range got {
			if m.token == "" {
				t.Fatalf("no token in %q", body)
			}
		}
	})
}

// A file of keys has current ones, each with a name of its own, or none is taken.
func FuzzGitHubKeys(f *testing.F) {
	f.Add([]byte(`{"public_keys":[{"key_identifier":"a","key":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\nkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n-----END PUBLIC KEY-----","is_current":true}]}`))
	f.Add([]byte(`{"public_keys":[]}`))
	f.Add([]byte(`{"public_keys":[{"key_identifier":"a","key":"x","is_current":true}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := parseGitHubKeys(raw)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for id, k := range keys {
			if id == "" || k == nil {
				t.Fatalf("%q: %v", id, k)
			}
		}
	})
}
