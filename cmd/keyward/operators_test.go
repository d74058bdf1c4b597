package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The link of the first admin reaches who started the program, works at the
// operators' door alone, and is in no log.
func TestTheFirstLinkIsPrintedAndNeverLogged(t *testing.T) {
	var logged bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelDebug)
	e := &env{ctx: t.Context(), cli: &cli{}, stdout: io.Discard, stderr: &logged, level: level}
	d, err := demoCmd{Free: true}.open(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	print := func() string {
		t.Helper()
		var out bytes.Buffer
		if err := d.app.operators.printFirstLink(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(regexp.QuoteMeta(d.operatorsOrigin) + `/join#([A-Za-z0-9_-]{43})\n`).FindStringSubmatch(out.String())
		if m == nil || strings.Count(out.String(), "/join#") != 1 {
			t.Fatalf("printed:\n%s", out.String())
		}
		return m[1]
	}
	old, link := print(), print()
	d.serve(t)
	begin := func(origin, link string) int {
		t.Helper()
		r, err := http.NewRequest("POST", origin+"/join/begin", strings.NewReader(`{"link":"`+link+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		name, origin, link string
		want               int
	}{
		{"the link of the last start", d.operatorsOrigin, link, http.StatusOK},
		{"the link of the start before", d.operatorsOrigin, old, http.StatusGone},
		{"the last link at the accounts' door", d.origin, link, http.StatusNotFound},
	} {
		if got := begin(c.origin, c.link); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if strings.Contains(logged.String(), link) || strings.Contains(logged.String(), old) {
		t.Error("a link is in the log")
	}
	if (*operators)(nil).printFirstLink(t.Context(), io.Discard) != nil {
		t.Error("without a door there is nothing to print, and that is no error")
	}
}
