package edge

import (
	"context"
	"net/http"
	"net/netip"
	"sync"

	"keyward/internal/store"
)

// Anonymous is the actor of a request nobody has proved anything for yet.
const Anonymous = "anonymous"

type causeKey struct{}

// scope travels in the context. The cause is a value, so a context handed to
// a goroutine cannot change under it; the visit is shared by the whole request
// and only the access log reads it.
type scope struct {
	cause store.Cause
	visit *visit
}

// visit is what the outermost handler wants to know when the answer is out.
type visit struct {
	edge *Edge
	peer netip.Addr

	mu      sync.Mutex // guards the rest
	actor   string
	device  string
	route   string // the pattern that matched, never the path: paths carry link tokens
	problem string
	why     error
}

// CauseFrom says who asks, from where and on which request. Outside a request
// (tests, jobs) it is an anonymous cause without address.
func CauseFrom(ctx context.Context) store.Cause {
	if s, ok := ctx.Value(causeKey{}).(scope); ok {
		return s.cause
	}
	return store.Cause{Actor: Anonymous}
}

// WithActor records who was proved: "account:acc_…", "client:…". Whoever calls
// it has verified a credential; nothing in this package does.
func WithActor(ctx context.Context, actor string) context.Context {
	s := scopeFrom(ctx)
	s.cause.Actor = actor
	s.visit.note(func(v *visit) { v.actor = actor })
	return context.WithValue(ctx, causeKey{}, s)
}

// WithDevice records the device (dev_…) the request was recognised to come from.
func WithDevice(ctx context.Context, device string) context.Context {
	s := scopeFrom(ctx)
	s.cause.Device = device
	s.visit.note(func(v *visit) { v.device = device })
	return context.WithValue(ctx, causeKey{}, s)
}

// WithCause puts a whole cause into a context, for work that no request began
// (jobs, the command line) and for tests.
func WithCause(ctx context.Context, c store.Cause) context.Context {
	s := scopeFrom(ctx)
	s.cause = c
	return context.WithValue(ctx, causeKey{}, s)
}

// RequestID is the id shown to people, "" outside a request.
func RequestID(ctx context.Context) string { return CauseFrom(ctx).Request }

func scopeFrom(ctx context.Context) scope {
	if s, ok := ctx.Value(causeKey{}).(scope); ok {
		return s
	}
	return scope{cause: store.Cause{Actor: Anonymous}}
}

func visitFrom(r *http.Request) *visit { return scopeFrom(r.Context()).visit }

func (v *visit) note(f func(*visit)) {
	if v == nil {
		return
	}
	v.mu.Lock()
	f(v)
	v.mu.Unlock()
}
