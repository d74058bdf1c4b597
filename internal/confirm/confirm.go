package confirm

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"keyward/executor"
	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

var (
	// ErrUnknown: no such intent of this account or this back end; another's looks the same.
	ErrUnknown = edge.E("intent_unknown")
	// ErrDecided: it was approved or refused before.
	ErrDecided = edge.E("intent_decided")
	// ErrExpired: its seconds are over.
	ErrExpired = edge.E("intent_expired")
	// ErrVoid: its row is not what was stored.
	ErrVoid = edge.E("intent_void")
	// ErrWaiting: so many wait already that another one would only tire the owner.
	ErrWaiting = edge.E("intents_waiting")
	// ErrNotEnough: the touch would be good, and is not enough for this; "needs" says what is.
	ErrNotEnough = edge.E("confirmation_not_enough")
	// ErrWithdrawn: it was approved, and what it was approved with has been removed or ended since.
	ErrWithdrawn = edge.E("approval_withdrawn")
	// ErrPower: this sign-in cannot approve money, and a touch does not change that.
	ErrPower = edge.E("insufficient_power")
	// ErrFrozen, ErrRestricted, ErrHeld, ErrClosed: no money leaves this account now.
	ErrFrozen     = edge.E("account_frozen")
	ErrRestricted = edge.E("account_restricted")
	ErrHeld       = edge.E("held")
	ErrClosed     = edge.E("account_closed")

	errBad     = edge.E("bad_request")
	errLimited = edge.E("rate_limited") // of new addresses
)

// State is how far an intent is.
type State string

// The states. Stored, so never renamed.
const (
	Pending  State = "pending"
	Approved State = "approved"
	Refused  State = "refused"
	Expired  State = "expired"
)

// Intent is a withdrawal that waits for its owner, or was decided.
type Intent struct {
	executor.Intent
	Client    string // the back end
	State     State
	CreatedAt time.Time
	ExpiresAt time.Time
	Session   session.ID // where it was asked from; "" when nobody said
	Device    device.ID

	DecidedAt time.Time // zero: not yet
	DecidedIn session.ID
	Key       device.KeyID
	Grade     device.Grade
	Rule      string
	Version   int64

	To Address // what is known of where it goes

	seal     []byte
	evidence string
}

// Address is one of those that an account pays to.
type Address struct {
	FirstAt   time.Time
	HoldUntil time.Time
	Uses      int64 // approved withdrawals
	UsedAt    time.Time
}

// Limit is what an operator says about one asset. It counts for one withdrawal and for those of a day together.
type Limit struct {
	Small             *big.Rat // any passkey is enough up to this, to an address past its hold; nil: nothing is small
	SecondDeviceAbove *big.Rat // above this only a second device is; nil: nothing is above
}

// Settings are the operator's.
type Settings struct {
	AddressHold time.Duration
	Limits      map[string]Limit // by asset
}

// Service is the one owner of confirm_* tables.
type Service struct {
	Parts
	set   Settings
	seal  *keyring.MAC
	nonce *keyring.MAC
}

// Parts are what confirm joins. All are required.
type Parts struct {
	DB       *store.DB
	Ring     *keyring.Ring
	Log      *audit.Log
	Accounts *account.Service
	Devices  *device.Service
	Sessions *session.Service
	Mint     *session.Mint
}

// New wires the service.
func New(p Parts, set Settings) (*Service, error) {
	if set.AddressHold == 0 {
		set.AddressHold = AddressHold
	}
	if set.AddressHold < AddressHold {
		return nil, fmt.Errorf("confirm: an address waits %v at least", AddressHold)
	}
	return &Service{p, set, p.Ring.MAC("confirm/seal"), p.Ring.MAC("confirm/nonce")}, nil
}

// challenge is what the owner's key signs, and the nonce in it. Nothing of it is in any row: the nonce comes from the
// fields and a key of the server, so a copy of the database foretells no challenge.
func (s *Service) challenge(i Intent) ([32]byte, [executor.NonceSize]byte) {
	form := i.CBOR()
	nonce := s.nonce.Sum(nil, form)
	return executor.Challenge(form, nonce), nonce
}

