package edge

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Options is everything the rim needs to know about the deployment.
type Options struct {
	Now       func() time.Time // required: the clock of limits and of the access log
	Logger    *slog.Logger     // wrapped by Redact here, whatever it was before
	PublicURL string           // required: what people type; https turns HSTS on
	Proxies   []netip.Prefix   // peers whose X-Forwarded-For is believed
	DocsBase  string           // problem type = DocsBase + code
	Language  string           // when neither cookie nor browser says: "en" or "ko"

	CrossOrigin []string      // ServeMux patterns that other origins may post to (OAuth token endpoint)
	MaxBody     int64         // bytes; zero: 64 KiB
	Timeout     time.Duration // of a handler; zero: 10 s
	RateFactor  float64       // multiplies every rate; zero: 1

	Refused func(credential, code string) // hears of each refusal before proof; nil: nobody counts

	Pages   Pages    // nil: plain text until pages are wired
	Metrics *Metrics // nil: not counted
}

const defaultDocsBase = "/docs/errors#"

// Edge is one listener's rim: build it once, wrap the routes with Handler.
type Edge struct {
	opts    Options
	log     *slog.Logger
	csp     string
	hsts    bool
	cross   *http.CrossOriginProtection
	Limiter *Limiter
}

// New refuses options it would have to guess at.
func New(o Options) (*Edge, error) {
	if o.Now == nil {
		return nil, fmt.Errorf("edge: Options.Now is required")
	}
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("edge: Options.PublicURL %q is not an http(s) URL", o.PublicURL)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.DocsBase == "" {
		o.DocsBase = strings.TrimSuffix(o.PublicURL, "/") + defaultDocsBase
	}
	if o.Language == "" {
		o.Language = "en"
	}
	if o.MaxBody == 0 {
		o.MaxBody = bodyLimit
	}
	if o.Timeout == 0 {
		o.Timeout = handleTimeout
	}
	e := &Edge{
		opts:    o,
		log:     slog.New(Redact(o.Logger.Handler())),
		csp:     contentSecurityPolicy(),
		hsts:    u.Scheme == "https" && !isLocalhost(u.Hostname()),
		Limiter: NewLimiter(o.Now, o.RateFactor),
	}
	e.Limiter.metrics = o.Metrics
	if e.cross, err = crossOrigin(u.Scheme+"://"+u.Host, o.CrossOrigin); err != nil {
		return nil, err
	}
	return e, nil
}

// isLocalhost: HSTS knows hosts, not ports (RFC 6797 §8.3). A demo over https
// would forbid every other http://localhost of a developer for two years.
func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Handler puts the rim around the routes. Order matters and is one screen:
// the visit first (so that everything after it can be logged under an id),
// then recover, then what costs least to refuse.
func (e *Edge) Handler(routes http.Handler) http.Handler {
	h := e.bounded(routes)
	h = e.sameSite(h)
	h = e.secured(h)
	h = e.recovered(h)
	return e.visited(h)
}

// Server is an http.Server with every bound set. The caller adds Addr, TLS and
// BaseContext.
func (e *Edge) Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug), // handshake noise of scanners
	}
}
