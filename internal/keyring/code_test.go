package keyring_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyward/internal/keyring"
)

var codeForm = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){4}$`)

func TestRecoveryCodesAreRandomAndReadable(t *testing.T) {
	seen := map[string]bool{}
	digits := map[rune]bool{}
	for range 500 {
		code := keyring.RecoveryCode()
		if !codeForm.MatchString(code) {
			t.Fatalf("code %q", code)
		}
		if norm, ok := keyring.NormalizeCode(code); !ok || norm != code {
			t.Fatalf("%q normalises to %q, %v", code, norm, ok)
		}
		seen[code] = true
		for _, d := range code {
			digits[d] = true
		}
	}
	if len(seen) != 500 || len(digits) != 33 {
		t.Errorf("%d different codes of 500, with %d different characters", len(seen), len(digits))
	}
}

func TestNormalizeCode(t *testing.T) {
	const code = "7K2QD-0M1XZ-ABCDE-FGHJK-PQRST"
	for _, c := range []struct {
		name, typed string
		want        string // empty: refused
	}{
		{"as printed", code, code},
		{"in lower case", strings.ToLower(code), code},
		{"without dashes", strings.ReplaceAll(code, "-", ""), code},
		{"with spaces for dashes and around", "  " + strings.ReplaceAll(code, "-", " ") + "\r\n", code},
		{"with the dashes a word processor makes", strings.NewReplacer("-", "–").Replace(code), code},
		{"with a non-breaking hyphen and a minus", "7K2QD‑0M1XZ−ABCDE—FGHJK-PQRST", code},
		{"with the wide spaces of a Korean keyboard", strings.ReplaceAll(code, "-", "\u3000"), code},
		{"grouped otherwise", "7K2Q D0M1 XZAB CDEF GHJK PQRS T", code},
		{"O for zero", "7K2QD-OM1XZ-ABCDE-FGHJK-PQRST", code},
		{"o for zero", "7k2qd-om1xz-abcde-fghjk-pqrst", code},
		{"I for one", "7K2QD-0MIXZ-ABCDE-FGHJK-PQRST", code},
		{"l for one", "7K2QD-0MlXZ-ABCDE-FGHJK-PQRST", code},
		{"U, which no code has", "7K2QD-0M1XZ-ABCDE-FGHJK-PQRSU", ""},
		{"a digit short", code[:len(code)-1], ""},
		{"a digit long", code + "0", ""},
		{"two codes in one field", code + " " + code, ""},
		{"empty", "", ""},
		{"only dashes", "-----", ""},
		{"a letter that only looks right", strings.Replace(code, "A", "А", 1), ""},
		{"a sign between", "7K2QD_0M1XZ-ABCDE-FGHJK-PQRST", ""},
		{"a NUL between", "7K2QD\x000M1XZABCDEFGHJKPQRST", ""},
		{"broken UTF-8", "7K2QD\xff0M1XZABCDEFGHJKPQRST", ""},
		{"a code behind a kilobyte of spaces", strings.Repeat(" ", 1024) + code, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := keyring.NormalizeCode(c.typed)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("gave %q, %v", got, ok)
			}
		})
	}
}

func TestHoweverACodeIsTypedItIsTheSameCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := keyring.RecoveryCode()
		var typed strings.Builder
		for _, d := range strings.ReplaceAll(code, "-", "") {
			typed.WriteString(rapid.SampledFrom([]string{"", "", "", "-", " ", "\t", "–"}).Draw(t, "between"))
			s := string(d)
			switch d {
			case '0':
				s = rapid.SampledFrom([]string{"0", "o", "O"}).Draw(t, "zero")
			case '1':
				s = rapid.SampledFrom([]string{"1", "i", "I", "l", "L"}).Draw(t, "one")
			default:
				if rapid.Bool().Draw(t, "lower") {
					s = strings.ToLower(s)
				}
			}
			typed.WriteString(s)
		}
		if got, ok := keyring.NormalizeCode(typed.String()); !ok || got != code {
			t.Fatalf("%q typed as %q gives %q, %v", code, typed.String(), got, ok)
		}
	})
}

func FuzzNormalizeCode(f *testing.F) {
	for _, s := range []string{"7K2QD-0M1XZ-ABCDE-FGHJK-PQRST", "7k2qd om1xz abcde fghjk pqrst", "", "-", "\xff", "ıſK", "7K2QD−0M1XZABCDEFGHJKPQRSTU"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, ok := keyring.NormalizeCode(typed)
		if !ok {
			if got != "" {
				t.Errorf("refused %q and gave %q", typed, got)
			}
			return
		}
		if !codeForm.MatchString(got) {
			t.Errorf("%q gives %q", typed, got)
		}
		if again, ok := keyring.NormalizeCode(got); !ok || again != got {
			t.Errorf("%q normalises again to %q", got, again)
		}
	})
}

var joinForm = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`)

func TestAJoinCodeIsFiftyBitsThatHandsCanType(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		code := keyring.JoinCode()
		if !joinForm.MatchString(code) || seen[code] {
			t.Fatalf("the code %q", code)
		}
		seen[code] = true
		for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), " " + strings.ReplaceAll(code, "-", " – ") + "\n"} {
			if got, ok := keyring.NormalizeJoinCode(typed); !ok || got != code {
				t.Errorf("%q gives %q", typed, got)
			}
		}
		if _, ok := keyring.NormalizeCode(code); ok {
			t.Error("it passes for a recovery code")
		}
	}
	for _, typed := range []string{"", "-", "AAAAA-AAAA", "AAAAA-AAAAAA", "AAAAU-AAAAA", "АAAAA-AAAAA", strings.Repeat("-", 300)} {
		if got, ok := keyring.NormalizeJoinCode(typed); ok {
			t.Errorf("%q gives %q", typed, got)
		}
	}
}

func FuzzNormalizeJoinCode(f *testing.F) {
	for _, s := range []string{"7K2QD-0M1XZ", "7k2qd om1xz", "", "-", "\xff", "ıſK", "7K2QD−0M1XZ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, ok := keyring.NormalizeJoinCode(typed)
		if !ok {
			if got != "" {
				t.Errorf("refused %q and gave %q", typed, got)
			}
			return
		}
		if !joinForm.MatchString(got) {
			t.Errorf("%q gives %q", typed, got)
		}
		if again, ok := keyring.NormalizeJoinCode(got); !ok || again != got {
			t.Errorf("%q normalises again to %q", got, again)
		}
	})
}
