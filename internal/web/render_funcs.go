package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"keyward/internal/lang"
)

// local is a moment in the page's zone.
func (b *Base) local(t time.Time) time.Time {
	if b.Zone == nil {
		return t.UTC()
	}
	return t.In(b.Zone)
}

// funcs are what templates may call, with one language bound in. Each that takes a View needs the page's zone and time.
func (r *Renderer) funcs(code string, icons map[string]template.HTML) template.FuncMap {
	t := func(key string, args ...any) string { return lang.T(code, key, args...) }
	moment := func(v View, at time.Time, form lang.Form) template.HTML {
		if at.IsZero() {
			return template.HTML(template.HTMLEscapeString(t("unknown")))
		}
		return timeElement(at, string(form), lang.When(code, v.base().local(at), form))
	}
	return template.FuncMap{
		"t":     t,
		"th":    func(key string, args ...any) template.HTML { return lang.HTML(code, key, args...) },
		"asset": r.asset,
		"icon": func(name string) (template.HTML, error) {
			svg, has := icons[name]
			if !has {
				return "", fmt.Errorf("there is no icon %q", name)
			}
			return svg, nil
		},
		"htmlLang":  func() string { return htmlLang(code) },
		"otherLang": func() string { return lang.Other(code) },

		// Moments, as <time> elements that page.js puts into the reader's zone when the account's zone is not known.
		"full":    func(v View, at time.Time) template.HTML { return moment(v, at, lang.Full) },
		"stamp":   func(v View, at time.Time) template.HTML { return moment(v, at, lang.Stamp) },
		"date":    func(v View, at time.Time) template.HTML { return moment(v, at, lang.Date) },
		"day":     func(v View, at time.Time) template.HTML { return moment(v, at, lang.Day) },
		"longday": func(v View, at time.Time) template.HTML { return wholeDay(code, v, at, lang.LongDay) },
		"weekday": func(v View, at time.Time) template.HTML { return wholeDay(code, v, at, lang.WeekDay) },
		"clock":   func(v View, at time.Time) template.HTML { return moment(v, at, lang.Clock) },
		"when": func(v View, at time.Time) template.HTML { // the year only when it is another one
			if b := v.base(); b.local(at).Year() == b.local(b.Now).Year() {
				return moment(v, at, lang.Short)
			}
			return moment(v, at, lang.Full)
		},
		"ago": func(v View, at time.Time) template.HTML {
			if at.IsZero() {
				return template.HTML(template.HTMLEscapeString(t("unknown")))
			}
			return timeElement(at, "ago", lang.Ago(code, v.base().Now, at))
		},
		"iso":  isoTime,
		"span": func(d time.Duration) string { return lang.Span(code, d) },
		"took": func(d time.Duration) string { return lang.Took(code, d) },
		"ms":   func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) },

		"name":   func(d Device) string { return d.label(code) },
		"say":    func(v View, m Text) template.HTML { return lang.HTML(code, m.Key, dates(v, code, m.Args)...) },
		"agent":  func(a Agent) string { return a.In(code) },
		"bdi":    func(s string) template.HTML { return template.HTML("<bdi>" + template.HTMLEscapeString(s) + "</bdi>") },
		"domain": splitDomain,
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"query": func(pairs ...string) string { // ?to=… without a trace when the value is empty
			q := url.Values{}
			for i := 0; i+1 < len(pairs); i += 2 {
				if pairs[i+1] != "" {
					q.Set(pairs[i], pairs[i+1])
				}
			}
			if len(q) == 0 {
				return ""
			}
			return "?" + q.Encode()
		},
		"args": func(v View, pairs ...any) (map[string]any, error) { // arguments of a partial; the page is under "P"
			m := map[string]any{"P": v}
			for i := 0; i+1 < len(pairs); i += 2 {
				name, is := pairs[i].(string)
				if !is {
					return nil, fmt.Errorf("argument %d of args is no name", i)
				}
				m[name] = pairs[i+1]
			}
			return m, nil
		},
		"nav": func(v View) string { _, nav := v.page(); return nav },
	}
}

func timeElement(at time.Time, form, text string) template.HTML {
	return template.HTML(`<time datetime="` + isoTime(at) + `" data-f="` + form + `">` + template.HTMLEscapeString(text) + `</time>`)
}

// wholeDay names a day. The browser leaves it alone: the entries under it were sorted into days by this zone.
func wholeDay(code string, v View, at time.Time, form lang.Form) template.HTML {
	local := v.base().local(at)
	return template.HTML(`<time datetime="` + local.Format(time.DateOnly) + `">` + template.HTMLEscapeString(lang.When(code, local, form)) + `</time>`)
}

// dates writes the moments among the arguments of a message.
func dates(v View, code string, args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = arg
		if at, is := arg.(time.Time); is {
			out[i] = timeElement(at, string(lang.Day), lang.When(code, v.base().local(at), lang.Day))
		}
	}
	return out
}

func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// splitDomain parts a host before the domain that decides: "login." and "exchange.example".
func splitDomain(host, domain string) [2]string {
	if domain != "" && domain != host && strings.HasSuffix(host, "."+domain) {
		return [2]string{strings.TrimSuffix(host, domain), domain}
	}
	return [2]string{"", host}
}
