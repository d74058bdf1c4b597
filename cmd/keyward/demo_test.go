package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"keyward/internal/demo"
	"keyward/internal/storetest"
)

// demoFor opens a demo on free ports. change may exchange parts of it before its
// doors answer.
func demoFor(t *testing.T, cmd demoCmd) *demoRun {
	t.Helper()
	cmd.Free = true
	e := &env{ctx: t.Context(), cli: &cli{}, stdout: io.Discard, stderr: io.Discard, level: new(slog.LevelVar)}
	d, err := cmd.open(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

// serve answers until the test ends.
func (d *demoRun) serve(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- d.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

var tourLine = regexp.MustCompile(`^ ?\d+  \w+ +\S.* (ok  |FAIL) +[\d.]+ ms$`)

// lines of a tour that stand for a step.
func stepLines(out string) (all []string) {
	for l := range strings.Lines(out) {
		if l = strings.TrimSuffix(l, "\n"); tourLine.MatchString(l) {
			all = append(all, l)
		}
	}
	return all
}

func TestTour(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"SQLite":               {"demo", "--tour"},
		"TLS, with curl lines": {"demo", "--tour", "--tls", "--curl"},
		"PostgreSQL":           {"demo", "--tour", "--database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "PostgreSQL" {
				args = append(args, storetest.EmptyPostgresURL(t))
			}
			var out, errs bytes.Buffer
			if code := run(args, &out, &errs); code != exitOK {
				t.Fatalf("exit %d\n%s\n%s", code, out.String(), errs.String())
			}
			lines := stepLines(out.String())
			if len(lines) < 60 {
				t.Errorf("%d lines", len(lines))
			}
			for _, l := range lines {
				if !strings.Contains(l, " ok  ") {
					t.Error(l)
				}
			}
			all := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := all[len(all)-1]; !regexp.MustCompile(`^log: \d+ events, root [A-Za-z0-9+/]{43}=, verified$`).MatchString(last) {
				t.Errorf("the last line is %q", last)
			}
			if said := unexpected(errs.String()); said != "" {
				t.Errorf("the server had something to say:\n%s", said)
			}
			for _, secret := range []string{"kwa_", "kwr_"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("a token %s… is printed", secret)
				}
			}
		})
	}
}

// A server that refuses nothing: every line that wants a refusal must fail, and
// the program with it. This is what the ok of the other lines is worth.
func TestTourCatchesAServerThatRefusesNothing(t *testing.T) {
	t.Parallel()
	d := demoFor(t, demoCmd{})
	d.app.public, d.app.bots = yesMan(d.app.public), yesMan(d.app.bots)
	var out bytes.Buffer
	d.env.stdout = &out
	err := d.tour(d.env, false)
	if !errors.Is(err, demo.ErrTour) {
		t.Fatalf("error %v\n%s", err, out.String())
	}
	refusals := 0
	for _, l := range stepLines(out.String()) {
		if !regexp.MustCompile(` 4\d\d[ ,]`).MatchString(l) {
			continue
		}
		refusals++
		// The exchange refuses by itself, and so does its service that sends money: their
		// doors were not tampered with.
		own := regexp.MustCompile(`refused by the exchange| 40[39] (not_approved|other_withdrawal|already_sent) `)
		if !strings.Contains(l, " FAIL ") && !own.MatchString(l) {
			t.Errorf("not caught: %s", l)
		}
	}
	if refusals < 25 {
		t.Errorf("only %d lines want a refusal\n%s", refusals, out.String())
	}
}

