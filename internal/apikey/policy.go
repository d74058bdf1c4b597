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

	// accountPerMinute: requests of all keys of an account together, at one gate. Thirty
	// keys at their usual speed stay under it; thirty at the greatest would be one account
	// that slows all the others.
	accountPerMinute = 60_000

	// spentKept: a day's count is of use on that day alone; a week of them lets an owner
	// compare.
	spentKept = 7 * 24 * time.Hour

	memoryEntries = 1 << 20 // keys known in this process, at 400 B each
	goneEntries   = 1 << 14 // ids known to be no key
	heldEntries   = 1 << 14 // signatures that held, at half a kilobyte each
	maxHeld       = 2 << 10 // a longer text is not remembered
	replayEntries = 1 << 22 // requests remembered, in two generations

	// Both versions of what signs live for a day unless its owner says otherwise: one
	// working day to restart what runs. Thirty days at most, also when kept longer: an old
	// secret that never ends is no rotation.
	DefaultOverlap = 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour

	// selfOverlap is not the bot's choice. Whoever copied a key could otherwise replace it
	// and shut the owner's own bot out at once; so a day is left, with a mail at its start.
	selfOverlap = 24 * time.Hour

	// quietFor: how long an old version must not have signed before it is ended early.
	// Most bots call at least every few minutes.
	quietFor = 10 * time.Minute

	// meterEvery: how often the use of two versions is written. What has not been written
	// yet is what another gate may know and we do not.
	meterEvery = 10 * time.Second

	// remindEvery: how often keys that end soon are looked for.
	remindEvery = 10 * time.Minute
)
