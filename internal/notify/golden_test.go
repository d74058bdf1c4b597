package notify

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/lang"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is a letter with everything known, so that a golden file shows each
// line its mail can have.
func sample(kind Kind, code string) letter {
	l := letter{
		kind: kind, lang: code, brand: "Example Exchange", domain: "login.exchange.example", phrase: "quiet harbour, two lamps",
		event: "evt_01kk2yq5m0w6v8t4r3x9d1c7bz", request: "6JX3-18", at: time.Date(2026, 3, 6, 18, 20, 0, 0, time.UTC), addr: "203.0.113.7",
		payload: map[string]string{"agent": "Firefox on Linux", "method": "passkey", "key": "Work phone", "left": "7"},
		freeze:  "https://login.exchange.example/freeze/link?t=FREEZE",
	}
	if code == lang.KO {
		l.phrase, l.payload["key"] = "고요한 항구, 등불 둘", "회사 휴대폰"
	}
	switch kind {
	case AccountSuspended, AccountClosed:
		l.actor, l.addr = "client:exchange", "10.0.0.5"
	case SignUpCheck, ContactCheck:
		l.made, l.madeOn = time.Date(2026, 3, 6, 18, 19, 0, 0, time.UTC), "Firefox on Linux"
		l.phrase, l.freeze, l.payload, l.verify = "", "", nil, "https://login.exchange.example/mail/verify?t=VERIFY"
	case TakenSignUp, TakenContact:
		l.payload = nil
	case AppGiven:
		l.payload["client"], l.payload["scope"] = "Portfolio View", "offline_access openid read"
	case BotKeyAdded, BotKeyInBrowser, BotKeyClock, BotKeyQuarantined, BotKeyReleased, BotKeyImported, BotKeyWidened, BotKeyUnlocked, BotKeyRevoked:
		l.payload["purpose"], l.payload["scopes"], l.payload["from"] = "Grid bot on my VPS", "read.account trade.spot trade.cancel", "203.0.113.7/32"
	case SubMade, SubWidened, SubFrozen, SubClosed:
		l.payload["sub"] = "Market maker, quarter three"
	case BotKeyLeaked, BotKeyWoken:
		l.payload["purpose"], l.payload["scopes"], l.payload["via"], l.payload["found"] = "Grid bot on my VPS", "read.account trade.spot trade.cancel", "github", "github.com/somebody/bot/blob/1f2e3d/config.py"
	case BotKeyDormant, BotKeyAsleep:
		l.actor, l.addr = "system:keyward", ""
		l.payload = map[string]string{"purpose": "Grid bot on my VPS", "scopes": "transfer.internal", "since": "2026-02-04", "on": "2026-03-09"}
	case BotKeysEnded:
		l.actor, l.addr, l.payload = "operator:kim", "", map[string]string{"n": "3"}
	case BotKeyRotated, BotKeyRotatedSelf, BotKeyOldKept, BotKeyUndone, BotKeyEndsSoon, BotKeyUpdate:
		l.payload["purpose"], l.payload["ends"] = "Grid bot on my VPS", "2026-03-07T18:20:00Z"
		l.payload["partner"], l.payload["what"], l.payload["because"] = "Gridmaster", "2.1", "New servers, and the old ones are switched off"
		switch kind {
		case BotKeyRotatedSelf:
			l.actor = "key:kwk_live_3Hf9QxT2mVb7LpR8sWc1Zd0a1B2c"
		case BotKeyEndsSoon:
			l.actor, l.addr = "system:reminders", ""
		}
	case AppSuspect, AppReuse, AppCodeReplayed:
		l.payload = map[string]string{"client": "Portfolio View"}
	case CodeUsed:
		l.payload["method"] = "code"
	case ContactAdded, ContactVerified, ContactRemoved, ContactGone:
		l.payload["mail"] = "new.owner@mail.example"
	case KeyJoined:
		l.payload["agent"], l.payload["held"] = "Samsung Internet on Android", "2026-03-07T18:20:00Z"
	case JoinAdmitted:
		l.payload["newcomer"], l.payload["newcomer_addr"] = "Samsung Internet on Android", "203.0.113.9"
	case JoinRefused:
		l.payload["newcomer"], l.payload["newcomer_addr"] = "Samsung Internet on Android", "198.51.100.66"
	case IntentNewAddress, IntentApproved, IntentRefused:
		l.payload["sum"], l.payload["to"], l.payload["network"] = "0.25 BTC", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bitcoin"
		l.payload["memo"] = map[Kind]string{IntentNewAddress: "104 552", IntentRefused: "Your account is in danger, call +1 555 0100"}[kind]
	case DeviceRemoved:
		l.payload["device"], l.payload["apikeys"], l.payload["added"] = "Old laptop", "2", "Phone in the drawer"
	}
	if kind == BotKeyLeaked {
		l.actor, l.addr = "system:leaks", ""
	}
	if kind == ContactGone {
		l.phrase = ""
	}
	return l
}

