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

	Transport http.RoundTripper // to apps; nil is the usual one
}

// New wires the service.
func New(p Parts) *Service {
	return &Service{db: p.DB, log: p.Log, accounts: p.Accounts, sessions: p.Sessions, signin: p.SignIn, mint: p.Mint, life: p.Access, out: caller(p.Transport)}
}

// Issuer is who we are to clients (RFC 8414 §2).
func (s *Service) Issuer() string { return s.mint.Issuer() }

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
