package lang

import "strings"

// stretch makes a text about 40 % longer by doubling vowels, and leaves placeholders and tags alone.
func stretch(text string) string {
	if text == "" {
		return ""
	}
	budget := (len(text)*2 + 4) / 5
	var b strings.Builder
	depth := 0
	for _, r := range text {
		b.WriteRune(r)
		switch {
		case r == '{' || r == '<':
			depth++
		case (r == '}' || r == '>') && depth > 0:
			depth--
		case depth == 0 && budget > 0 && strings.ContainsRune("aeiouyAEIOUY", r):
			b.WriteRune(r)
			budget--
		}
	}
	for ; budget > 0; budget -= 3 {
		b.WriteString(" ·ŋ")
	}
	return b.String()
}
