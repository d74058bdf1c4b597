package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	Part string `json:"part"`
	Name string `json:"name"`

	Ours  float64 `json:"ours"`
	Unit  string  `json:"unit"`            // "/s", "MB", "ms", "B" …
	Limit float64 `json:"limit,omitempty"` // in the same unit; 0: there is none
	Of    string  `json:"of,omitempty"`    // what the limit is

	Ratio  float64 `json:"ratio,omitempty"`   // median over the rounds, not the ratio of the medians
	Least  float64 `json:"least,omitempty"`   // bar: the ratio must reach it
	AtMost float64 `json:"at_most,omitempty"` // bar: ours must not exceed it
	Zero   bool    `json:"zero,omitempty"`    // bar: ours must be none

	CPU float64 `json:"cpu_us,omitempty"` // server CPU per operation, with what it does behind it
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`

	Remark string `json:"remark,omitempty"`
}

func (f figure) missed() bool {
	return f.Least > 0 && f.Ratio < f.Least || f.AtMost > 0 && f.Ours > f.AtMost || f.Zero && f.Ours > 0
}

// verdict is what stands in the last column.
func (f figure) verdict() string {
	switch {
	case f.missed():
		return "MISS"
	case f.bar() != "":
		return "ok"
	}
	return ""
}

func (f figure) bar() string {
	switch {
	case f.Least > 0:
		return fmt.Sprintf("≥ %.2f", f.Least)
	case f.AtMost > 0:
		return "≤ " + amount(f.AtMost, f.Unit)
	case f.Zero:
		return "0"
	}
	return ""
}

// ours is the figure as it is printed.
func (f figure) ours() string {
	if f.Zero && f.Ours == 0 {
		return "0"
	}
	return amount(f.Ours, f.Unit)
}

func amount(v float64, unit string) string {
	switch {
	case v == 0:
		return ""
	case unit == "MB" || unit == "ms":
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%s %s", thousands(int64(v+0.5)), unit)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func blank(format string, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

// report is everything that was measured in one go.
type report struct {
	At      time.Time `json:"at"`
	Machine machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	Took    string    `json:"took"`
	Figures []figure  `json:"figures"`
	Skipped []string  `json:"skipped,omitempty"` // parts that could not be measured here
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// text writes the tables, part by part, and what is not reached at the end.
func (r *report) text(w io.Writer) {
	fmt.Fprintf(w, "Keyward, %s, %s; %d rounds, %s\n", r.At.Format("2006-01-02 15:04 MST"), r.Machine, r.Rounds, r.Took)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	part := ""
	for _, f := range r.Figures {
		if f.Part != part {
			part = f.Part
			fmt.Fprintf(t, "\n%s\n", strings.ToUpper(part))
			fmt.Fprintln(t, "figure\tours\tlimit\tratio\tbar\t\tcpu µs\tp50 ms\tp99 ms\tremark")
		}
		limit := amount(f.Limit, f.Unit)
		if f.Of != "" {
			limit = strings.TrimSpace(limit + " " + f.Of)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.ours(), limit,
			blank("%.2f", f.Ratio), f.bar(), f.verdict(), blank("%.0f", f.CPU), blank("%.2f", f.P50), blank("%.2f", f.P99), f.Remark)
	}
	t.Flush()
	for _, s := range r.Skipped {
		fmt.Fprintln(w, "\nskipped:", s)
	}
	fmt.Fprintln(w)
	misses := r.misses()
	if len(misses) == 0 {
		fmt.Fprintln(w, "Every bar is met.")
		return
	}
	fmt.Fprintln(w, "Not yet:")
	for _, f := range misses {
		is := fmt.Sprintf("%.2f", f.Ratio)
		if f.Least == 0 {
			is = f.ours()
		}
		fmt.Fprintf(w, "  %s, %s: %s, bar %s\n", f.Part, f.Name, is, f.bar())
	}
}

func (r *report) misses() (out []figure) {
	for _, f := range r.Figures {
		if f.missed() {
			out = append(out, f)
		}
	}
	return out
}
