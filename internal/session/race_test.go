//go:build race

package session

// Under the race detector sync.Pool drops things on purpose, so counts of allocations mean nothing.
func init() { raceDetector = true }
