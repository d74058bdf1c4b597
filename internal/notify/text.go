package notify

import (
	"strings"
	"unicode/utf8"
)

// text writes the plain form: the same words in the same order as the HTML, for
// readers that show no HTML and for people who trust text more.
func (p page) text() string {
	var b strings.Builder
	para := func(lines ...string) {
		wrote := false
		for _, l := range lines {
			if l != "" {
				b.WriteString(l)
				b.WriteByte('\n')
				wrote = true
			}
		}
		if wrote {
			b.WriteByte('\n')
		}
	}
	para(p.Brand)
	if p.Phrase != "" {
		para(p.PhraseIs, p.Phrase)
	}
	para(p.Title, strings.Repeat("-", width(p.Title)))
	para(p.Lead.Text)
	for _, f := range p.Facts {
		b.WriteString(f.Label + ": " + f.Value + "\n")
		if f.Sub.Text != "" {
			b.WriteString("  " + f.Sub.Text + "\n")
		}
	}
	if len(p.Facts) > 0 {
		b.WriteByte('\n')
	}
	if p.Button != nil {
		para(p.Button.Label+":", p.Button.URL)
		para(p.Under.Text)
	}
	if p.Aside != "" {
		para(p.Aside, p.AsideText.Text)
	}
	para(p.After.Text)
	if p.Box != nil {
		para(p.Box.Ask, p.Box.How)
		para(p.Box.Button.Label+":", p.Box.Button.URL)
	}
	para(p.Closer.Text)
	b.WriteString("-- \n") // RFC 3676 §4.3: readers fold what follows
	b.WriteString(p.Foot.Text + "\n")
	return b.String()
}

// width counts columns: a Korean syllable takes two.
func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if utf8.RuneLen(r) > 2 && r >= 0x1100 {
			n++
		}
	}
	return n
}
