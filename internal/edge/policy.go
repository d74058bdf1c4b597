package edge

import "time"

// Everything an auditor wants to know about the limits of the rim, on one
// screen. Rates are per process: with n processes a client that is spread over
// all of them gets at most n times as much, which these numbers allow for.
const (
	// bodyLimit: the largest JSON a flow needs is an attestation with its
	// certificate chain, about 12 KiB.
	bodyLimit = 64 << 10

	// headerLimit: cookies (about 1 KiB), a DPoP proof (1 KiB) and an access
	// token, with room for what proxies add. The library adds 4 KiB of slack.
	headerLimit = 32 << 10

	// jsonDepth: our deepest body has five levels.
	jsonDepth = 16

	readHeaderTimeout = 5 * time.Second   // slowloris
	readTimeout       = 15 * time.Second  // 64 KiB on a very slow phone
	writeTimeout      = 30 * time.Second  // longer than handleTimeout, or the 503 could not be written
	idleTimeout       = 120 * time.Second // keep-alive behind a proxy
	handleTimeout     = 10 * time.Second  // what a handler may take; the store gives up after 2 s

	// busyRetry: what Retry-After says when the code itself knows nothing better.
	busyRetry = 1 * time.Second

	// hstsAge: two years, what the preload lists ask for. Without
	// includeSubDomains: other hosts of the domain are not ours to decide.
	hstsAge = 2 * 365 * 24 * time.Hour

	// Bounds of a request id that a configured proxy hands in.
	requestIDMin, requestIDMax = 8, 64
)

// Class is a kind of request that shares a limit.
type Class uint8

const (
	ClassPage         Class = iota // reading pages
	ClassAPI                       // the JSON API as a whole
	ClassSignUp                    // beginning a sign-up
	ClassSignInBegin               // asking for a challenge
	ClassSignInFinish              // answering one
	ClassRefresh                   // refreshing a session
	ClassCode                      // signing in with a recovery code
	ClassFreezeMail                // asking, signed out, for the mail that can freeze
	ClassOAuth                     // token, PAR, introspection, revocation
	ClassTail                      // resource servers that ask ten times a second
	ClassGate                      // requests at the gate that proved nothing
	ClassLeak                      // reports of leaked keys
	ClassJoin                      // showing the code of a new device
	ClassJoinCode                  // typing one
	classCount
)

// rate is GCRA's pair: burst at once, then one each per/burst. A window of per
// can therefore hold twice the burst, once.
type rate struct {
	burst int
	per   time.Duration
}

type policy struct {
	name string // in RateLimit headers and metrics
	key  rate   // one address (IPv6: one /64), one account, or whatever the caller keys by
	net  rate   // its /24 (IPv6: /48), so that a rented block is not 256 strangers
	all  rate   // the coarse bucket, when the memory for keys is full: see Limiter
}

// policies: an address may be a company or a mobile carrier behind one NAT
// (hundreds of honest people), so only codes are tight per address.
var policies = [classCount]policy{
	ClassPage: {"page", rate{240, time.Minute}, rate{2400, time.Minute}, rate{60000, time.Minute}},
	ClassAPI:  {"api", rate{600, time.Minute}, rate{6000, time.Minute}, rate{120000, time.Minute}},

	ClassSignUp:       {"sign-up", rate{10, 10 * time.Minute}, rate{60, 10 * time.Minute}, rate{600, 10 * time.Minute}},
	ClassSignInBegin:  {"sign-in-begin", rate{60, time.Minute}, rate{600, time.Minute}, rate{6000, time.Minute}},
	ClassSignInFinish: {"sign-in-finish", rate{30, time.Minute}, rate{300, time.Minute}, rate{6000, time.Minute}},
	ClassRefresh:      {"refresh", rate{120, time.Minute}, rate{2400, time.Minute}, rate{60000, time.Minute}},

	// ClassCode: 125-bit codes cannot be guessed at any rate; five tries per
	// quarter of an hour keep a thief with half a code from trying the rest
	// (NIST SP 800-63B-4 §3.2.2). By address only: counted by the account or the
	// mail address typed, a stranger could keep the owner's last door shut.
	ClassCode: {"code", rate{5, 15 * time.Minute}, rate{30, 15 * time.Minute}, rate{600, 15 * time.Minute}},

	// ClassFreezeMail: a brake that strangers can pull must not be one that
	// strangers can block, so an office behind one NAT gets one every two minutes.
	// That no mailbox is buried is notify's to keep: three an hour and address.
	ClassFreezeMail: {"freeze-mail", rate{30, time.Hour}, rate{300, time.Hour}, rate{3000, time.Hour}},

	ClassTail: {"tail", rate{3000, time.Minute}, rate{30000, time.Minute}, rate{120000, time.Minute}},

	// ClassLeak: a person who found a key, or a scanner with a handful. Whoever has
	// thousands writes to the operators, who take a file.
	ClassLeak: {"leak", rate{30, 10 * time.Minute}, rate{120, 10 * time.Minute}, rate{1200, 10 * time.Minute}},

	// ClassJoin: each is a row until it ran out, so no stranger gets many.
	ClassJoin: {"join", rate{10, 10 * time.Minute}, rate{60, 10 * time.Minute}, rate{600, 10 * time.Minute}},

	// ClassJoinCode: by account and by address, both of somebody who is signed in, so no
	// stranger can shut this door. Five tries at 50 bits, of which a few thousand are
	// open at a time, find nothing in an age (SP 800-63B-4 §3.2.2 allows a hundred).
	ClassJoinCode: {"join-code", rate{5, 15 * time.Minute}, rate{30, 15 * time.Minute}, rate{600, 15 * time.Minute}},

	// ClassGate: bots that misspell their key, or knock with one that has ended. Whole
	// clouds share addresses, so only what proves nothing counts.
	ClassGate:  {"gate", rate{300, time.Minute}, rate{3000, time.Minute}, rate{60000, time.Minute}},
	ClassOAuth: {"oauth", rate{600, time.Minute}, rate{6000, time.Minute}, rate{120000, time.Minute}},
}

// Memory of the limiter: 64 × 4096 keys × about 40 bytes ≈ 10 MiB at most,
// allocated as strangers arrive.
const (
	limitShards  = 64
	limitEntries = 4096 // per shard
	limitSweep   = time.Second
)

func (c Class) String() string { return policies[c].name }
