package staff

import (
	"slices"
	"time"
)

// Policy constants live here so that an auditor reads one screen.
const (
	// sessionLife and idleLife: NIST SP 800-63B-4 §2.3.3 (AAL3) wants 12 h and
	// 15 min at most, and an operator can do more than any account.
	sessionLife = 12 * time.Hour
	idleLife    = 15 * time.Minute

	// lastUsedEvery: how exact "last used" is. An idle session may end this much
	// early and never late.
	lastUsedEvery = 20 * time.Second

	// inviteLife: a link that nobody followed in a day is asked for again.
	inviteLife = 24 * time.Hour

	// bootstrapLife: this link makes an admin and is printed where others may look.
	bootstrapLife = time.Hour

	// requestLife: what nobody approved in a day is asked for again, with a reason
	// that is still true.
	requestLife = 24 * time.Hour

	// maxReason in bytes: what the log keeps whole (audit cuts values there).
	maxReason = 160
	minReason = 4 // characters; a dot is no reason
	maxName   = 64
	maxTarget = 128
	maxDiff   = 8 << 10 // bytes of JSON: two people read it before they touch
	maxList   = 200
)

// Role is a word of a job. Roles are stored, so never renamed.
type Role string

// The roles there are.
const (
	Support  Role = "support"  // answers people
	Analyst  Role = "analyst"  // looks into what happened
	Security Role = "security" // decides
	Admin    Role = "admin"    // decides, and says who is an operator
	Auditor  Role = "auditor"  // sees and changes nothing
)

// AllRoles in the order of the pages.
var AllRoles = []Role{Support, Analyst, Security, Admin, Auditor}

// Power is one thing that roles allow.
type Power string

// The powers of this package. The owner of a kind of request brings none of its
// own: who may ask for it and who may decide stands in kinds.
const (
	SeeOperators    Power = "see operators"
	ManageOperators Power = "invite, change and disable operators"
	SeeRequests     Power = "see requests"
	AskRequests     Power = "ask for what takes two"
	DecideRequests  Power = "approve and refuse"
	KeepKeys        Power = "add and remove passkeys of one's own"
	SeeClients      Power = "see apps"
	ManageClients   Power = "register apps and switch them off"
)

// powers: nothing implies anything else, and what is not here is refused.
var powers = map[Power][]Role{
	SeeOperators:    {Security, Admin, Auditor},
	ManageOperators: {Admin},
	SeeRequests:     {Support, Analyst, Security, Admin, Auditor},
	AskRequests:     {Support, Analyst, Security, Admin},
	DecideRequests:  {Security, Admin},
	KeepKeys:        {Support, Analyst, Security, Admin, Auditor},
	SeeClients:      {Support, Analyst, Security, Admin, Auditor},
	ManageClients:   {Security, Admin},
}

// DeedKind is what one operator may do alone to what another package owns. It stands
// in challenges, so never reused for something else.
type DeedKind string

// What can be done to apps. Taking a verification back narrows what an app may ask
// for: one operator is enough.
const (
	RegisterClient DeedKind = "clients.register"
	TurnOffClient  DeedKind = "clients.off"
	DropPublisher  DeedKind = "clients.drop_publisher"
)

// deeds: what is not here, nobody may.
var deeds = map[DeedKind]Power{
	RegisterClient: ManageClients,
	TurnOffClient:  ManageClients,
	DropPublisher:  ManageClients,
}

// Kind is what a request asks for. Stored, so never renamed.
type Kind string

// VerifyPublisher says that a domain belongs to who publishes an OAuth client.
const VerifyPublisher Kind = "client.verify_publisher"

// kinds that can be asked for.
var kinds = []Kind{VerifyPublisher}

// Known reports whether there is such a kind.
func (k Kind) Known() bool { return slices.Contains(kinds, k) }

// May reports whether one of the roles has a power.
func (r Roles) May(p Power) bool {
	return slices.ContainsFunc(powers[p], func(have Role) bool { return slices.Contains(r, have) })
}
