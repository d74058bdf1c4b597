package notify

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/lang"
)

//go:embed templates/mail.html
var templates embed.FS

var htmlMail = template.Must(template.ParseFS(templates, "templates/mail.html"))

// letter is everything a mail is written from. It exists for the moment of
// sending and is stored nowhere.
type letter struct {
	kind    Kind
	lang    string
	brand   string
	domain  string // the one host that links open and people type
	phrase  string // "" when the address may not see it, or there is none
	event   string
	request string
	at      time.Time
	actor   string // who did it, as the event has it
	addr    string // client address of the event, "" unknown
	place   string // where that address probably is, in lang; "" unknown
	payload map[string]string
	made    time.Time // when the account was made, for those who may not be its owner
	madeOn  string    // the browser it was made in, in words; "" when the exchange made it
	verify  string    // link that confirms the address
	freeze  string    // link that freezes the account
}

// said is one text in the two forms of a mail.
type said struct {
	Text string
	HTML template.HTML
}

// page is what the template and the text writer see.
type page struct {
	Lang, Brand, Title string
	PhraseIs           string
	Phrase             string
	Lead               said
	Facts              []line
	Button             *button // what the mail is for
	Under              said    // about the button
	Aside              string
	AsideText          said
	Box                *box // the amber one
	After              said
	Closer             said
	Foot               said
}

type line struct {
	Label, Value string
	Sub          said
	Names        bool // a person gave it: its own direction
}

type button struct {
	Label, URL string
	Danger     bool
}

type box struct {
	Ask, How string
	Button   button
}

// render writes a letter as subject, text and HTML.
func (l letter) render() (subject, text, html string, err error) {
	s, ok := sheets[l.kind]
	if !ok {
		return "", "", "", fmt.Errorf("notify: no mail of kind %q", l.kind)
	}
	p := l.page(s)
	var b bytes.Buffer
	if err := htmlMail.Execute(&b, p); err != nil {
		return "", "", "", fmt.Errorf("notify: %s: %w", l.kind, err)
	}
	return p.Title, p.text(), b.String(), nil
}

func (l letter) page(s sheet) page {
	p := page{Lang: l.lang, Brand: oneLine(l.brand), Title: l.say(s.title).Text, Lead: l.say(s.lead)}
	if l.phrase != "" {
		p.PhraseIs, p.Phrase = l.say("mail.phrase").Text, oneLine(l.phrase)
	}
	for _, f := range s.facts {
		if line, known := l.fact(f); known {
			p.Facts = append(p.Facts, line)
		}
	}
	switch {
	case s.verify != "":
		p.Button = &button{Label: l.say(s.verify).Text, URL: l.verify}
		p.Under = l.say("mail.check.link")
	case s.freezeMain:
		p.Button = &button{Label: l.say("mail.freeze.button").Text, URL: l.freeze, Danger: true}
		p.Under = l.say("mail.opens")
	}
	if s.aside != "" {
		p.Aside, p.AsideText = l.say(s.aside).Text, l.say(s.asideText)
	}
	if s.freeze {
		ask := s.freezeAsk
		if ask == "" {
			ask = "mail.freeze.ask"
		}
		p.Box = &box{
			Ask: l.say(ask).Text, How: l.say("mail.freeze.how").Text,
			Button: button{Label: l.say("mail.freeze.button").Text, URL: l.freeze, Danger: true},
		}
	}
	if s.after != "" {
		p.After = l.say(s.after)
	}
	if s.page != "" {
		p.Closer = l.say("mail.closer", "page", bold(l.say(s.page).Text))
	} else {
		p.Closer = l.say("mail.never")
	}
	p.Foot = l.foot(s)
	return p
}

func (l letter) foot(s sheet) said {
	parts := []said{l.say("mail.foot.notice")}
	if s.typed {
		parts[0] = l.say("mail.foot.typed")
	}
	parts = append(parts, l.say("mail.foot.event", "event", apart(l.event)))
	if l.request != "" {
		parts = append(parts, l.say("mail.foot.request", "request", apart(l.request)))
	}
	var all said
	for i, p := range parts {
		if i > 0 {
			all.Text += "\n"
			all.HTML += "<br>\n"
		}
		all.Text += p.Text
		all.HTML += p.HTML
	}
	return all
}

