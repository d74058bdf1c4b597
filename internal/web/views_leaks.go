package web

import "time"

// BotKeyLeak is what is told of a leak.
type BotKeyLeak struct {
	At    time.Time
	Say   Text   // who found it
	Where string // text of somebody we do not know: never a link
}

// Rests says whether a right of the key rests.
func (k BotKey) Rests(scope string) bool {
	for _, r := range k.Asleep {
		if r.Scope == scope {
			return true
		}
	}
	return false
}
