package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"text/tabwriter"
)

// Keys lists every key path in the order of the struct; lists of structs are
// written with [].
func Keys() []string {
	var c Config
	c.Backends, c.Gate.Routes = make([]Backend, 1), make([]GateRoute, 1)
	c.StepUp = StepUp{make([]StepUpAct, 1), make([]StepUpScope, 1)}
	var keys []string
	for _, lf := range leaves(reflect.ValueOf(&c).Elem(), "") {
		keys = append(keys, strings.ReplaceAll(lf.path, "[0]", "[]"))
	}
	return keys
}

// Print writes the effective configuration with the source of each value and
// without secrets.
func (l Loaded) Print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, lf := range leaves(reflect.ValueOf(&l.Config).Elem(), "") {
		source := "default"
		if s, ok := l.source[lf.path]; ok {
			source = s
		}
		if _, err := fmt.Fprintf(tw, "%s\t%s\t%s\n", lf.path, shown(lf), source); err != nil {
			return err
		}
	}
	return tw.Flush()
}

func shown(lf leaf) string {
	s := lf.value.String()
	switch {
	case lf.secret == "" || s == "":
		return text(lf.value)
	case lf.secret == "url":
		return fmt.Sprintf("%q", hidePassword(s))
	case lf.secret == "hash" && len(s) > 8:
		return fmt.Sprintf("%q", s[:8]+"…")
	}
	return "(set, not shown)"
}

// hidePassword keeps what helps (host, database) and nothing of the rest: a
// password may stand in the user part or in the query.
func hidePassword(s string) string {
	if strings.HasPrefix(s, "sqlite:") {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "(set, not shown)"
	}
	q := u.Query()
	for k := range q {
		if k != "sslmode" && k != "target_session_attrs" && k != "application_name" {
			q.Set(k, "hidden")
		}
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "hidden")
	}
	u.RawQuery = q.Encode()
	return u.String()
}
