package audit

import "strings"

// Notice says how loudly the owner is told.
type Notice int

// The three levels of a notice.
const (
	None     Notice = iota
	Low             // a mail that asks for nothing
	Critical        // a mail at once, on every channel, with the way to stop it
)

func (n Notice) String() string { return [...]string{"none", "low", "critical"}[n] }

// OCSF is the class and activity under which the event is exported
// (schema.ocsf.io 1.x).
type OCSF struct{ Class, Activity int }

// text is one sentence in both languages.
type text struct{ EN, KO string }

func (t text) in(lang string) string {
	if lang == "ko" || strings.HasPrefix(lang, "ko-") {
		return t.KO
	}
	return t.EN
}

// variant replaces the sentence when a payload value is the given one.
type variant struct {
	Key, Value string
	text
}

// Spec is what the table knows about an action.
type Spec struct {
	Notice Notice
	Mail   string // template of the notice; "" when there is none
	Shown  bool   // on the owner's activity page
	OCSF   OCSF

	// Impersonal events carry no payload at all, not even an address.
	Impersonal bool

	say   text      // with {placeholders} from the payload
	cases []variant // first match wins over say
	plain text      // when the details are erased or were not known
}

// Describe returns the table's row for an action.
func Describe(a Action) (Spec, bool) {
	s, ok := actions[a]
	return s, ok
}

// Actions lists all actions in a fixed order.
func Actions() []Action { return order }

// Sentence says what happened, in "en" or "ko", to the owner of the account.
// When a detail that the sentence needs is erased or unknown it says less, never
// a sentence with a hole.
func Sentence(r Record, lang string) string {
	s, ok := actions[r.Action]
	if !ok {
		return text{"Something changed on your account.", "계정에 변경이 있었어요."}.in(lang)
	}
	if r.Erased {
		return s.plain.in(lang)
	}
	say := s.say
	for _, c := range s.cases {
		if r.Payload[c.Key] == c.Value {
			say = c.text
			break
		}
	}
	if out, ok := fill(say.in(lang), r.Payload); ok {
		return out
	}
	return s.plain.in(lang)
}

// fill replaces {key} by the payload's value, in one pass: a value that looks
// like a placeholder stays as it is.
func fill(s string, payload map[string]string) (string, bool) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), true
		}
		key, after, ok := strings.Cut(rest, "}")
		if !ok {
			return "", false
		}
		v := payload[key]
		if v == "" {
			return "", false
		}
		b.WriteString(oneLine(v))
		s = after
	}
}

// oneLine keeps a name that somebody typed from looking like a second sentence
// of ours: no line breaks, no controls, no marks that turn the text around.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029:
			return ' '
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f:
			return -1
		}
		return r
	}, s)
}
