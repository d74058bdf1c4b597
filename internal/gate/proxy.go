package gate

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/keyring"
)

// Proxy stands in front of an upstream.
func (g *Gate) Proxy() http.Handler {
	forward := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { g.rewrite(p) },
		Transport: g.Transport,
		ErrorLog:  slog.NewLogLogger(g.Logger.Handler(), slog.LevelWarn),
		ModifyResponse: func(r *http.Response) error {
			strip(r.Header) // an upstream that echoes must not hand a decision to the client
			stamp(r.Header, g.Now())
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			g.Logger.WarnContext(r.Context(), "the upstream did not answer", "cause", err)
			stamp(w.Header(), g.Now())
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asked{method: r.Method, target: r.RequestURI, header: r.Header, peer: edge.ClientAddr(r, g.Proxies), id: requestID(g)}
		if g.itself(w, r, &a) || g.upgrade(w, r, &a) {
			return
		}
		if _, no := g.route(&a); no != nil {
			if r.ContentLength != 0 {
				w.Header().Set("Connection", "close") // its body is not read, so nothing can come after it
			}
			g.refuse(w, &a, no, same)
			return
		}
		// The whole body before the first byte goes on: it is signed, and an upstream must
		// not begin with what may turn out to be changed.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.BodyLimit))
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				g.refuse(w, &a, &refused{code: apikey.BadRequest}, func(int) int { return http.StatusRequestEntityTooLarge })
				return
			}
			g.refuse(w, &a, &refused{code: apikey.BadRequest}, same)
			return
		}
		a.body = body
		gr, no := g.decide(r.Context(), &a)
		if no != nil {
			g.refuse(w, &a, no, same)
			return
		}
		if a.target == whoami {
			g.introduce(w, &a, gr)
			return
		}
		out := r.Clone(r.Context())
		out.Body, out.ContentLength, out.TransferEncoding = io.NopCloser(strings.NewReader(string(body))), int64(len(body)), nil
		if len(body) == 0 {
			out.Body = http.NoBody
		}
		strip(out.Header)
		lead(out.Header)
		keepCookies(out.Header)
		gr.told(out.Header, a.id)
		gr.until(w.Header())
		w.Header().Set("X-Request-Id", a.id)
		forward.ServeHTTP(w, out)
	})
}

// rewrite points a request at the upstream and leaves every byte of path and query as
// it was signed.
func (g *Gate) rewrite(p *httputil.ProxyRequest) {
	path, query, _ := strings.Cut(p.In.RequestURI, "?")
	// Opaque goes onto the wire as it stands; Path would be decoded and encoded again. It
	// begins with one slash, or it would not have been let in.
	p.Out.URL = &url.URL{Scheme: g.Upstream.Scheme, Host: g.Upstream.Host, Opaque: path, RawQuery: query, ForceQuery: query == "" && len(path) < len(p.In.RequestURI)}
	p.Out.Host = g.Authority
	p.SetXForwarded()
}

// lead takes out what would lead the upstream elsewhere than to what was decided.
//
// Connection names headers that the next hop drops (RFC 9110 §7.6.1) and asks for
// another protocol: a client could have our decision dropped, or the type that was
// signed, and an upgrade (h2c, a socket) is a wire past us on which nothing is signed.
// The others name another method or path than the line of the request, to frameworks
// that believe them, or another client.
func lead(h http.Header) {
	for _, name := range append([]string{"Connection", "Upgrade", "Http2-Settings", originalMethod, originalTarget, forwardMethod, forwardTarget,
		"X-Forwarded-Prefix", "X-Real-Ip", "True-Client-Ip"}, otherwise...) {
		delete(h, name)
	}
}

// otherwise are headers by which frameworks take another method or path than the line of
// the request says. No front writes them.
var otherwise = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url"}

func misleads(h http.Header) bool {
	return slices.ContainsFunc(otherwise, func(name string) bool { return len(h[name]) > 0 })
}

func requestID(g *Gate) string { return keyring.NewID("req_", g.Now()) }
