package place

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a name of the file fit to stand in a line of ours: no controls, no
// marks that turn the text around or hide, no line ends, and not more than
// maxName characters. What is left is still a stranger's text and escaped like
// any other.
func clean(name string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range name {
		switch {
		case unicode.IsSpace(r):
			space = n > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r):
			continue
		}
		if n >= maxName {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			n, space = n+1, false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
