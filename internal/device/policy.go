package device

import "time"

// Policy constants live here so that an auditor reads one screen.
const (
	// ceremonyTimeout: WebAuthn L3 §15.1 recommends 300–600 s when user
	// verification is required.
	ceremonyTimeout = 300 * time.Second

	// challengeLife is the same span on our side; a browser that waits longer
	// than it was told to has lost its ceremony anyway.
	challengeLife = 5 * time.Minute

	// spentMargin: a spent challenge is remembered this much longer than it can
	// be used, so that no clock difference between processes reopens it.
	spentMargin = 10 * time.Minute

	// stepUpLife: how old a touch may be when it is redeemed (DESIGN §2: fresh
	// user verification ≤ 5 min, single use).
	stepUpLife = 5 * time.Minute

	maxResponse     = 64 << 10 // bytes of credential JSON; the largest attestation seen is below 12 KiB
	maxClientData   = 4 << 10
	maxAttestation  = 16 << 10 // five certificates of 2 KiB and a key, with room
	maxAuthData     = 8 << 10
	maxSignature    = 1 << 10 // RSA-4096 is 512 bytes
	maxCredentialID = 1023    // WebAuthn L3 §7.1 step 25
	minCredentialID = 16      // §4 "credential ID": at least 100 bits of entropy, at least 16 bytes
	maxFormat       = 32      // §8.1: characters of an attestation format
	maxHandle       = 64      // §5.4.3: a user handle has 1–64 bytes
	maxName         = 64      // characters of a name people give
	maxBind         = 256
	maxExclude      = 64

	minRSA, maxRSA = 2048, 4096 // bits; larger ones only cost us time
	maxRSAExponent = 1<<16 + 1  // likewise

	// maxCertificates in a whole statement: Android's chains from remotely
	// provisioned keys are the longest we know, with five; TPMs bring two or three.
	maxCertificates       = 5
	maxPhoneChain         = 6   // an Android app's; an attest key adds one
	maxStatements         = 4   // signatures in a compound statement (§8.9 asks for two at least)
	maxStatementSignature = 512 // RSA-4096

	// judgesPerCPU: statements verified at the same time, for each CPU.
	judgesPerCPU = 2
)

// algorithms are the COSE algorithms we ask for, best first (RFC 9053 §2, RFC
// 8812 §2). RS256 stays because Windows Hello on older TPMs has nothing else.
var algorithms = []int64{algES256, algEdDSA, algRS256}

const (
	algES256 int64 = -7
	algEdDSA int64 = -8
	algRS256 int64 = -257
)

// formats are the attestation statement formats whose syntax and signature are
// checked (WebAuthn L3 §8, registry of RFC 8809). Others are kept unread and earn
// nothing, and so does android-safetynet (§8.5): its service answers nobody any more,
// its statements are good for one minute, and its JWS is one more parser for strangers
// to try.
var formats = map[string]bool{
	"none": true, "packed": true, "tpm": true, "android-key": true,
	"fido-u2f": true, "apple": true, "compound": true,
}
