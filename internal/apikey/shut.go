package apikey

// Keys that are shut (keyring.KEKGrace) are to a client of another exchange what a server is
// that cannot decide: it comes back later.
func init() {
	for _, w := range words {
		w[KeysShut] = w[Unavailable]
	}
}
