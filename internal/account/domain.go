package account

import (
	"errors"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var errDomain = errors.New("not a domain that can receive mail")

// asciiDomain turns a domain as a person types it into the form the name system
// knows: lower case, and labels in other scripts as "xn--" (RFC 5891). It is
// stricter than a browser: a label holds letters, marks and digits of one
// reading direction and inner hyphens, nothing else, so look-alike punctuation,
// emoji and invisible characters are refused rather than mapped away.
func asciiDomain(s string) (string, error) {
	if !utf8.ValidString(s) || len(s) > 4*maxDomain {
		return "", errDomain
	}
	// U+3002 is the full stop an East Asian keyboard makes (RFC 3490 §3.1).
	s = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".").Replace(s)
	s = strings.ToLower(norm.NFKC.String(s))
	labels := strings.Split(s, ".")
	if len(labels) < 2 {
		return "", errDomain // no mail leaves for a bare host name
	}
	for i, l := range labels {
		a, err := asciiLabel(l)
		if err != nil {
			return "", err
		}
		labels[i] = a
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", errDomain // an address in digits, not a name
	}
	s = strings.Join(labels, ".")
	if len(s) > maxDomain {
		return "", errDomain
	}
	return s, nil
}

func asciiLabel(l string) (string, error) {
	if l == "" || len(l) > 4*63 || l[0] == '-' || l[len(l)-1] == '-' {
		return "", errDomain
	}
	ascii, left, right := true, false, false
	for i, r := range l {
		switch {
		case r >= 'a' && r <= 'z':
			left = true
		case r >= '0' && r <= '9' || r == '-':
		case r < utf8.RuneSelf:
			return "", errDomain
		case i > 0 && unicode.IsMark(r):
			ascii = false
		case unicode.IsLetter(r), unicode.IsDigit(r):
			ascii = false
			if unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko) {
				right = true
			} else if unicode.IsLetter(r) {
				left = true
			}
		default:
			return "", errDomain
		}
	}
	if left && right { // RFC 5893: labels of two directions read as another name
		return "", errDomain
	}
	if !ascii {
		if len(l) > 3 && l[2:4] == "--" { // "xn--" of something that is not ASCII
			return "", errDomain
		}
		l = "xn--" + punycode([]rune(l))
	}
	if len(l) > 63 {
		return "", errDomain
	}
	return l, nil
}

// punycode is RFC 3492 §6.3, with the parameters of §5.
func punycode(input []rune) string {
	const base, tMin, tMax = 36, 1, 26
	var out []byte
	for _, r := range input {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias, done := rune(128), 0, 72, basic
	for done < len(input) {
		next := rune(math.MaxInt32)
		for _, r := range input {
			if r >= n && r < next {
				next = r
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range input {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := base; ; k += base {
				t := min(max(k-bias, tMin), tMax)
				if q < t {
					break
				}
				out = append(out, punycodeDigit(t+(q-t)%(base-t)))
				q = (q - t) / (base - t)
			}
			out = append(out, punycodeDigit(q))
			bias = punycodeBias(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out)
}

// punycodeBias is the adaptation function of RFC 3492 §6.1.
func punycodeBias(delta, points int, first bool) int {
	const base, tMin, tMax, skew, damp = 36, 1, 26, 38, 700
	if first {
		delta /= damp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (base-tMin)*tMax/2; k += base {
		delta /= base - tMin
	}
	return k + (base-tMin+1)*delta/(delta+skew)
}

func punycodeDigit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}
