package audit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

var placeholder = regexp.MustCompile(`\{([a-z_]*)\}`)

func placeholders(s string) []string {
	var keys []string
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		keys = append(keys, m[1])
	}
	slices.Sort(keys)
	return keys
}

// particle finds a Korean syllable that hangs on a placeholder: whether 이 or 가,
// 을 or 를 is right depends on a word that we do not know.
var particle = regexp.MustCompile(`\}[”’"]?(이|가|은|는|을|를|와|과|로|으로|에서|에|의)(\s|$|,|\.)`)

func TestEveryActionSpeaksBothLanguages(t *testing.T) {
	if len(Actions()) != len(actions) || len(actions) < 30 {
		t.Fatalf("%d actions listed of %d", len(Actions()), len(actions))
	}
	for _, a := range Actions() {
		spec, _ := Describe(a)
		texts := []text{spec.say, spec.plain}
		for _, c := range spec.cases {
			texts = append(texts, c.text)
			if c.Key == "" || c.Value == "" {
				t.Errorf("%s: a case without key or value", a)
			}
		}
		for _, x := range texts {
			if x.EN == "" || x.KO == "" {
				t.Errorf("%s: a language is missing in %+v", a, x)
			}
			if en, ko := placeholders(x.EN), placeholders(x.KO); !slices.Equal(en, ko) {
				t.Errorf("%s: placeholders differ: EN %v, KO %v", a, en, ko)
			}
			if m := particle.FindString(x.KO); m != "" {
				t.Errorf("%s: a particle hangs on a variable: %q in %q", a, m, x.KO)
			}
			if !strings.HasSuffix(x.EN, ".") || strings.ContainsAny(x.EN+x.KO, "!") {
				t.Errorf("%s: %q is not a calm sentence", a, x.EN)
			}
			if len(placeholders(x.KO)) == 0 && !strings.HasSuffix(x.KO, "요.") {
				t.Errorf("%s: not in 해요 style: %q", a, x.KO)
			}
		}
		if len(placeholders(spec.plain.EN)) > 0 {
			t.Errorf("%s: the neutral sentence needs a payload: %q", a, spec.plain.EN)
		}
		if (spec.Notice != None) != (spec.Mail != "") {
			t.Errorf("%s: notice %v with template %q", a, spec.Notice, spec.Mail)
		}
		if spec.OCSF.Class == 0 || spec.OCSF.Activity == 0 {
			t.Errorf("%s: no OCSF class", a)
		}
		if spec.Notice == Critical && !spec.Shown {
			t.Errorf("%s: told by mail but not shown", a)
		}
	}
	if s, _ := Describe("session.refreshed"); s.Shown {
		t.Error("every turn of a refresh token would drown the activity page")
	}
}

func TestSentenceSaysWhatTheOwnerRecognises(t *testing.T) {
	for _, c := range []struct {
		name    string
		r       Record
		en, ko  string
		comment string
	}{
		{"a sign-in", Record{Action: "session.started", Payload: map[string]string{"agent": "Chrome, Windows 11", "method": "passkey"}},
			"You signed in on Chrome, Windows 11.", "“Chrome, Windows 11” 기기에서 로그인했어요.", ""},
		{"a sign-in on a new device", Record{Action: "session.started", Payload: map[string]string{"agent": "Firefox on Linux", "new_device": "yes"}},
			"You signed in on a device we had not seen before: Firefox on Linux.", "처음 보는 “Firefox on Linux” 기기에서 로그인했어요.", ""},
		{"not me", Record{Action: "session.ended", Payload: map[string]string{"agent": "Safari", "why": "not_me"}},
			"You said “this was not me”: the session on Safari was ended.", "‘내가 아니에요’를 선택해서 “Safari” 기기의 로그인을 끝냈어요.", ""},
		{"a detail is unknown", Record{Action: "key.removed"}, "A passkey was removed.", "패스키가 삭제됐어요.", ""},
		{"erased", Record{Action: "key.removed", Erased: true, Payload: map[string]string{"key": "left over"}}, "A passkey was removed.", "패스키가 삭제됐어요.", ""},
		{"an action of a newer program", Record{Action: "later.thing"}, "Something changed on your account.", "계정에 변경이 있었어요.", ""},
		{"a name that plays tricks", Record{Action: "key.added", Payload: map[string]string{"key": "x\n\u202e{agent}"}},
			"You added the passkey “x {agent}”.", "“x {agent}” 패스키를 추가했어요.", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Sentence(c.r, "en"); got != c.en {
				t.Errorf("EN %q, want %q", got, c.en)
			}
			for _, lang := range []string{"ko", "ko-KR"} {
				if got := Sentence(c.r, lang); got != c.ko {
					t.Errorf("KO %q, want %q", got, c.ko)
				}
			}
		})
	}
}

