package edge

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// logged writes one line through the redactor and returns it in both formats.
func logged(f func(*slog.Logger)) string {
	var text, js bytes.Buffer
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	f(slog.New(Redact(slog.NewTextHandler(&text, opts))))
	f(slog.New(Redact(slog.NewJSONHandler(&js, opts))))
	return text.String() + js.String()
}

type account struct{ ID, Token string }

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.StringValue("kwa_CANARYCANARY") }

func TestNoShapeOfASecretReachesTheLog(t *testing.T) {
	const refresh = "kwr_1.fam.7.CANARYCANARYCANARY.tag"
	for _, tc := range []struct {
		name string
		log  func(*slog.Logger)
	}{
		{"under the key token", func(l *slog.Logger) { l.Info("m", "token", "CANARY") }},
		{"under a key with a secret word in it", func(l *slog.Logger) {
			l.Info("m", "access_token", "CANARY", "clientSecret", "CANARY", "Set-Cookie", "CANARY")
		}},
		{"a code as a number", func(l *slog.Logger) { l.Info("m", "code", "CANARY") }},
		{"a recovery code anywhere", func(l *slog.Logger) {
			l.Info("tried CANAR-YCANA-RYCAN-ARYCA-NARYX", "what", "CANAR-YCANA-RYCAN-ARYCA-NARYX")
		}},
		{"in the message", func(l *slog.Logger) { l.Info("presented " + refresh + " twice") }},
		{"in an innocent field", func(l *slog.Logger) { l.Info("m", "detail", "presented="+refresh) }},
		{"in an error", func(l *slog.Logger) { l.Info("m", "cause", fmt.Errorf("bad: %w", errors.New(refresh))) }},
		{"in a struct", func(l *slog.Logger) { l.Info("m", "account", account{"acc_1", refresh}) }},
		{"in a pointer to a struct", func(l *slog.Logger) { l.Info("m", "account", &account{"acc_1", refresh}) }},
		{"in bytes", func(l *slog.Logger) { l.Info("m", "body", []byte(refresh)) }},
		{"in a list", func(l *slog.Logger) { l.Info("m", "all", []string{"a", refresh}) }},
		{"in a group", func(l *slog.Logger) { l.Info("m", slog.Group("g", "detail", refresh, "token", "CANARY")) }},
		{"in a group that is a secret as a whole", func(l *slog.Logger) { l.Info("m", slog.Group("cookies", "a", "CANARY")) }},
		{"behind WithGroup", func(l *slog.Logger) { l.WithGroup("cookie").Info("m", "a", "CANARY") }},
		{"behind With", func(l *slog.Logger) { l.With("secret", "CANARY", "x", refresh).Info("m") }},
		{"in a value made late", func(l *slog.Logger) { l.Info("m", "x", lazy{}) }},
		{"in request headers", func(l *slog.Logger) { l.Info("m", "headers", http.Header{"X": {"CANARY"}}) }},
		{"in a URL's query", func(l *slog.Logger) {
			u, _ := url.Parse("https://id.example.com/verify?k=CANARY")
			l.Info("m", "url", u)
		}},
		{"in an Authorization value", func(l *slog.Logger) { l.Info("got Bearer CANARYCANARY", "h", "DPoP CANARYCANARY") }},
		{"a JWT", func(l *slog.Logger) { l.Info("m", "x", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARY") }},
		{"two in one text", func(l *slog.Logger) { l.Info("m", "x", refresh+" and kwa_CANARYCANARY") }},
		{"redacted twice", func(l *slog.Logger) { slog.New(Redact(Redact(l.Handler()))).Info("m", "x", refresh) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := logged(tc.log)
			if strings.Contains(out, "CANAR") || strings.Contains(out, "eyJhbGci") {
				t.Errorf("leaked: %s", out)
			}
			if out == "" {
				t.Error("nothing was logged")
			}
		})
	}
}

func TestWhatOperatorsNeedStaysReadable(t *testing.T) {
	out := logged(func(l *slog.Logger) {
		l.Info("refresh kwr_ and kwa_ tokens are counted", "account", "acc_01h2xcejqtf2nbrexx3vqjhp41", "session", "ses_01h2xcejqtf2nbrexx3vqjhp41",
			"status_code", 409, "problem", "refresh_superseded", "request", "8F3K-21XX", "key_id", "key_01h2", "n", 3, "none", nil, "ok", true)
	})
	for _, want := range []string{"kwr_ and kwa_ tokens", "acc_01h2xcejqtf2nbrexx3vqjhp41", "ses_01h2xcejqtf2nbrexx3vqjhp41", "409", "refresh_superseded", "8F3K-21XX", "key_01h2"} {
		if strings.Count(out, want) != 2 {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestTheLogIsInUTC(t *testing.T) {
	var b bytes.Buffer
	h := Redact(slog.NewTextHandler(&b, nil))
	seoul := time.FixedZone("KST", 9*60*60)
	if err := h.Handle(t.Context(), slog.NewRecord(time.Date(2026, 3, 1, 18, 0, 0, 0, seoul), slog.LevelInfo, "m", 0)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "time=2026-03-01T09:00:00.000Z") {
		t.Error(b.String())
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("a kwr_1.fam.7.xxxxxxxxxxxxxxxxx.tag b")
	f.Add("kwr_kwa_kwr_12345678")
	f.Add("eyJeyJeyJeyJ Bearer Bearer Bearer 12345678")
	f.Add("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		once := Scrub(s)
		if twice := Scrub(once); twice != once {
			t.Fatalf("not settled: %q, then %q", once, twice)
		}
		if planted := Scrub(s + " kwr_CANARYCANARY " + s); strings.Contains(planted, "kwr_CANARYCANARY") {
			t.Fatalf("leaked: %q", planted)
		}
	})
}