// fact is one line, or false when the event does not know.
func (l letter) fact(f fact) (line, bool) {
	label := func(key string) string { return l.say(key).Text }
	switch f {
	case factDevice:
		if name := l.payload["device"]; name != "" {
			return line{Label: label("mail.fact.device"), Value: oneLine(name), Names: true}, true
		}
		agent := l.payload["agent"]
		return line{Label: label("mail.fact.device"), Value: l.agent(agent)}, agent != ""
	case factKey:
		name := oneLine(l.payload["key"])
		return line{Label: label("mail.fact.passkey"), Value: name, Names: true}, name != ""
	case factApp:
		name := oneLine(l.payload["client"])
		return line{Label: label("mail.fact.app"), Value: name, Names: true}, name != ""
	case factPurpose:
		purpose := oneLine(l.payload["purpose"])
		return line{Label: label("mail.fact.purpose"), Value: purpose, Names: true}, purpose != ""
	case factSub:
		name := oneLine(l.payload["sub"])
		return line{Label: label("mail.fact.sub"), Value: name, Names: true}, name != ""
	case factScopes:
		return line{Label: label("mail.fact.may"), Value: oneLine(l.payload["scopes"]), Names: true}, l.payload["scopes"] != ""
	case factFrom:
		from := oneLine(l.payload["from"])
		return line{Label: label("mail.fact.from"), Value: from, Names: true}, from != ""
	case factCould:
		return line{Label: label("mail.fact.could"), Value: oneLine(l.payload["scopes"]), Names: true}, l.payload["scopes"] != ""
	case factRests:
		return line{Label: label("mail.fact.rests"), Value: oneLine(l.payload["scopes"]), Names: true}, l.payload["scopes"] != ""
	case factSince:
		return line{Label: label("mail.fact.since"), Value: oneLine(l.payload["since"]) + " UTC"}, l.payload["since"] != ""
	case factOn:
		return line{Label: label("mail.fact.on"), Value: oneLine(l.payload["on"]) + " UTC"}, l.payload["on"] != ""
	case factBots:
		n := l.payload["apikeys"]
		return line{Label: label("mail.fact.bots"), Value: n}, n != "" && n != "0"
	case factAdded:
		added := oneLine(l.payload["added"])
		return line{Label: label("mail.fact.added"), Value: added, Names: true}, added != ""
	case factCount:
		return line{Label: label("mail.fact.count"), Value: oneLine(l.payload["n"])}, l.payload["n"] != ""
	case factOld, factEnds:
		key := map[fact]string{factOld: "mail.fact.old", factEnds: "mail.fact.ends"}[f]
		ends, err := time.Parse(time.RFC3339, l.payload["ends"])
		if err != nil {
			return line{Label: label(key), Value: label("mail.old.now")}, l.payload["ends"] != ""
		}
		return line{Label: label(key), Value: lang.When(l.lang, ends.UTC(), lang.Full)}, true
	case factPartner:
		return line{Label: label("mail.fact.partner"), Value: oneLine(l.payload["partner"] + " " + l.payload["what"]), Names: true}, l.payload["partner"] != ""
	case factBecause:
		return line{Label: label("mail.fact.because"), Value: oneLine(l.payload["because"]), Names: true}, l.payload["because"] != ""
	case factFault:
		key := "evidence.fault." + l.payload["why"]
		if !lang.Has(l.lang, key) {
			return line{}, false
		}
		return line{Label: label("mail.fact.because"), Value: label(key)}, true
	case factHeld:
		until, err := time.Parse(time.RFC3339, l.payload["held"])
		return line{Label: label("mail.fact.held"), Value: lang.When(l.lang, until.UTC(), lang.Full)}, err == nil
	case factNewcomer:
		out := line{Label: label("mail.fact.newcomer"), Value: l.agent(l.payload["newcomer"])}
		if addr := oneLine(l.payload["newcomer_addr"]); addr != "" {
			out.Sub = l.say("mail.where.from", "addr", apart(addr))
		}
		return out, l.payload["newcomer"] != ""
	case factSum:
		return line{Label: label("mail.fact.sum"), Value: oneLine(l.payload["sum"])}, l.payload["sum"] != ""
	case factTo:
		return line{Label: label("mail.fact.to"), Value: oneLine(l.payload["to"]), Names: true}, l.payload["to"] != ""
	case factNetwork:
		return line{Label: label("mail.fact.network"), Value: oneLine(l.payload["network"]), Names: true}, l.payload["network"] != ""
	case factMemo:
		memo := oneLine(l.payload["memo"])
		if utf8.RuneCountInString(memo) > maxMemo {
			// Who asks for a withdrawal writes it, and a mail of ours is no place for their sentences.
			return line{Label: label("mail.fact.memo"), Value: label("mail.memo.long")}, true
		}
		return line{Label: label("mail.fact.memo"), Value: memo, Names: true}, memo != ""
	case factMay:
		var may []string
		given := strings.Fields(l.payload["scope"])
		for _, v := range verbs {
			if slices.Contains(given, v.scope) {
				may = append(may, label(v.key))
			}
		}
		return line{Label: label("mail.fact.may"), Value: strings.Join(may, " · ")}, len(may) > 0
	case factAddress:
		mail := oneLine(l.payload["mail"])
		return line{Label: label("mail.fact.address"), Value: mail}, mail != ""
	case factMade:
		out := line{Label: label("mail.fact.made"), Value: lang.When(l.lang, l.made.UTC(), lang.Full), Sub: l.say("mail.made.exchange")}
		if l.madeOn != "" {
			out.Sub = l.say("mail.made.on", "agent", l.agent(l.madeOn))
		}
		return out, !l.made.IsZero()
	case factWhen:
		return line{Label: label("mail.fact.when"), Value: lang.When(l.lang, l.at.UTC(), lang.Full)}, true
	case factWhere:
		return l.where("mail.fact.where"), true
	case factUsedFrom:
		return l.where("mail.fact.used_from"), true
	case factHow:
		switch l.payload["method"] {
		case "passkey":
			return line{Label: label("mail.fact.how"), Value: label("mail.how.passkey")}, true
		case "code":
			return line{Label: label("mail.fact.how"), Value: label("mail.how.code"), Sub: l.say("mail.how.code_limits")}, true
		}
	case factLeft:
		n, err := strconv.Atoi(l.payload["left"])
		if err != nil {
			return line{}, false
		}
		if n == 0 {
			return line{Label: label("mail.fact.left"), Value: label("mail.left.none")}, true
		}
		return line{Label: label("mail.fact.left"), Value: l.say("mail.left.some", "n", n).Text}, true
	}
	return line{}, false
}

