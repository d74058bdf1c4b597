package api

import (
	"testing"

	"keyward/internal/session"
)

func TestASessionSaysWhatItIsBoundTo(t *testing.T) {
	for _, c := range []struct {
		name  string
		ses   session.Session
		by    string
		bound bool
	}{
		{"to nothing", session.Session{}, "none", false},
		{"to a key that its pages or its app keep", session.Session{JKT: "k"}, "key", true},
		{"by the browser itself, to a key of the device", session.Session{JKT: "k", DeviceJKT: "d"}, "device", true},
		{"the same without a key of the pages", session.Session{DeviceJKT: "d"}, "device", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if v := sessionOf(c.ses, ""); v.BoundBy != c.by || v.Bound != c.bound {
				t.Errorf("says %q, %v", v.BoundBy, v.Bound)
			}
		})
	}
}
