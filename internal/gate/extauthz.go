package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/edge"
)

// Envoy answers Envoy's external authorization over gRPC (ext_authz).
type Envoy struct {
	g *Gate
	s *grpc.Server
}

// questions bounds how many one connection asks at a time; Envoy queues the rest.
const questions = 1024

// Envoy makes the server for Envoys. Whoever connects and is no configured peer is hung
// up on before a byte is read.
func (g *Gate) Envoy() *Envoy {
	s := grpc.NewServer(grpc.ForceServerCodecV2(envoyCodec{}), grpc.MaxRecvMsgSize(int(g.BodyLimit)+128<<10), grpc.MaxConcurrentStreams(questions), grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(5*time.Second), grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))), grpc.WaitForHandlers(true))
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "envoy.service.auth.v3.Authorization", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Check", Handler: func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			q := new(checkRequest)
			if err := read(q); err != nil {
				return nil, err // Envoy lets in what is answered OK and nothing else (failure_mode_allow stays false)
			}
			return g.envoy(ctx, q)
		}}}}, g)
	return &Envoy{g, s}
}

// Serve answers on l until Close, over TLS where it is told how.
func (e *Envoy) Serve(l net.Listener, over *tls.Config) error {
	l = &peersOnly{l, e.g}
	if over != nil {
		l = tls.NewListener(l, over)
	}
	if err := e.s.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Close lets open questions be answered, and cuts off what takes longer than ctx allows.
func (e *Envoy) Close(ctx context.Context) {
	defer context.AfterFunc(ctx, e.s.Stop)()
	e.s.GracefulStop()
}

// peersOnly hangs up on everybody but the fronts that may ask: anybody else could put
// words into a client's mouth.
type peersOnly struct {
	net.Listener
	g *Gate
}

// Accept waits for the next front that may ask.
func (p *peersOnly) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && p.g.isPeer(from.Addr().WithZone("")) {
			return c, nil
		}
		p.g.Logger.Warn("a front that is not configured connected", "addr", c.RemoteAddr().String())
		_ = c.Close() // nothing was said, so nothing is lost
	}
}