// verbs say what a scope lets an app do, in the words and the order of the page that asked.
var verbs = []struct{ scope, key string }{
	{"openid", "power.openid"}, {"email", "power.email"}, {"read", "power.read"}, {"offline_access", "power.offline_access"},
	{"trade", "power.trade"}, {"keys", "power.keys"}, {"devices", "power.devices"}, {"contacts", "power.contacts"},
}

// where never guesses: without a place there is none, one from the place file is
// called approximate, and the address is given so that the owner can judge. What the exchange or its staff did has no
// place the owner could know: the address of a server would only alarm them.
func (l letter) where(label string) line {
	who, _, _ := strings.Cut(l.actor, ":")
	if key, ours := map[string]string{"client": "mail.by.exchange", "operator": "mail.by.staff", "system": "mail.by.system"}[who]; ours {
		return line{Label: l.say("mail.fact.by").Text, Value: l.say(key).Text}
	}
	out := line{Label: l.say(label).Text, Value: l.say("mail.where.place").Text}
	if l.place != "" {
		out.Value = l.say("place.approx", "place", oneLine(l.place)).Text
	}
	if l.addr != "" {
		out.Sub = l.say("mail.where.from", "addr", apart(l.addr))
	}
	return out
}

// agent says "Firefox on Linux" in the letter's language. Events keep the words
// of device.UserAgent.
func (l letter) agent(words string) string {
	browser, system, both := strings.Cut(oneLine(words), " on ")
	switch {
	case words == "Unknown browser":
		return l.say("agent.unknown").Text
	case both:
		return l.say("agent.both", "browser", browser, "system", system).Text
	}
	return browser
}

// say fills a text in the letter's language. The domain and the brand are
// always at hand.
func (l letter) say(key string, args ...any) said {
	args = append(args, "domain", bold(l.domain), "brand", apart(oneLine(l.brand)))
	plain, marked := make([]any, len(args)), make([]any, len(args))
	for i, a := range args {
		plain[i], marked[i] = a, a
		if v, is := a.(isolated); is {
			plain[i], marked[i] = v.text, v.html()
		}
	}
	return said{Text: lang.T(l.lang, key, plain...), HTML: lang.HTML(l.lang, key, marked...)}
}

// isolated is a value that keeps its own direction inside a sentence: an address
// in a Hebrew name must not turn the sentence around it.
type isolated struct {
	text string
	bold bool
}

func apart(s string) isolated { return isolated{s, false} }
func bold(s string) isolated  { return isolated{s, true} }

func (v isolated) html() template.HTML {
	s := template.HTMLEscapeString(v.text)
	if v.bold {
		s = "<b>" + s + "</b>"
	}
	return template.HTML("<bdi>" + s + "</bdi>")
}

// maxMemo: tags are short, Stellar's texts have 28 bytes.
const maxMemo = 40

// oneLine keeps a name somebody typed from looking like lines of ours, and from
// reaching a header as two: controls and line ends become spaces, marks that
// turn the text around go.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029:
			return ' '
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
			return -1
		}
		return r
	}, s))
}