// TestGoldenMails keeps one file per mail and language: what a person reads, as
// subject, text and HTML. Run with -update and read the difference.
func TestGoldenMails(t *testing.T) {
	seen := map[string]bool{}
	for kind := range sheets {
		for _, code := range []string{lang.EN, lang.KO} {
			name := fmt.Sprintf("%s.%s.txt", kind, code)
			seen[name] = true
			t.Run(name, func(t *testing.T) {
				subject, text, html, err := sample(kind, code).render()
				if err != nil {
					t.Fatal(err)
				}
				got := "Subject: " + subject + "\n\n" + text + "\n==== HTML ====\n" + html
				path := filepath.Join("testdata", name)
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("differs from %s; run go test -update and read the difference", path)
				}
			})
		}
	}
	files, _ := filepath.Glob("testdata/*.txt")
	for _, f := range files {
		if !seen[filepath.Base(f)] {
			t.Errorf("%s belongs to no mail", f)
		}
	}
}

// TestEveryMailIsHonest holds what every mail must have and none may.
func TestEveryMailIsHonest(t *testing.T) {
	never := map[string]string{lang.EN: "We never send sign-in links", lang.KO: "로그인 링크를 보내지 않"}
	for kind, s := range sheets {
		for _, code := range []string{lang.EN, lang.KO} {
			t.Run(fmt.Sprintf("%s in %s", kind, code), func(t *testing.T) {
				l := sample(kind, code)
				subject, text, html, err := l.render()
				if err != nil {
					t.Fatal(err)
				}
				for form, body := range map[string]string{"subject": subject, "text": text, "HTML": html} {
					if strings.ContainsAny(body, "⟦⟧") || strings.Contains(body, "ZgotmplZ") {
						t.Errorf("a hole in the %s: %s", form, body)
					}
					if form != "HTML" && strings.ContainsAny(body, "{}") {
						t.Errorf("an unfilled placeholder in the %s: %s", form, body)
					}
				}
				for form, body := range map[string]string{"text": text, "HTML": html} {
					for what, has := range map[string]string{
						"the brand": l.brand, "the line on sign-in links": never[code], "the domain": l.domain,
						"the event": l.event, "the request": l.request, "the zone": "UTC",
					} {
						if !strings.Contains(body, has) {
							t.Errorf("the %s lacks %s (%q)", form, what, has)
						}
					}
					if l.phrase != "" && !strings.Contains(body, l.phrase) {
						t.Errorf("the %s lacks the phrase", form)
					}
					// Two links exist, and no mail has one of them for a purpose of its own.
					links := strings.Count(body, "https://")
					allowed := strings.Count(body, "https://login.exchange.example/freeze/link?t=FREEZE") +
						strings.Count(body, "https://login.exchange.example/mail/verify?t=VERIFY")
					if links != allowed || links > 1 {
						t.Errorf("the %s has %d links, %d of them allowed", form, links, allowed)
					}
				}
				if s.typed && (strings.Contains(text, "203.0.113.7") && kind != FreezeLink) {
					t.Error("tells where a stranger sits")
				}
			})
		}
	}
}

