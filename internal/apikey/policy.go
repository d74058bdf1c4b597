package apikey

import "time"

const (
	// A key lives ninety days unless its owner says otherwise, a year at most: what
	// nobody remembers making must not work for ever.
	defaultLife = 90 * 24 * time.Hour
	maxLife     = 366 * 24 * time.Hour

	// exitLife: after its end a key can still look and cancel. A bot whose key lapses
	// at night must not leave a position that nobody can close.
	exitLife = 7 * 24 * time.Hour

	// The window in which a request may be under way. Bots raise it to hide a bad clock;
	// the cap bounds what a replay memory has to hold.
	defaultWindow = 10 * time.Second
	maxWindow     = 60 * time.Second

	// ahead: how far in the future a request may be dated. It is also how old a request
	// may be that a process which has just started cannot know about (the fence).
	ahead = time.Second

	// timelessLife: how long a request that says no time is remembered (Upbit's tokens
	// have a nonce and nothing else). Whoever keeps one longer than this can use it again
	// from the key's own addresses, which such keys must have.
	timelessLife = 24 * time.Hour

	// clocksApart: claims stay this much longer, for gates whose clocks are behind ours. One
	// that is further behind refuses every honest bot, and so is noticed.
	clocksApart = time.Minute

	// knownFor: how long a device is known before it may unlock withdrawing.
	knownFor = 24 * time.Hour

	defaultPerMinute = 1200
	maxPerMinute     = 60_000

	// probeEvery: an Ed25519 signature from a foreign address is looked at this often, and
	// a few times at once. Its owner then reads the exact cause, and may add the address
	// because the key itself was there; a flood of them costs nothing.
	probeEvery = 10 * time.Second
	probeBurst = 5

	maxKeys    = 30 // of one account, in use
	maxSymbols = 100
	maxPurpose = 200
	minPurpose = 3

	// What the owner could not read through is not written out: more places or codes in
	// one minute than this are counted together.
	maxTally = 64

	flushEvery = time.Minute
	storyKept  = 90 * 24 * time.Hour

	memoryEntries = 1 << 20 // keys known in this process, at 400 B each
	goneEntries   = 1 << 14 // ids known to be no key
	heldEntries   = 1 << 14 // signatures that held, at half a kilobyte each
	maxHeld       = 2 << 10 // a longer text is not remembered
	replayEntries = 1 << 22 // requests remembered, in two generations
)
