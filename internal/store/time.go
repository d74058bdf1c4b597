package store

import "time"

// Micros is the form in which times are stored: microseconds since 1970, UTC.
// The zero time is stored as 0, so that "never" needs no NULL.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros].
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