// TestTheTableOfActionsHasItsMails: every notice in audit's table is a mail here.
func TestTheTableOfActionsHasItsMails(t *testing.T) {
	planned := map[string][]Kind{ // what plan makes of a word that is not a kind itself
		"welcome": {SignUpCheck}, "contact_added": {ContactAdded, ContactCheck}, "contact_removed": {ContactRemoved, ContactGone},
		"sessions_ended": {SessionsOthers, SessionsAll}, "codes_created": {CodesCreated, CodesReplaced},
	}
	for _, a := range audit.Actions() {
		spec, _ := audit.Describe(a)
		if (spec.Notice == audit.None) != (spec.Mail == "") {
			t.Errorf("%s: a notice without a mail, or the other way round", a)
		}
		if spec.Mail == "" {
			continue
		}
		kinds, ok := planned[spec.Mail]
		if !ok {
			kinds = []Kind{Kind(spec.Mail)}
		}
		for _, k := range kinds {
			if _, ok := sheets[k]; !ok {
				t.Errorf("%s: no mail %q", a, k)
			}
		}
	}
}

// TestNamesStayNames: what people type cannot become a line, a link or markup of ours.
func TestNamesStayNames(t *testing.T) {
	l := sample(KeyAdded, lang.EN)
	l.payload["key"] = "Phone\r\n\r\nYour account is locked, visit <a href=\"https://evil.example\">here</a>\u202e"
	l.phrase = "lamps\nBcc: everyone@mail.example"
	l.payload["agent"] = "<script>alert(1)</script>"
	_, text, html, err := l.render()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<a href=\"https://evil", "\u202e"} {
		if strings.Contains(html, bad) {
			t.Errorf("HTML has %q", bad)
		}
	}
	for _, bad := range []string{"\nYour account is locked", "\nBcc:", "\r", "\u202e"} {
		if strings.Contains(text, bad) {
			t.Errorf("text has a line of a stranger: %q", bad)
		}
	}
}

// TestReadsWithoutStyle: a reader that drops the style element leaves words in order.
func TestReadsWithoutStyle(t *testing.T) {
	_, _, html, err := sample(NewDevice, lang.EN).render()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(html, "</style>")
	if strings.Contains(body, "style=") || strings.Contains(body, "<img") || strings.Contains(body, "data:") {
		t.Error("the body depends on inline style or images")
	}
	order := []string{"quiet harbour", "<h1>A new device signed in", "Firefox on Linux", "UTC", "Unknown place", "Freeze my account", "We never send"}
	at := 0
	for _, word := range order {
		i := strings.Index(body[at:], word)
		if i < 0 {
			t.Fatalf("%q is missing or out of order", word)
		}
		at += i
	}
}

// TestWhatTheExchangeDidHasNoAddress: a server's address is no place of the owner's.
func TestWhatTheExchangeDidHasNoAddress(t *testing.T) {
	for actor, want := range map[string]string{
		"client:exchange": "By: Example Exchange\n", "operator:kim": "By: The staff of Example Exchange\n", "system:risk": "By: Our own checks\n",
	} {
		l := sample(AccountFrozen, lang.EN)
		l.actor = actor
		_, text, _, err := l.render()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, want) || strings.Contains(text, l.addr) {
			t.Errorf("%s: %s", actor, text)
		}
	}
}

// TestThePageOfMailsIsTrue reads docs/mails.md: every mail, every notice and
// every state is on it, and each row says the truth about the freeze button.
func TestThePageOfMailsIsTrue(t *testing.T) {
	b, err := os.ReadFile("../../docs/mails.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for kind := range sheets {
		if !strings.Contains(doc, "`"+string(kind)+"`") {
			t.Errorf("no mail %s", kind)
		}
	}
	for _, a := range audit.Actions() {
		spec, _ := audit.Describe(a)
		if has := strings.Contains(doc, "| `"+string(a)+"` |"); has != (spec.Notice != audit.None) {
			t.Errorf("%s on the page: %v, notice: %s", a, has, spec.Notice)
		}
	}
	for _, s := range []State{stateTrying, stateSent, stateRefused, stateLimited, stateMoot, stateNobody} {
		if !strings.Contains(doc, "| `"+string(s)+"` |") {
			t.Errorf("no state %s", s)
		}
	}
	for _, row := range strings.Split(doc, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 6 || !strings.Contains(cells[2], "`") {
			continue
		}
		kind := Kind(strings.Split(cells[2], "`")[1])
		if says := strings.HasPrefix(strings.TrimSpace(cells[4]), "yes"); says != sheets[kind].freeze {
			t.Errorf("%s: the page says freeze button %v", kind, says)
		}
	}
}
