package config

import "strings"

// Fault is one thing that is wrong, told so that it can be fixed without
// reading our code.
type Fault struct {
	Where string // "keyward.yaml:12", "KEYWARD_LISTEN_OPS", "default"; empty for a Config made in code
	Key   string // listen.ops
	What  string // what is wrong
	Why   string // what would go wrong
	Fix   string // what to write instead
}

func (f Fault) String() string {
	var b strings.Builder
	for _, part := range []string{f.Where, f.Key} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(f.What)
	if f.Why != "" {
		b.WriteString("\n    why: " + f.Why)
	}
	if f.Fix != "" {
		b.WriteString("\n    fix: " + f.Fix)
	}
	return b.String()
}

// Faults are all that is wrong at once; nobody likes to be told one by one.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// orNil keeps a typed nil from becoming a non-nil error.
func (fs Faults) orNil() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// nearest finds what was probably meant: at most two slips away, and never
// more than a third of the word.
func nearest(word string, candidates []string) (string, bool) {
	best, bestAt := "", 3
	for _, c := range candidates {
		if d := distance(word, c); d < bestAt && d*3 <= max(len(word), len(c)) {
			best, bestAt = c, d
		}
	}
	return best, best != ""
}

// distance is Levenshtein's, with a swap of neighbours as one slip.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
