package attest

// Whoever sends evidence is a stranger, and the keys in it are of the stranger's
// choosing. Everything is counted before anything is computed with.
const (
	maxChain       = 6       // certificates; remotely provisioned Android keys have five, an attest key adds one
	maxCertificate = 4 << 10 // bytes; the largest seen are below 2 KiB
	minRSA, maxRSA = 2048, 4096
	maxExponent    = 1<<16 + 1

	maxDescription = 4 << 10 // bytes of KeyDescription; Android caps the application id inside it at 1 KiB
	maxTags        = 64      // members of one AuthorizationList; the schema knows 45
	maxTagNumber   = 1 << 14
	maxSet         = 32 // members of one SET
	maxOctets      = 2 << 10

	maxAppAttest  = 32 << 10 // bytes; a receipt of 4 KiB and two certificates are below 8 KiB
	maxAssertion  = 1 << 10
	maxNesting    = 4 // levels of an App Attest object: map, attStmt, x5c
	maxMembers    = 16
	maxStatusList = 16 << 20 // bytes of Google's list of revoked certificates; 2026's is below 1 MiB
	maxSerial     = 20       // bytes (RFC 5280 §4.1.2.2)

	maxMDS        = 32 << 20 // bytes of the metadata BLOB; 2026's is below 10 MiB
	maxMDSHeader  = 32 << 10
	maxMDSEntries = 10_000
	maxModelRoots = 64
)
