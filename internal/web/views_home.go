package web

import "strings"

// The checkup: what the facts of Home mean for its owner. Each line is a fact, its consequence and one action; what needs the
// person comes first, what is done stays in view. There is no score: a number would hide which thing to do.

// Text is a message with its arguments; a time.Time among them is written as a date.
type Text struct {
	Key  string
	Args []any
}

// text names a message of the catalog.
func text(key string, args ...any) Text { return Text{key, args} }

// Check is one line of the checkup.
type Check struct {
	Needs  bool
	Icon   string
	Fact   Text
	Why    Text
	Do     Text
	Href   string // a link, or
	Post   string // a form without fields; both "": nothing to do
	Button string // class of the action: "" is the one filled button of the page
}

// Verdict is the heading of the security home.
type Verdict struct {
	Fact Text
	More *Text // the part that needs the person
}

// fewCodes: at three left, one bad week uses them up.
const fewCodes = 3

// Checks lists the checkup, what needs the person first.
func (v *Home) Checks() []Check {
	var needs, done []Check
	for _, a := range v.Waiting { // for seconds only, so before anything else
		needs = append(needs, Check{Icon: "ask", Href: "/confirm/" + a.ID,
			Fact: text("home.confirm", "sum", a.Sum), Why: text("home.confirm.why"), Do: text("home.confirm.do")})
	}
	for _, d := range v.Unanswered {
		needs = append(needs, Check{Icon: "ask", Href: "/devices",
			Fact: text("devices.is-this-you", "name", d.label(v.Lang)),
			Why:  text("home.device.why", "time", d.FirstSeen), Do: text("home.device.do")})
	}
	if !v.Suspect.IsZero() {
		needs = append(needs, Check{Icon: "warn", Href: "/stepup?act=confirm.me&to=%2F",
			Fact: text("home.suspect"), Why: text("home.suspect.why", "time", v.Suspect), Do: text("home.suspect.do")})
	}
	if v.BotKeySuspect != "" {
		why := text("home.botkey.why")
		if v.BotKeyLeaked {
			why = text("home.botkey.leaked.why")
		}
		needs = append(needs, Check{Icon: "warn", Href: "/keys",
			Fact: text("home.botkey", "name", v.BotKeySuspect), Why: why, Do: text("home.botkey.do")})
	}
	if v.AppSuspect != "" {
		needs = append(needs, Check{Icon: "warn", Href: "/apps",
			Fact: text("home.app", "app", v.AppSuspect), Why: text("apps.suspect.why"), Do: text("home.app.do")})
	}
	if len(v.Passkeys) < 2 {
		needs = append(needs, Check{Icon: "warn", Href: "/passkeys/add",
			Fact: text("home.second"), Why: text("home.second.why"), Do: text("home.second.do")})
	} else {
		done = append(done, Check{Icon: "tick", Href: "/passkeys",
			Fact: text("home.keys", "n", len(v.Passkeys)), Why: text("home.keys.why"), Do: text("home.keys.do")})
	}
	switch {
	case v.CodesMade.IsZero():
		needs = append(needs, Check{Icon: "warn", Href: "/codes/new",
			Fact: text("home.codes.none"), Why: text("home.codes.none.why"), Do: text("home.codes.none.do")})
	case v.CodesLeft <= fewCodes:
		needs = append(needs, Check{Icon: "warn", Href: "/codes",
			Fact: text("home.codes.left", "n", v.CodesLeft), Why: text("codes.left.few"), Do: text("codes.replace")})
	case v.CodesChecked.IsZero():
		needs = append(needs, Check{Icon: "warn", Href: "/codes",
			Fact: text("codes.unchecked"), Why: text("codes.proved.why"), Do: text("home.codes.check.do")})
	default:
		done = append(done, Check{Icon: "tick", Href: "/codes",
			Fact: text("home.codes.left", "n", v.CodesLeft), Why: text("home.codes.why", "time", v.CodesChecked), Do: text("home.codes.do")})
	}
	if !v.MailVerified {
		needs = append(needs, Check{Icon: "mail", Post: "/contacts/verify",
			Fact: text("home.mail.confirm"), Why: text("home.mail.confirm.why"), Do: text("home.mail.confirm.do")})
	} else {
		done = append(done, Check{Icon: "tick",
			Fact: text("home.mail"), Why: text("home.mail.why", "mail", v.Who.Mail)})
	}
	if len(v.Unanswered) == 0 {
		done = append(done, Check{Icon: "tick", Href: "/devices",
			Fact: text("home.devices", "n", v.Devices), Why: text("home.devices.why"), Do: text("home.devices.do")})
	}
	for i := range needs {
		needs[i].Needs = true
		if i > 0 || v.Who.Frozen != nil { // while frozen, lifting is the one thing to do
			needs[i].Button = "secondary"
		}
	}
	for i := range done {
		done[i].Button = "plain"
	}
	return append(needs, done...)
}

// Verdict weighs the checkup in one sentence. "Well protected" is said only when at most one thing is missing.
func (v *Home) Verdict() Verdict {
	needs := 0
	for _, c := range v.Checks() {
		if c.Needs {
			needs++
		}
	}
	more := text("home.todo", "n", needs)
	switch {
	case v.Who.Frozen != nil:
		return Verdict{Fact: text("home.verdict.frozen")}
	case len(v.Unanswered) > 0:
		return Verdict{Fact: text("home.verdict.ask"), More: &more}
	case needs == 0:
		return Verdict{Fact: text("home.verdict.good")}
	case needs == 1:
		return Verdict{Fact: text("home.verdict.good"), More: &more}
	}
	return Verdict{Fact: text("home.verdict.safer"), More: &more}
}

// PasskeyNames lists the names in one line.
func (v *Home) PasskeyNames() string {
	names := make([]string, 0, len(v.Passkeys))
	for _, k := range v.Passkeys {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}