// One request, one account, page by page, newest first.
func TestHistoryIsPagedNewestFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		account := newAccount()
		d.signIns(3)
		var want, shown []string
		for i := range 25 {
			action := Action("session.refreshed")
			if i%5 == 0 {
				action = "session.stepped_up"
			}
			id := d.do(cause(account, "REQ-"+name(i/2)), Event{Action: action})
			want = append(want, id)
			if i%5 == 0 {
				shown = append(shown, id)
			}
			if i == 12 {
				d.seal()
			}
			time.Sleep(2 * time.Millisecond) // ids sort by the millisecond
		}
		slices.Reverse(want)
		slices.Reverse(shown)
		for what, c := range map[string]struct {
			page func(context.Context, *store.DB, string, string, int) ([]Record, error)
			want []string
		}{"everything": {d.log.ForAccount, want}, "what owners see": {d.log.Activity, shown}} {
			var got []string
			for before := ""; ; {
				recs, err := c.page(t.Context(), db, account, before, 4)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range recs {
					got = append(got, r.ID)
					if r.Account != account || r.Actor != "account:"+account || r.Addr != addr || r.Device != "dev_1" {
						t.Errorf("%+v", r)
					}
				}
				if len(recs) < 4 {
					break
				}
				before = got[len(got)-1]
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s:\ngot  %v\nwant %v", what, got, c.want)
			}
		}
		recs, err := d.log.ByRequest(t.Context(), db, "REQ-"+name(3))
		if err != nil || len(recs) != 2 || recs[0].Index < 0 {
			t.Errorf("by request: %+v, %v", recs, err)
		}
		for _, request := range []string{"", "REQ-none"} {
			if recs, err := d.log.ByRequest(t.Context(), db, request); err != nil || len(recs) != 0 {
				t.Errorf("request %q: %d events, %v", request, len(recs), err)
			}
		}
		if _, err := d.log.ByID(t.Context(), db, "evt_none"); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("unknown event: %v", err)
		}
		last, err := d.log.Last(t.Context(), db)
		if err != nil || last < 0 {
			t.Errorf("last = %d, %v", last, err)
		}
	})
}

// A flood of refusals costs a bounded number of events, and none is lost from
// the sum.
func TestRefusalsAreCountedAndCapped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		f := NewRefusals(db, d.log)
		for i := range 10_000 {
			f.Count("kwr_"+name(i), "bad_tag")
		}
		for range 500 {
			f.Count("kwr_busy", "bad_tag")
			f.Count("not\nof our making", "unknown_key")
		}
		if n := len(f.counts); n > maxRefusals+2 {
			t.Errorf("%d counters in memory", n)
		}
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		recs := map[string]int{}
		sum := 0
		if err := db.View(t.Context(), func(tx *store.Tx) error {
			list, err := find(tx, nil, `SELECT `+columns+` FROM audit_event`)
			if err != nil {
				return err
			}
			all, err := parsed(list)
			for _, rec := range all {
				var n int
				if _, err := fmt.Sscan(rec.Payload["n"], &n); err != nil {
					return err
				}
				recs[rec.Target+" "+rec.Payload["reason"]] += n
				sum += n
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(recs) > maxPerMinute || sum != 11_000 {
			t.Errorf("%d events, sum %d; want at most %d, 11000", len(recs), sum, maxPerMinute)
		}
		if recs["kwr_busy bad_tag"] != 500 || recs["* unknown_key"] != 500 {
			t.Errorf("the largest counters must have events of their own: %v", recs)
		}
		if err := f.Flush(t.Context()); err != nil || d.count(`SELECT count(*) FROM audit_event`) > maxPerMinute {
			t.Error("an empty minute wrote something")
		}
	})
}

func TestRefusalsSurviveAFailedFlush(t *testing.T) {
	db := storetest.Open(t)
	f := NewRefusals(db, newDesk(t, db).log)
	f.Count("kwr_1", "bad_tag")
	f.Count("kwr_2", "bad_tag")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Flush(gone); err == nil {
		t.Fatal("flushed with a dead context")
	}
	if len(f.counts) != 2 {
		t.Errorf("counters after a failed flush: %v", f.counts)
	}
}
