package gatekit_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
)

// vectors are the blocks of docs/decision-token.md, each by the names of its lines.
func vectors(t *testing.T) (all []map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../docs/decision-token.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```\n(vector: .*?\n)```\n").FindAllStringSubmatch(string(page), -1) {
		v := map[string]string{}
		for line := range strings.Lines(block[1]) {
			name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			if _, twice := v[name]; !ok || twice {
				t.Fatalf("a line of a vector is %q", line)
			}
			v[name] = strings.TrimPrefix(value, " ")
		}
		all = append(all, v)
	}
	return all
}

// TestThePageTellsTheTruth computes each vector again: what the page shows of a good one by means that are not
// gatekit's, and what gatekit says of all.
func TestThePageTellsTheTruth(t *testing.T) {
	outcomes := map[string]error{
		"good": nil, "malformed": gatekit.ErrMalformed, "unknown-key": gatekit.ErrUnknownKey, "tag": gatekit.ErrTag,
		"expired": gatekit.ErrExpired, "not-yet": gatekit.ErrNotYet, "other-request": gatekit.ErrOtherRequest,
	}
	seen := map[string]int{}
	for _, v := range vectors(t) {
		t.Run(v["vector"], func(t *testing.T) {
			raw, err := base64.StdEncoding.DecodeString(v["key"])
			if err != nil || len(raw) != 32 {
				t.Fatalf("the key: %v", err)
			}
			k := gatekit.Key(raw)
			at, err := strconv.ParseInt(v["at"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			want, known := outcomes[v["outcome"]]
			if !known {
				t.Fatalf("the outcome is %q", v["outcome"])
			}
			seen[v["outcome"]]++
			d, err := gatekit.NewVerifier(k).Check(v["token"], v["method"], v["target"], []byte(v["body"]), time.UnixMilli(at))
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Fatalf("%v, want %v", err, want)
			}
			if want != nil {
				return
			}
			signed := "kwd1." + base64.RawURLEncoding.EncodeToString([]byte(v["payload"]))
			h := hmac.New(sha256.New, raw)
			h.Write([]byte(signed))
			if token := signed + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)); token != v["token"] {
				t.Errorf("the payload under the key is\n%s\nand the page has\n%s", token, v["token"])
			}
			var p struct {
				V                           int
				D, Kid, M, P, B, A, U, K, S string
				X                           bool
				Iat, Exp                    int64
			}
			if err := json.Unmarshal([]byte(v["payload"]), &p); err != nil {
				t.Fatal(err)
			}
			id, body := sha256.Sum256(raw), sha256.Sum256([]byte(v["body"]))
			if p.V != 1 || p.Kid != hex.EncodeToString(id[:4]) || p.B != base64.RawURLEncoding.EncodeToString(body[:]) || p.M != v["method"] || p.P != v["target"] || p.Exp != p.Iat+5000 {
				t.Errorf("the payload is not about the rest of its block: %+v", p)
			}
			again := gatekit.Decision{ID: p.D, Method: p.M, Target: p.P, Body: body, Account: p.A, Sub: p.U, Credential: p.K, Scopes: p.S, ExitOnly: p.X, Issued: time.UnixMilli(p.Iat).UTC()}
			if d != again || k.Sign(again) != v["token"] {
				t.Errorf("gatekit reads %+v and signs %s", d, k.Sign(again))
			}
		})
	}
	if seen["good"] < 3 || len(seen) != len(outcomes) {
		t.Errorf("the page shows %v; want three that are good and one of each refusal", seen)
	}
}