func (g *Gate) isPeer(a netip.Addr) bool {
	return slices.ContainsFunc(g.Peers, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// envoy answers one question. An error is no permission.
func (g *Gate) envoy(ctx context.Context, q *checkRequest) (answer checkResponse, err error) {
	defer func() {
		// net/http catches a panic of a handler, grpc does not: one request must not end
		// the process for all.
		if p := recover(); p != nil {
			g.Logger.ErrorContext(ctx, "a question of Envoy made the gate panic", "cause", p, "stack", string(debug.Stack()))
			answer, err = nil, status.Error(codes.Internal, "refused")
		}
	}()
	a := asked{id: requestID(g), unseen: !g.BodyFromPeers}
	if !g.understood(q, &a) {
		return g.deny(&a, &refused{code: apikey.BadRequest}), nil
	}
	gr, no := g.decide(ctx, &a)
	if no != nil {
		return g.deny(&a, no), nil
	}
	var up, down [6]pair
	toUpstream := gr.pairs(up[:0], a.id)
	toClient := append(down[:0], pair{"x-server-time-ms", number(g.Now().UnixMilli())})
	if gr.Stale > 0 {
		toClient = append(toClient, pair{"keyward-stale", gr.stale()})
	}
	if !gr.public && gr.by == "" {
		toClient = append(toClient, pair{"x-key-expires-at", gr.Key.Expires.UTC().Format(http.TimeFormat)})
	}
	remove := alike
	switch {
	case gr.public:
		remove = alikeAndOurs
	case gr.Key.Sub == "":
		remove = alikeAndSub
	}
	if gr.Stale > 0 {
		remove = slices.DeleteFunc(slices.Clone(remove), func(name string) bool { return name == stale })
	}
	return allowed(toUpstream, toClient, remove), nil
}

const stale = "x-keyward-stale" // gatekit.HeaderStale, as Envoy writes it

// pairs are what told says, as Envoy is told it.
func (gr *granted) pairs(dst []pair, id string) []pair {
	if gr.public {
		return dst
	}
	dst = append(dst, pair{"x-keyward-decision", gr.token}, pair{"x-keyward-account", string(gr.Key.Account)}, pair{"x-keyward-key", gr.credential()},
		pair{"x-keyward-scopes", gr.Scopes.String()}, pair{"x-keyward-request-id", id})
	if gr.Key.Sub != "" {
		dst = append(dst, pair{"x-keyward-sub", gr.Key.Sub})
	}
	if gr.Stale > 0 {
		dst = append(dst, pair{stale, gr.stale()})
	}
	return dst
}

// deny words a refusal for Envoy, which passes status, headers and body on as they are.
func (g *Gate) deny(a *asked, no *refused) checkResponse {
	seen := *a
	seen.unseen = false // no header repeats the body: this front passes it on
	k := kept{h: http.Header{}}
	g.refuse(&k, &seen, no, same)
	var headers []pair
	for name, v := range k.h {
		headers = append(headers, pair{strings.ToLower(name), v[0]})
	}
	slices.SortFunc(headers, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return denied(k.status, headers, string(k.body))
}

// kept is an answer that goes another way than a connection of net/http.
type kept struct {
	h      http.Header
	status int
	body   []byte
}

func (k *kept) Header() http.Header { return k.h }
func (k *kept) WriteHeader(s int)   { k.status = s }
func (k *kept) Write(b []byte) (int, error) {
	k.body = append(k.body, b...)
	return len(b), nil
}

// understood makes a request of what Envoy says. It is false where there are two ways to
// read it, or where the client would speak past us to the upstream.
func (g *Gate) understood(q *checkRequest, a *asked) bool {
	lines := q.headers
	if len(q.raw) > 0 {
		if len(lines) > 0 {
			return false
		}
		lines = q.raw
	}
	if q.query != "" || q.hash != "" || q.body != "" && q.rawBody != "" || q.method == "" || q.path == "" {
		return false
	}
	a.method, a.target = q.method, q.path
	var ok bool
	if a.header, ok = headerOf(lines, len(q.raw) == 0, q); !ok {
		return false
	}
	from, err := netip.ParseAddr(q.source)
	if err != nil {
		return false // a pipe, or nothing: nobody could say from where a request came
	}
	a.peer = edge.ClientAddrBehind(from, a.header["X-Forwarded-For"], g.Proxies)
	if claims(a.header) || misleads(a.header) || len(a.header["Upgrade"]) > 0 {
		return false
	}
	if g.BodyFromPeers {
		body := q.rawBody + q.body
		if !whole(a.header, len(body)) {
			return false
		}
		if body != "" {
			a.body = []byte(body)
		}
	}
	return true
}

// whole reports whether a body that a front handed over is all of it. Envoy marks what it
// cut; a length that the client named is looked at as well, for a front that was not told
// to send bodies sends nothing and marks nothing.
func whole(h http.Header, n int) bool {
	for _, v := range h[partialBody] {
		if v != "false" {
			return false
		}
	}
	v, there := h["Content-Length"]
	return !there || len(v) == 1 && v[0] == strconv.Itoa(n)
}

const partialBody = "X-Envoy-Auth-Partial-Body"

// headerOf puts headers into the form of net/http. Envoy writes names in small letters
// and, unless it is told to encode raw headers, one line for all copies of a name with
// commas between: what has to stand there once must then be without one.
func headerOf(lines []pair, merged bool, q *checkRequest) (http.Header, bool) {
	h := make(http.Header, len(lines))
	values := make([]string, len(lines))
	for i, l := range lines {
		switch {
		case l.name == "":
			return nil, false
		case l.name[0] == ':':
			if l.name == ":path" && l.value != q.path || l.name == ":method" && l.value != q.method {
				return nil, false
			}
			continue
		}
		name, known := canonicalNames[l.name]
		if !known {
			name = http.CanonicalHeaderKey(l.name)
		}
		if merged && apikey.Single(name) && strings.IndexByte(l.value, ',') >= 0 {
			return nil, false
		}
		if there := h[name]; there != nil {
			h[name] = append(there[:len(there):len(there)], l.value)
			continue
		}
		values[i] = l.value
		h[name] = values[i : i+1 : i+1]
	}
	return h, true
}

// canonicalNames spares most requests the work; the function above is the rule.
var canonicalNames = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Digest", "Content-Length", "Content-Type", "Host", "Signature", "Signature-Input", "User-Agent",
		"X-Envoy-Expected-Rq-Timeout-Ms", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id"} {
		m[strings.ToLower(name)] = name
	}
	return m
}()

// What Envoy takes out on the way to the upstream. Requests that bring such headers are
// refused where we see them; an Envoy that was told to show us some headers only hides
// the rest from us and not from the upstream.
var (
	alike        = removals()
	alikeAndSub  = append(removals(), "x-keyward-sub")
	alikeAndOurs = append(removals(), lower(gatekit.Header, gatekit.HeaderAccount, gatekit.HeaderSub, gatekit.HeaderKey, gatekit.HeaderScopes, gatekit.HeaderRequestID)...)
)

func removals() (out []string) {
	for _, name := range lower(gatekit.Header, gatekit.HeaderAccount, gatekit.HeaderSub, gatekit.HeaderKey, gatekit.HeaderScopes) {
		first, last := "x-keyward", strings.TrimPrefix(name, "x-keyward-")
		out = append(out, strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(first, "-", "_")+"-"+last, first+"_"+last)
	}
	out = append(out, stale)
	out = append(out, lower(originalMethod, originalTarget, forwardMethod, forwardTarget)...)
	return append(out, lower(otherwise...)...)
}

func lower(names ...string) (out []string) {
	for _, n := range names {
		out = append(out, strings.ToLower(n))
	}
	return out
}
