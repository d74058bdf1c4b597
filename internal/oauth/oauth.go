package oauth

import (
	"context"
	"net/http"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// Service decides for apps.
type Service struct {
	db       *store.DB
	log      *audit.Log
	accounts *account.Service
	sessions *session.Service
	signin   *signin.Service
	mint     *session.Mint
	life     time.Duration // of access tokens
	out      *http.Client  // to apps
	fresh    func() bool
	gates    Gates
	clients  clientMemory
	powers   map[string]power
}

// Gates tells when every process that answers from memory has heard of a commit.
type Gates interface {
	WaitGates(ctx context.Context, since time.Time) (audit.Reach, error)
}

// Parts are what the service is made of.
type Parts struct {
	DB       *store.DB
	Log      *audit.Log
	Accounts *account.Service
	Sessions *session.Service
	SignIn   *signin.Service
	Mint     *session.Mint
	Access   time.Duration // life of access tokens, 1–60 min

	Rules map[string]Rule // by scope: what the operator demands beyond the defaults

	Transport http.RoundTripper // to apps; nil is the usual one

	// Fresh says whether this process may answer from memory now (audit.Watch.Valid;
	// wire Heard as well). nil: it never does, and the database is read each time.
	Fresh func() bool
	Gates Gates // nil: nobody answers from memory
}

// New wires the service.
func New(p Parts) *Service {
	return &Service{db: p.DB, log: p.Log, accounts: p.Accounts, sessions: p.Sessions, signin: p.SignIn, mint: p.Mint, life: p.Access, fresh: p.Fresh, gates: p.Gates, out: caller(p.Transport), powers: raised(p.Rules)}
}

// Issuer is who we are to clients (RFC 8414 §2).
func (s *Service) Issuer() string { return s.mint.Issuer() }

// gatePatience bounds the wait for the gates, which takes 700 ms at most.
const gatePatience = 5 * time.Second

// Told waits until every process obeys a change of apps that was just committed: for
// callers whose transaction it was.
func (s *Service) Told(ctx context.Context) error { return s.told(ctx) }

// told waits until what was just committed is obeyed everywhere: a revocation that was
// acknowledged is refused (DESIGN §7). A closed connection does not cut it short.
func (s *Service) told(ctx context.Context) error {
	if s.gates == nil {
		return nil
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatePatience)
	defer cancel()
	_, err := s.gates.WaitGates(after, s.db.Now())
	return err
}

// Sweep forgets codes that cannot be used, nor used against us, any more, and
// requests that nobody answered. All of them: anybody can make a request.
func (s *Service) Sweep(ctx context.Context) error {
	for _, part := range []struct {
		query string
		kept  time.Duration
	}{{sqlSweepCode, codeKept}, {sqlSweepAsk, 0}} {
		for n := int64(sweepPart); n == sweepPart; {
			err := s.db.Housekeeping(ctx, func(tx *store.Tx) (err error) {
				n, err = tx.Exec(part.query, store.Micros(tx.Now.Add(-part.kept)))
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepPart: rows deleted in one transaction; the LIMIT of the statements.
const sweepPart = 1000
