package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// line is a request as the curl command that does the same. Secrets stand in it
// as variables, each under the name of whoever was given it first, so that a
// stolen token can be recognised where it turns up.
type line string

const curlHelp = `The curl lines do the same against a demo of your own:
  KEYWARD=http://localhost:7480 EXCHANGE=http://exchange.localhost:7490
Secrets are variables, named after whoever was given them first: _AT and _RT are access and refresh
tokens (cookies of a browser), _PROOF is a fresh DPoP proof of that one's key, _CREDENTIAL an answer
of its passkey. A number counts: LAPTOP_RT3 is the third refresh token the laptop was given.

`

// names are the variables of secrets.
type names map[string]string

// of is the variable of a secret. The second secret of a kind is numbered 2, and
// so on: LAPTOP_RT3 is the third refresh token of the laptop.
func (n names) of(owner, kind, secret string) string {
	if name, ok := n[secret]; ok {
		return name
	}
	base := owner + "_" + variable(kind)
	name := base
	for i := 2; slices.Contains(slices.Collect(maps.Values(n)), name); i++ {
		name = fmt.Sprintf("%s%d", base, i)
	}
	n[secret] = name
	return name
}

func variable(kind string) string {
	switch kind {
	case accessCookie, "access":
		return "AT"
	case refreshCookie, "refresh", "refresh_token":
		return "RT"
	case "t", "token":
		return "LINK"
	}
	kind = strings.TrimPrefix(strings.TrimPrefix(kind, "__Host-"), "kw_")
	return strings.ToUpper(strings.NewReplacer("-", "_").Replace(kind))
}

// secretMembers of bodies and addresses; the rest of them is shown as it is.
var secretMembers = []string{"credential", "ticket", "refresh_token", "code", "state", "challenge", "t", "token", "code_verifier", "ask"}

func (s *story) curl(v *visitor, q sent) line {
	var b strings.Builder
	b.WriteString("curl -sS")
	if q.Method != http.MethodGet {
		b.WriteString(" -X " + q.Method)
	}
	origin := `"$KEYWARD`
	if v.origin == s.Exchange {
		origin = `"$EXCHANGE`
	}
	b.WriteString(" " + origin + q.URL.EscapedPath() + s.query(v, q.URL) + `"`)
	for _, h := range []string{"X-Forwarded-For", "Authorization", "Dpop", "Cookie", "Accept", "Content-Type"} {
		value := q.Header.Get(h)
		switch {
		case value == "", h == "Accept" && value == "application/json":
			continue
		case h == "Authorization":
			scheme, token, _ := strings.Cut(value, " ")
			value = scheme + " $" + s.names.of(v.name, "access", token)
		case h == "Dpop":
			if s.proofs[value] == "" {
				s.proofs[value] = v.name
			}
			value = "$" + s.proofs[value] + "_PROOF"
		case h == "Cookie":
			value = s.cookies(v, value)
		}
		b.WriteString(` -H "` + headerName(h) + ": " + value + `"`)
	}
	if len(q.body) > 0 {
		b.WriteString(` -d "` + s.body(v, q) + `"`)
	}
	return line(b.String())
}

func (s *story) query(v *visitor, u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + s.form(v, u.Query())
}

func (s *story) cookies(v *visitor, header string) string {
	pairs := strings.Split(header, "; ")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		pairs[i] = name + "=$" + s.names.of(v.name, name, value)
	}
	return strings.Join(pairs, "; ")
}

func (s *story) body(v *visitor, q sent) string {
	if q.Header.Get("Content-Type") != "application/json" {
		form, err := url.ParseQuery(string(q.body))
		if err != nil {
			return ""
		}
		return s.form(v, form)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(q.body, &members) != nil {
		return ""
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(members)) {
		value := quoted(string(members[k]))
		if slices.Contains(secretMembers, k) {
			var text string
			if json.Unmarshal(members[k], &text) == nil {
				value = `\"$` + s.names.of(v.name, k, text) + `\"`
			} else {
				value = "$" + v.name + "_" + variable(k) // an answer of the authenticator: new each time
			}
		}
		out = append(out, `\"`+quoted(k)+`\":`+value)
	}
	return "{" + strings.Join(out, ",") + "}"
}

func (s *story) form(v *visitor, form url.Values) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(form)) {
		value := url.QueryEscape(form.Get(k))
		switch {
		case slices.Contains(secretMembers, k):
			value = "$" + s.names.of(v.name, k, form.Get(k))
		case form.Get(k) == s.Exchange+"/enter":
			value = "$EXCHANGE/enter"
		}
		out = append(out, k+"="+value)
	}
	return strings.Join(out, "&")
}

// quoted is s inside the double quotes of a shell.
func quoted(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s)
}

func hostPort(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Host
}
