package account

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// ID names an account: "acc_…".
type ID string

// Status says what the account as a whole may do.
type Status string

// The statuses. Stored, so never renamed.
const (
	Active     Status = "active"
	Frozen     Status = "frozen"     // by its owner or by risk: keys exit only, money pauses
	Restricted Status = "restricted" // after a recovery: fewer powers for a while
	Closed     Status = "closed"     // for good; no function leads out of it
)

// Account is one customer of the exchange.
type Account struct {
	ID           ID
	ExternalID   string // the exchange's own id, unique, may be empty
	Status       Status
	Brand        string // a label on pages and mails, never a boundary
	Jurisdiction string
	Lang         string
	Epoch        int64 // grows with every "end everything"
	Freezes      int64 // that ended, so that a mailed link freezes at most once
	Version      int64 // grows with every change; caches ignore lower ones
	CreatedAt    time.Time
	Handle       []byte // WebAuthn user handle: 32 random bytes, never the id (WebAuthn L3 §14.6.1)
	Phrase       string // anti-phishing phrase shown in genuine mails
}

// NewAccount is what a sign-up or the exchange's API brings.
type NewAccount struct {
	ExternalID, Mail, Lang, Brand, Jurisdiction string

	// Handle is the WebAuthn user handle a sign-up has already put into the
	// authenticator. Nil: made here.
	Handle []byte
}

var (
	// ErrUnknown: no such account.
	ErrUnknown = edge.E("account_unknown")
	// ErrClosed: the account is closed and stays so.
	ErrClosed = edge.E("account_closed")
	// ErrExternalTaken: another account has this external id.
	ErrExternalTaken = edge.E("external_id_taken")
	// ErrHandleTaken: an account was made from this sign-up before.
	ErrHandleTaken = edge.E("challenge_spent")
	// ErrInvalid: a field of the request cannot be stored as it is.
	ErrInvalid = edge.E("bad_request")
)

// Service is the one owner of account_* tables. It keeps no state of its own.
type Service struct {
	log  *audit.Log
	ring *keyring.Ring
	link *keyring.MAC
}

// NewReader is the service of a process that has no root and only looks: a gate. It asks
// for states and holds; whatever needs a key of ours has none there.
func NewReader() *Service { return &Service{} }

// New wires the service.
func New(log *audit.Log, ring *keyring.Ring) *Service {
	return &Service{log: log, ring: ring, link: ring.MAC(linkKey)}
}

// Create inserts an account and, when a mail address is given, an unverified
// contact. Rows only.
//
// A taken mail address makes no difference here: unverified addresses are not
// unique, so sign-up runs the same statements whether or not somebody has the
// address, and nobody can ask us who our customers are (DESIGN §3, uniform
// answers). What mail is sent is decided later, by notify.
func (s *Service) Create(tx *store.Tx, n NewAccount) (Account, error) {
	n, err := n.clean()
	if err != nil {
		return Account{}, err
	}
	a := Account{
		ID: ID(keyring.NewID("acc_", tx.Now)), ExternalID: n.ExternalID, Status: Active,
		Brand: n.Brand, Jurisdiction: n.Jurisdiction, Lang: n.Lang,
		Epoch: 1, Version: 1, CreatedAt: store.Time(store.Micros(tx.Now)), Handle: n.Handle,
	}
	if a.Handle == nil {
		a.Handle = keyring.Random(HandleLen)
	}
	rows, err := tx.Exec(sqlInsert, a.ID, orNull(a.ExternalID), a.Status, a.Brand, a.Jurisdiction, a.Lang,
		store.Micros(tx.Now), a.Handle)
	if err != nil {
		return Account{}, err
	}
	if rows == 0 {
		return Account{}, s.whyNotCreated(tx, a)
	}
	if n.Mail != "" {
		if _, err := s.insertContact(tx, a.ID, n.Mail); err != nil {
			return Account{}, err
		}
	}
	return a, nil
}

func (s *Service) whyNotCreated(tx *store.Tx, a Account) error {
	if a.ExternalID != "" {
		switch _, err := s.ByExternal(tx, a.ExternalID); {
		case err == nil:
			return ErrExternalTaken
		case !errors.Is(err, ErrUnknown):
			return err
		}
	}
	return ErrHandleTaken
}

// ByID finds an account, whatever its status.
func (s *Service) ByID(tx *store.Tx, id ID) (Account, error) {
	return scan(tx.Row(sqlByID, id))
}

// ByExternal finds an account by the exchange's own id.
func (s *Service) ByExternal(tx *store.Tx, externalID string) (Account, error) {
	if externalID == "" || !plain(externalID) {
		return Account{}, ErrUnknown
	}
	return scan(tx.Row(sqlByExternal, externalID))
}

// ByMail finds the account that has verified this address. Unverified claims
// are never found: whoever types somebody's address must not stand in for them.
func (s *Service) ByMail(tx *store.Tx, mail string) (Account, error) {
	value, err := NormalizeMail(mail)
	if err != nil {
		return Account{}, ErrUnknown
	}
	return scan(tx.Row(sqlByMail, value))
}

