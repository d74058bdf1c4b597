package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"keyward/executor"
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

// good asks the package that money is checked with: what an owner reads here and what they sign later are understood
// by one rule.
func (d Detail) good() bool {
	w := executor.Withdrawal{Account: "acc_", Asset: d.Asset, Network: d.Network, Amount: d.Amount, MaxFee: d.MaxFee, Address: d.Address, Memo: d.Memo}
	return d.Type == TypeWithdrawal && w.Check() == nil
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
