package executor

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Withdrawal is a payment out of an account, named in full. All values are text and are compared byte by byte: "0.5" is
// not "0.50". Fields are those of the type keyward_withdrawal (docs/standards/rfc9396.md).
type Withdrawal struct {
	Account string // acc_…
	Asset   string // ticker, "BTC"
	Network string // "bitcoin"
	Amount  string // decimal, more than 0
	MaxFee  string // decimal; "" when none was named
	Address string // the whole of it
	Memo    string // memo, tag or payment id; "" when none
}

// Intent is a withdrawal that somebody is asked to approve.
type Intent struct {
	ID string // int_…
	Withdrawal
	Created int64 // Unix seconds
	Expires int64
}

// version of the form below. Another form is another number, and never passes for this one.
const version = 1

// challengeLabel keeps a challenge for money from being one for anything else.
const challengeLabel = "kw-intent-1"

// NonceSize is the size of the nonce beside an intent.
const NonceSize = 32

// Check says what is wrong with a withdrawal: a person must be able to compare what is shown with what is meant, so
// there is one spelling of each value and nothing that cannot be seen.
func (w Withdrawal) Check() error {
	switch {
	case !word(w.Account, maxID):
		return &FieldError{"account", "is not an account id"}
	case !word(w.Asset, maxAsset) || strings.Trim(w.Asset, alphabet+"-._") != "":
		return &FieldError{"asset", "is a ticker of at most 20 letters, digits, points, dashes and underscores"}
	case !word(w.Network, maxNetwork) || strings.Trim(w.Network, alphabet+"-._") != "":
		return &FieldError{"network", "is a name of at most 40 letters, digits, points, dashes and underscores"}
	case !decimal(w.Amount) || strings.Trim(w.Amount, "0.") == "":
		return &FieldError{"amount", "is a decimal number above 0 with one spelling, such as 0.25"}
	case w.MaxFee != "" && !decimal(w.MaxFee):
		return &FieldError{"max_fee", "is a decimal number with one spelling, such as 0.0001"}
	case !word(w.Address, maxAddress):
		return &FieldError{"address", "is at most 200 ASCII characters without blanks"}
	case len(w.Memo) > maxMemo || !utf8.ValidString(w.Memo) || strings.ContainsFunc(w.Memo, hidden) || strings.TrimSpace(w.Memo) != w.Memo ||
		strings.Contains(w.Memo, "  ") || piled(w.Memo):
		return &FieldError{"memo", "is at most 200 bytes of characters that can be seen, with single blanks between words"}
	}
	return nil
}

// FieldError names the field of a withdrawal that cannot be.
type FieldError struct{ Field, Text string }

func (e *FieldError) Error() string { return "executor: " + e.Field + " " + e.Text }

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// word: what a person compares character by character is ASCII without blanks.
func word(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// hidden: characters that change how others are read, or cannot be seen (Unicode TR 36 §3). Selectors of variants and
// fillers are letters and marks to IsPrint, and draw nothing.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || r == '\u2800' || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// piled: marks without a letter below them, or more on one letter than any language writes, paint over what stands
// above and below: over the address.
func piled(s string) bool {
	marks := maxMarks
	for _, r := range s {
		switch {
		case !unicode.In(r, unicode.Mn, unicode.Me):
			marks = 0
		case marks == maxMarks:
			return true
		default:
			marks++
		}
	}
	return false
}

// decimal: digits with at most one point between, no sign, no exponent, no zero in front.
func decimal(s string) bool {
	whole, part, point := strings.Cut(s, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return len(s) <= maxDecimal && digits(whole) && (whole == "0" || whole[0] != '0') && (!point || digits(part))
}

func (i Intent) check() error {
	if err := i.Withdrawal.Check(); err != nil {
		return err
	}
	switch life := i.Expires - i.Created; {
	case !word(i.ID, maxID):
		return &FieldError{"id", "is not an id"}
	case i.Created <= 0 || life <= 0 || life > int64(MaxLife.Seconds()):
		return &FieldError{"expires", fmt.Sprintf("is at most %v after created", MaxLife)}
	}
	return nil
}

// CBOR is the one form of the intent: a map of all eleven members in the core deterministic encoding (RFC 8949 §4.2.1),
// text for text and whole seconds for times. Members that are empty are there.
func (i Intent) CBOR() []byte {
	b := []byte{0xa0 | 11}
	for _, f := range [...]struct {
		name string
		text string
		n    int64
	}{
		// By their encoded names: shorter ones first, then by letters.
		{"v", "", version}, {"id", i.ID, 0}, {"memo", i.Memo, 0}, {"asset", i.Asset, 0}, {"amount", i.Amount, 0}, {"account", i.Account, 0},
		{"address", i.Address, 0}, {"created", "", i.Created}, {"expires", "", i.Expires}, {"max_fee", i.MaxFee, 0}, {"network", i.Network, 0},
	} {
		b = appendText(b, f.name)
		if f.n != 0 {
			b = appendHead(b, 0, uint64(f.n))
		} else {
			b = appendText(b, f.text)
		}
	}
	return b
}

var errIntent = errors.New("executor: not an intent in its one form")

// ParseIntent reads the form that CBOR writes and no other.
func ParseIntent(b []byte) (Intent, error) {
	var i Intent
	if len(b) > maxIntent || len(b) == 0 || b[0] != 0xa0|11 {
		return i, errIntent
	}
	texts := map[string]*string{
		"id": &i.ID, "memo": &i.Memo, "asset": &i.Asset, "amount": &i.Amount, "account": &i.Account, "address": &i.Address, "max_fee": &i.MaxFee, "network": &i.Network,
	}
	var v int64
	numbers := map[string]*int64{"v": &v, "created": &i.Created, "expires": &i.Expires}
	r := cborReader{b[1:]}
	for range 11 {
		name, ok := r.text()
		if !ok {
			return Intent{}, errIntent
		}
		if to := texts[name]; to != nil {
			*to, ok = r.text()
		} else if to := numbers[name]; to != nil {
			*to, ok = r.number()
		} else {
			ok = false
		}
		if !ok {
			return Intent{}, errIntent
		}
	}
	// Written again it must be the same bytes: order, doubles, longer spellings and what follows all show there.
	if v != version || string(i.CBOR()) != string(b) {
		return Intent{}, errIntent
	}
	if err := i.check(); err != nil {
		return Intent{}, err
	}
	return i, nil
}

// Challenge is what the person's key signs over: SHA-256("kw-intent-1" ‖ intent ‖ nonce).
func Challenge(intent []byte, nonce [NonceSize]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(challengeLabel))
	h.Write(intent)
	h.Write(nonce[:])
	return [32]byte(h.Sum(nil))
}