// yesMan turns each refusal into a yes.
func yesMan(honest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		honest.ServeHTTP(rec, r)
		refused := rec.Code >= 400 && !strings.Contains(rec.Body.String(), `"use_dpop_nonce"`)
		if refused {
			rec.Header().Del("Content-Length")
			rec.Header().Set("Content-Type", "application/json")
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		if refused {
			io.WriteString(w, "{}")
			return
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

// visitor of the stage: somebody who opens the page and presses its buttons.
type visitor struct {
	t *testing.T
	d *demoRun
	c http.Client
}

func (d *demoRun) visitor(t *testing.T) *visitor {
	return &visitor{t, d, http.Client{Transport: d.across, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v *visitor) do(method, path string, header ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequest(method, v.d.origin+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := v.c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res, string(body)
}

// press a button and look at the page it leads to.
func (v *visitor) press(button string) (page, at string) {
	v.t.Helper()
	res, body := v.do("POST", "/demo/"+button)
	if res.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("%s: status %d\n%s", button, res.StatusCode, body)
	}
	to := res.Header.Get("Location")
	path, at, _ := strings.Cut(to, "#")
	res, body = v.do("GET", path)
	if res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: status %d\n%s", path, res.StatusCode, body)
	}
	return body, at
}

// turn is the part of the page about the newest try.
func turn(page string) string {
	_, rest, ok := strings.Cut(page, `<section class="turn"`)
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "</section>")
	return text
}

func (v *visitor) has(page string, parts ...string) {
	v.t.Helper()
	for _, p := range parts {
		if !strings.Contains(page, p) {
			v.t.Errorf("%q is missing in\n%s", p, page)
		}
	}
}

func TestStage(t *testing.T) {
	t.Parallel()
	for _, cmd := range []demoCmd{{}, {TLS: true}} {
		name := "http"
		if cmd.TLS {
			name = "https"
		}
		t.Run(name, func(t *testing.T) {
			d := demoFor(t, cmd)
			d.serve(t)
			v := d.visitor(t)

			_, page := v.do("GET", "/demo")
			v.has(page, "Not signed in", `action="/demo/owner/sign-in"`)
			if page, _ = v.press("try/session"); turn(page) != "" {
				t.Error("the thief does something with nothing")
			}

			page, _ = v.press("owner/sign-in")
			v.has(page, "Signed in, all along", "Token 1 of this session", "owner@mail.example", "was confirmed")
			page, _ = v.press("try/copy")
			v.has(page, "Copied")
			if strings.Contains(page, "kwa_") || strings.Contains(page, "kwr_") {
				t.Error("the page shows tokens nobody sent yet")
			}
			if _, at := v.press("try/replay"); at != "" {
				t.Error("nothing is spent yet, and a replay is offered")
			}

			// Each answer below is the server's.
			page, at := v.press("try/session")
			v.has(turn(page), "<b>GET</b> /\n", "198.51.100.9", `<b class="no">401</b> proof_missing`, "Nothing new", "Nothing changed")
			if at != "turn-1" {
				t.Errorf("it leads to #%s", at)
			}
			page, _ = v.press("try/renew")
			v.has(turn(page), "/session/renew", `DPoP: <b class="no">none</b>`, `<b class="no">401</b> refresh_wrong_key`,
				"A copy of the session on Chrome on Windows was tried without its device and refused.", "we wrote you a mail")
			v.has(page, "Signed in, all along")
			page, _ = v.press("try/renew")
			v.has(turn(page), "refresh_wrong_key", "Nothing new") // one notice is enough

			page, _ = v.press("owner/renew")
			v.has(page, "Token 2 of this session")
			page, _ = v.press("try/replay")
			v.has(turn(page), ".<b>1</b>.", "refresh_wrong_key")
			page, _ = v.press("try/step-up")
			v.has(turn(page), "203.0.113.77", `<b class="no">403</b> step_up_required`, "purpose: keys.add")
			v.has(page, "Signed in, all along", "Token 2 of this session")
			if strings.Contains(page, `class="tag amber"`) {
				t.Error("something worked for the thief")
			}

			page, _ = v.press("owner/end")
			v.has(page, "Not signed in")
			page, _ = v.press("try/step-up")
			v.has(turn(page), "session_ended")
			page, _ = v.press("owner/sign-in")
			v.has(page, "Signed in, all along", "Token 1 of this session")
			page, _ = v.press("try/renew")
			v.has(turn(page), "refresh_invalid")

			// The owner's bot, on whose machine the thief has been.
			if page, at := v.press("try/key"); at != "" {
				t.Errorf("there is no bot yet, and the thief trades: %s", turn(page))
			}
			page, _ = v.press("owner/bot")
			v.has(page, "You made an API key for “Grid bot on my VPS”")
			page, _ = v.press("try/order")
			v.has(turn(page), "<b>POST</b> /v1/orders", "198.51.100.77", `<b class="no">409</b> REPLAYED`, "Nothing changed")
			page, _ = v.press("try/key")
			v.has(turn(page), "198.51.100.9", `<b class="no">403</b> IP_NOT_ALLOWED`)

			// What she approved on its way to whoever sends it: twice, each time it is another one.
			for range 2 {
				page, _ = v.press("try/address")
				v.has(turn(page), "<b>POST</b> /payouts", "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", `<b class="no">403</b> other_withdrawal`, "Nothing changed")
				v.has(page, "You approved 0.25 BTC to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
			}

			for range 25 {
				v.press("try/renew")
			}
			_, page = v.do("GET", "/demo")
			if n := strings.Count(page, `<section class="turn"`); n != 20 {
				t.Errorf("%d turns are kept", n)
			}
			page, _ = v.press("reset")
			v.has(page, "Not signed in")
			if turn(page) != "" {
				t.Error("turns are left after a reset")
			}
			if res, _ := v.do("POST", "/demo/try/unheard-of"); res.StatusCode != http.StatusNotFound {
				t.Errorf("status %d for a try that is none", res.StatusCode)
			}
		})
	}
}

// Several people press at once; with -race this is where it would show.
func TestStageUnderManyHands(t *testing.T) {
	t.Parallel()
	d := demoFor(t, demoCmd{})
	d.serve(t)
	v := d.visitor(t)
	v.press("owner/sign-in")
	v.press("try/copy")
	done := make(chan struct{})
	for i := range 6 {
		go func() {
			defer func() { done <- struct{}{} }()
			for _, b := range []string{"try/renew", "owner/renew", "try/session", "try/copy", "owner/sign-in"}[i%5:] {
				r, _ := http.NewRequest("POST", d.origin+"/demo/"+b, nil)
				res, err := v.c.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusSeeOther {
					t.Errorf("%s: status %d", b, res.StatusCode)
				}
			}
		}()
	}
	for range 6 {
		<-done
	}
	_, page := v.do("GET", "/demo")
	v.has(page, "Signed in, all along")
}

// The demo's person signs a real browser in, and only to pages of ours.
func TestDemoPasskey(t *testing.T) {
	t.Parallel()
	d := demoFor(t, demoCmd{})
	d.serve(t)
	v := d.visitor(t)
	for _, row := range []struct{ name, to, want string }{
		{"a page of ours", "/activity", "/activity"},
		{"another host", "//evil.example/", "/"},
		{"a whole address", "https://evil.example/", "/"},
		{"nothing", "", "/"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, _ := http.NewRequest("POST", d.origin+"/demo/signin", strings.NewReader("to="+row.to))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
			res, err := v.c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != row.want {
				t.Fatalf("status %d to %q", res.StatusCode, res.Header.Get("Location"))
			}
			var jar []string
			for _, c := range res.Cookies() {
				jar = append(jar, c.Name+"="+c.Value)
			}
			home, page := v.do("GET", "/", "Cookie", strings.Join(jar, "; "))
			if home.StatusCode != http.StatusOK {
				t.Fatalf("the browser is not signed in: %d", home.StatusCode)
			}
			v.has(page, "owner@mail.example")
		})
	}
}

// unexpected is what the server logged, without its complaint about a disk that
// was slow: that is the machine's business and not the tour's.
func unexpected(log string) string {
	var out []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "a write kept all others waiting") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}