// ByHandle finds an account by its WebAuthn user handle.
func (s *Service) ByHandle(tx *store.Tx, handle []byte) (Account, error) {
	if len(handle) != HandleLen {
		return Account{}, ErrUnknown
	}
	return scan(tx.Row(sqlByHandle, handle))
}

// Effect is the account as it stands after this transaction's changes, for the
// event the calling flow appends.
func (s *Service) Effect(tx *store.Tx, id ID) (audit.Effect, error) {
	a, err := s.ByID(tx, id)
	return audit.Effect{Kind: "account", ID: string(id), Version: a.Version}, err
}

// BumpEpoch ends everything of the account in one write. Rows only.
func (s *Service) BumpEpoch(tx *store.Tx, id ID) (epoch int64, err error) {
	err = tx.Row(sqlBumpEpoch, id).Scan(&epoch)
	return epoch, orUnknown(err)
}

// SetStatus changes the status and returns the new version. Closing is for
// good. Leaving a freeze counts it, in the same statement. Rows only.
func (s *Service) SetStatus(tx *store.Tx, id ID, status Status) (version int64, err error) {
	switch status {
	case Active, Frozen, Restricted, Closed:
	default:
		return 0, ErrInvalid.Because(errors.New("unknown status " + string(status)))
	}
	return s.change(tx, id, sqlSetStatus, status)
}

// SetLang changes the language of pages and mails. Rows only.
func (s *Service) SetLang(tx *store.Tx, id ID, lang string) (version int64, err error) {
	if !label(lang) {
		return 0, ErrInvalid.At("lang", "must be a short language code")
	}
	return s.change(tx, id, sqlSetLang, lang)
}

// SetPhrase changes the anti-phishing phrase. Rows only.
func (s *Service) SetPhrase(tx *store.Tx, id ID, phrase string) (version int64, err error) {
	phrase = strings.TrimSpace(phrase)
	if utf8.RuneCountInString(phrase) > maxPhrase || !plain(phrase) {
		return 0, ErrInvalid.At("phrase", "is too long or has characters that cannot be shown")
	}
	return s.change(tx, id, sqlSetPhrase, phrase)
}

// change runs one conditional UPDATE that bumps the version of an account that
// is not closed.
func (s *Service) change(tx *store.Tx, id ID, q string, value any) (version int64, err error) {
	err = tx.Row(q, id, value).Scan(&version)
	if errors.Is(err, store.ErrNoRows) {
		return 0, s.whyNot(tx, id)
	}
	return version, err
}

// whyNot names the reason after a conditional UPDATE found no row.
func (s *Service) whyNot(tx *store.Tx, id ID) error {
	if _, err := s.ByID(tx, id); err != nil {
		return err
	}
	return ErrClosed
}

// Erase empties every personal column and leaves a closed row behind, so that
// events and keys that point at the account still point at something. Rows only.
func (s *Service) Erase(tx *store.Tx, id ID) error {
	rows, err := tx.Exec(sqlErase, id)
	if err != nil {
		return err
	}
	if rows == 0 {
		return ErrUnknown
	}
	if _, err = tx.Exec(sqlEraseContacts, id); err != nil {
		return err
	}
	_, err = tx.Exec(sqlEraseHolds, id) // the row stays for its end, the reason is personal
	return err
}

func scan(r *store.Row) (Account, error) {
	var (
		a       Account
		created int64
	)
	err := r.Scan(&a.ID, &a.ExternalID, &a.Status, &a.Brand, &a.Jurisdiction, &a.Lang, &a.Epoch, &a.Freezes, &a.Version, &created, &a.Handle, &a.Phrase)
	if err != nil {
		return Account{}, orUnknown(err)
	}
	a.CreatedAt = store.Time(created)
	return a, nil
}

// clean trims and checks what a stranger may have typed.
func (n NewAccount) clean() (NewAccount, error) {
	n.ExternalID = strings.TrimSpace(n.ExternalID)
	if n.Handle != nil && len(n.Handle) != HandleLen {
		return n, ErrInvalid.Because(errors.New("a user handle of another length"))
	}
	if len(n.ExternalID) > maxExternalID || !plain(n.ExternalID) {
		return n, ErrInvalid.At("external_id", "must be at most 128 bytes without control characters")
	}
	for field, value := range map[string]string{"lang": n.Lang, "brand": n.Brand, "jurisdiction": n.Jurisdiction} {
		if !label(value) {
			return n, ErrInvalid.At(field, "must be at most 32 letters, digits, dots, dashes or underscores")
		}
	}
	if n.Mail != "" {
		value, err := NormalizeMail(n.Mail)
		if err != nil {
			return n, err
		}
		n.Mail = value
	}
	return n, nil
}

// label holds for the short machine words beside an account.
func label(s string) bool {
	return len(s) <= maxLabel && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}) < 0
}

// plain holds for text that can be stored and shown: UTF-8 without control
// characters (PostgreSQL refuses NUL, SQLite would store it; both refuse here)
// and without the marks that turn the direction of the text around them.
func plain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	}) < 0
}

func orUnknown(err error) error {
	if errors.Is(err, store.ErrNoRows) {
		return ErrUnknown
	}
	return err
}

// orNull stores the empty string as NULL, which no unique index counts.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
