package confirm

import "time"

// Policy constants live here so that an auditor reads one screen.
const (
	// Life: how long a person has to decide (DESIGN §5), and how long a proof is good after that.
	Life = 120 * time.Second

	// minLife: less than this nobody can read an address in.
	minLife = 30 * time.Second

	// maxOpen: withdrawals that wait for one account. More would be a way to tire an owner into a yes.
	maxOpen = 3

	// maxNew: addresses that are asked for of one account for the first time within newOver. Each is a mail to its owner: more would bury the
	// one about a new key.
	maxNew  = 50
	newOver = 24 * time.Hour

	// secondDeviceAge: a device that approves what another one asked for has been the account's for a day, and so has
	// the one that asked. A private window is a device of today, and else it would make the browser beside it a second one.
	secondDeviceAge = 24 * time.Hour

	// sumOver: the limits are about what is approved in this time, together. Else many small ones are a large one.
	sumOver = 24 * time.Hour

	// AddressHold is the least that an address waits after it was first asked for.
	AddressHold = 24 * time.Hour

	// expireAtOnce bounds one round of ending what ran out: each is an event of its own.
	expireAtOnce = 200

	expireEvery = time.Minute

	maxEvidence = 16 << 10 // bytes of JSON
)

// The rules by which an approval is enough (DESIGN §5, scope policy). Stored, so never renamed.
const (
	RuleHardware     = "hardware"      // a key that cannot leave its device
	RuleSecondDevice = "second_device" // approved on another device than it was asked from
	RuleSmall        = "small"         // a small amount to an address past its hold
)

// What would be enough, the quickest first.
const (
	NeedHardware     = "use_hardware_key"      // the account has one: touch it
	NeedSecondDevice = "use_second_device"     // the account has one that is known for a day
	NeedKnownDevice  = "ask_from_known_device" // it was asked from a device of today, so no other counts as a second one
	NeedWait         = "wait"                  // until the address is past its hold, and the day's sum leaves room for it
	NeedAddHardware  = "add_hardware_key"
	NeedAddDevice    = "add_second_device"
)