// allowed refuses while no money leaves the account. Frozen is a status and held is a time: either is enough.
func (s *Service) allowed(tx *store.Tx, id account.ID) error {
	a, err := s.Accounts.ByID(tx, id)
	if err != nil {
		return err
	}
	switch a.Status {
	case account.Active:
	case account.Frozen:
		return ErrFrozen
	case account.Closed:
		return ErrClosed
	default:
		return ErrRestricted
	}
	h, held, err := s.Accounts.Held(tx, id, account.HoldWithdraw)
	if err == nil && held {
		err = ErrHeld.With("until", h.Until.UTC().Format(time.RFC3339)).With("because", h.Because)
	}
	return err
}

// open reads an intent that may still be decided.
func (s *Service) open(tx *store.Tx, acc account.ID, id string) (Intent, error) {
	i, err := s.ByID(tx, acc, id)
	switch {
	case err != nil:
		return i, err
	case i.State == Expired:
		return i, ErrExpired
	case i.State != Pending:
		return i, ErrDecided.With("state", string(i.State))
	}
	return i, nil
}

// ByID is one intent of an account, in whatever state.
func (s *Service) ByID(tx *store.Tx, acc account.ID, id string) (Intent, error) {
	return s.found(tx, tx.Row(sqlIntent, id, string(acc)))
}

// Waiting lists what waits for the owner, the newest last.
func (s *Service) Waiting(tx *store.Tx, acc account.ID) ([]Intent, error) {
	rows, err := tx.Rows(sqlWaiting, string(acc), store.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Intent
	for rows.Next() {
		i, err := scan(rows, tx.Now)
		if err != nil {
			return nil, err
		}
		if s.sealed(i) {
			out = append(out, i)
		}
	}
	return out, rows.Err()
}

func (s *Service) found(tx *store.Tx, row interface{ Scan(...any) error }) (Intent, error) {
	i, err := scan(row, tx.Now)
	if errors.Is(err, store.ErrNoRows) {
		return i, ErrUnknown
	}
	if err == nil && !s.sealed(i) {
		return i, ErrVoid.Because(fmt.Errorf("the row of %s is not what was stored", i.ID))
	}
	return i, err
}

// sealed: who can write into the database can otherwise put their own address into a withdrawal that the owner is
// about to read on a page of ours.
func (s *Service) sealed(i Intent) bool {
	return s.seal.Equal(i.seal, i.CBOR(), []byte(i.Client), []byte(i.Session), []byte(i.Device))
}

func scan(r interface{ Scan(...any) error }, now time.Time) (Intent, error) {
	var i Intent
	var decided, first, hold, used int64
	var created, expires int64
	err := r.Scan(&i.ID, &i.Account, &i.Client, &i.Asset, &i.Network, &i.Amount, &i.MaxFee, &i.Address, &i.Memo, &created, &expires,
		(*string)(&i.Session), (*string)(&i.Device), &i.seal, (*string)(&i.State), &decided, (*string)(&i.DecidedIn), (*string)(&i.Key), (*string)(&i.Grade),
		&i.Rule, &i.evidence, &i.Version, &first, &hold, &i.To.Uses, &used)
	if err != nil {
		return Intent{}, err
	}
	i.seal = append([]byte(nil), i.seal...)
	i.CreatedAt, i.ExpiresAt, i.DecidedAt = store.Time(created), store.Time(expires), store.Time(decided)
	i.Created, i.Expires = i.CreatedAt.Unix(), i.ExpiresAt.Unix()
	i.To.FirstAt, i.To.HoldUntil, i.To.UsedAt = store.Time(first), store.Time(hold), store.Time(used)
	if i.State == Pending && !now.Before(i.ExpiresAt) {
		i.State = Expired
	}
	return i, nil
}

// Erase empties what is personal, and refuses what still waits. Rows only; wire it to contain.AlsoErase.
func (s *Service) Erase(tx *store.Tx, acc account.ID) error {
	if _, err := tx.Exec(sqlEraseIntents, string(acc), store.Micros(tx.Now)); err != nil {
		return err
	}
	_, err := tx.Exec(sqlEraseAddresses, string(acc))
	return err
}
