package apikey

import "time"

// Shut reports whether nothing is decided at now, because the key that wraps the root was away
// for too long. Never at a gate with a file of its own.
func (s *Service) Shut(now time.Time) bool { return !s.safe.Usable(now) }

// Keys that are shut (keyring.KEKGrace) are to a client of another exchange what a server is
// that cannot decide: it comes back later.
func init() {
	for _, w := range words {
		w[KeysShut] = w[Unavailable]
	}
}
