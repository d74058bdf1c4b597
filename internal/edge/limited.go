package edge

import (
	"fmt"
	"time"
)

// Limited is the refusal that belongs to a Limiter's "no", with the fields of
// draft-ietf-httpapi-ratelimit-headers-10 (RateLimit-Policy, RateLimit) and
// Retry-After (RFC 9110 §10.2.3), which every client understands.
func Limited(class Class, retryAfter time.Duration) *Error {
	p := policies[class]
	wait := wholeSeconds(retryAfter)
	return errLimited.RetryIn(retryAfter).
		Header("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", p.name, p.key.burst, int64(p.key.per/time.Second))).
		Header("RateLimit", fmt.Sprintf("%q;r=0;t=%s", p.name, wait))
}
