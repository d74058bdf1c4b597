package notify

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/job"
	"keyward/internal/keyring"
	"keyward/internal/lang"
	"keyward/internal/place"
	"keyward/internal/store"
)

// JobKind is the kind of the jobs that [Service.Deliver] handles.
const JobKind = "notify.mail"

// follower is the name of our place in the log. A second channel would be a second one.
const follower = "mail"

// Parts are what notify joins. All but Places and Kick are required.
type Parts struct {
	DB       *store.DB
	Log      *audit.Log
	Ring     *keyring.Ring
	Accounts *account.Service
	Mailer   Mailer
	Places   *place.File // nil: every place is unknown
	Kick     func()      // wakes the job runner after a commit; it must not block
}

// Config is what the operator says about mails.
type Config struct {
	Origin string // "https://login.exchange.example": where links lead, and what people type
	Brand  string // how the exchange calls itself

	// Brands names the brands of accounts that have one: label → name.
	Brands map[string]string
}

// Paths of the pages that links open. Opening one changes nothing, because mail
// scanners open links too; the button on the page does.
const (
	verifyPath = "/mail/verify?t="
	freezePath = "/freeze/link?t="
)

// Service follows the log and sends mail. It keeps no state beside the database.
type Service struct {
	Parts
	cfg    Config
	origin string // without a slash at the end
	domain string // host, with the port when it is not the usual one
	addr   *keyring.MAC
}

// New wires the service.
func New(p Parts, cfg Config) (*Service, error) {
	if p.DB == nil || p.Log == nil || p.Ring == nil || p.Accounts == nil || p.Mailer == nil {
		return nil, errors.New("notify: a part is missing")
	}
	if cfg.Brand == "" {
		return nil, errors.New("notify: mails need the name of the exchange")
	}
	u, err := url.Parse(cfg.Origin)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("notify: %q is not an origin", cfg.Origin)
	}
	if p.Kick == nil {
		p.Kick = func() {}
	}
	return &Service{
		Parts: p, cfg: cfg, origin: u.Scheme + "://" + u.Host, domain: u.Host,
		// Addresses are counted under a MAC: a plain hash of an address is found by
		// trying the few billion addresses there are.
		addr: p.Ring.MAC("notify/address"),
	}, nil
}

func (s *Service) verifyLink(c account.Contact, now time.Time) string {
	return s.origin + verifyPath + s.Accounts.VerifyToken(c.ID, now)
}

func (s *Service) freezeLink(a account.Account, now time.Time) string {
	return s.origin + freezePath + s.Accounts.FreezeToken(a, now)
}

// messageID is stable for one mail, so that a mail sent again after a crash is
// the same mail to every reader that can tell (RFC 5322 §3.6.4).
func (s *Service) messageID(mailID string) string {
	host, _, _ := strings.Cut(s.domain, ":")
	return strings.ReplaceAll(mailID, "/", ".") + ".mail@" + host
}

func (s *Service) brand(a account.Account) string {
	if name := s.cfg.Brands[a.Brand]; name != "" {
		return name
	}
	return s.cfg.Brand
}

func langOf(a account.Account) string {
	if a.Lang == lang.KO || strings.HasPrefix(a.Lang, "ko-") {
		return lang.KO
	}
	return lang.EN
}

// order is the payload of a mail job: which mail, never what it says.
type order struct {
	ID      string `json:"id"` // event/contact
	Event   string `json:"event,omitempty"`
	Kind    Kind   `json:"kind"`
	Account string `json:"account,omitempty"`
	Contact string `json:"contact,omitempty"`

	Ask *ask `json:"ask,omitempty"` // asked for on a page instead of told by an event
}

// enqueue adds the job of one mail. The key makes a second one of the same mail
// impossible whoever asks for it. nth is its place among the mails of this
// transaction: due a microsecond apart, they are taken in the order of the log.
func enqueue(tx *store.Tx, o order, nth int) error {
	at := tx.Now.Add(time.Duration(nth) * time.Microsecond)
	return job.Enqueue(tx, JobKind, o, at, job.Key(JobKind+"/"+o.ID))
}
