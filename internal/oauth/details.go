package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode"
)

// TypeWithdrawal is the one type of authorization_details there is: a payment out of
// the account, named in full (RFC 9396 §2).
const TypeWithdrawal = "keyward_withdrawal"

// DetailTypes lists the types an app may be registered for (RFC 9396 §10).
func DetailTypes() []string { return []string{TypeWithdrawal} }

// Detail is one element of authorization_details: what exactly is asked for, where a
// scope would only name a kind of power. All values are text: an amount is a decimal
// number as people write it, never a float.
//
// A grant that carries one says that its owner read and agreed to it. It moves no
// money: who carries it out wants a confirmation of its own.
type Detail struct {
	Type    string `json:"type"`
	Asset   string `json:"asset"`             // ticker, "BTC"
	Network string `json:"network"`           // "bitcoin"
	Amount  string `json:"amount"`            // decimal, more than 0
	MaxFee  string `json:"max_fee,omitempty"` // decimal
	Address string `json:"address"`
	Memo    string `json:"memo,omitempty"`
}

// parseDetails reads the parameter. Members we do not know are refused (RFC 9396 §5):
// the person would agree to something the page did not show.
func parseDetails(raw string) ([]Detail, bool) {
	if raw == "" {
		return nil, true
	}
	if len(raw) > maxDetail || twice(raw) {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.DisallowUnknownFields()
	var out []Detail
	if dec.Decode(&out) != nil || len(out) == 0 || len(out) > maxDetails {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	for _, d := range out {
		if !d.good() {
			return nil, false
		}
	}
	return out, true
}

func (d Detail) good() bool {
	return d.Type == TypeWithdrawal && plainWord(d.Asset, 20) && plainWord(d.Network, 40) && plainWord(d.Address, 200) &&
		decimal(d.Amount) && strings.Trim(d.Amount, "0.") != "" && (d.MaxFee == "" || decimal(d.MaxFee)) &&
		len(d.Memo) <= 200 && !strings.ContainsFunc(d.Memo, hidden)
}

// plainWord: what a person compares character by character is ASCII without blanks.
func plainWord(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// hidden: characters that change how others are read, or cannot be seen (Unicode
// TR 36 §3): what the page shows must be what is meant.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || strings.ContainsRune("\u034f\u115f\u1160\u3164\uffa0\u2800", r)
}

// decimal: digits with at most one point between, no sign, no exponent, one spelling
// (no leading zeros), 40 characters at most.
func decimal(s string) bool {
	whole, part, point := strings.Cut(s, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return len(s) <= 40 && digits(whole) && (whole == "0" || whole[0] != '0') && (!point || digits(part))
}

// twice reports whether an object names a member twice, which two readers would
// understand differently, or by a name that some readers take for another one.
func twice(raw string) bool {
	dec := json.NewDecoder(bytes.NewReader([]byte(raw)))
	var seen []map[string]bool // nil for a list
	name := false
	for {
		tok, err := dec.Token()
		if err != nil {
			return err != io.EOF
		}
		switch v := tok.(type) {
		case json.Delim:
			switch v {
			case '{':
				seen, name = append(seen, map[string]bool{}), true
				continue
			case '[':
				seen = append(seen, nil)
			default:
				seen = seen[:len(seen)-1]
			}
		case string:
			if name {
				// Names are small letters: encoding/json takes "Asset" and "a\u017fset" for
				// the same member, another reader does not.
				if seen[len(seen)-1][v] || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz_") != "" {
					return true
				}
				seen[len(seen)-1][v], name = true, false
				continue
			}
		}
		name = len(seen) > 0 && seen[len(seen)-1] != nil
	}
}

func joinDetails(d []Detail) string {
	if len(d) == 0 {
		return ""
	}
	b, _ := json.Marshal(d) // strings marshal
	return string(b)
}

// detailsMay reports whether an app may ask for these: registered for each type, and
// known to somebody.
func (c Client) detailsMay(d []Detail) bool {
	for _, x := range d {
		if !slices.Contains(c.Details, x.Type) {
			return false
		}
	}
	return len(d) == 0 || c.FirstParty || c.Domain != ""
}
