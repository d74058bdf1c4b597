package executor

import "time"

// What is accepted, on one screen.
const (
	// MaxLife: an intent lives this long and no longer, and so does a proof after the approval.
	MaxLife = 120 * time.Second

	// clockSkew: Keyward's clock and ours, both kept by NTP.
	clockSkew = 5 * time.Second

	// maxIntent bounds what is read as an intent: all fields at their longest.
	maxIntent = 2 << 10
	// maxPart bounds each part of the evidence, in bytes; RSA-4096 signs 512, client data are below 4 KiB.
	maxPart = 8 << 10

	maxAsset   = 20
	maxNetwork = 40
	maxAddress = 200
	maxMemo    = 200 // bytes
	maxMarks   = 4   // on one letter of a memo
	maxDecimal = 40
	maxID      = 64

	// maxSpent: proofs that Memory remembers. Each lives for four minutes at most.
	maxSpent = 1 << 18
)
