package keyring

import (
	"context"
	"errors"
	"time"
)

// KEK wraps the root secret with a key that lives outside the database: the root key file, a key of a vault
// or one of an HSM. It authenticates purpose, so that what was wrapped for one thing opens as nothing else.
type KEK interface {
	// Name says which key this is. It is no secret: it stands in the database, in the log and in errors.
	Name() string
	// Remote reports whether the key can be out of reach. What it opened is then vouched for by [Ring.Contact].
	Remote() bool
	Wrap(ctx context.Context, plain, purpose []byte) ([]byte, error)
	// Unwrap is the other way round. An error that is neither ErrKEKUnavailable nor ErrKEKRefused means
	// that this is not what this key wrapped for this purpose.
	Unwrap(ctx context.Context, wrapped, purpose []byte) ([]byte, error)
}

// Why a KEK is of no use. The errors that come back wrap one of these and say what to do about it; none
// carries a word that a vault or an HSM answered, because what they say is not ours to trust.
var (
	ErrKEKOther       = errors.New("keyring: the root of this database is wrapped by another key")
	ErrKEKUnavailable = errors.New("keyring: the key that wraps the root cannot be reached")
	ErrKEKRefused     = errors.New("keyring: the key that wraps the root is refused to us")
	ErrKEKUnbound     = errors.New("keyring: this key does not bind what it wraps to its purpose")
	ErrKEKSettings    = errors.New("keyring: the key that wraps the root cannot be used as it is configured")
	ErrNoPKCS11       = errors.New("keyring: this binary was built without PKCS#11")
)

// What a Ring refuses while its KEK is away.
var (
	// ErrNothingNew: the KEK did not answer the last time it was asked. What was opened before works on.
	ErrNothingNew = errors.New("keyring: the key that wraps the root is out of reach: nothing new is sealed until it is back")
	// ErrShut: it did not answer for KEKGrace. A key that somebody switched off must stop what it opened.
	ErrShut = errors.New("keyring: the key that wraps the root has been out of reach for too long: what it opened is shut until it is back")
)

const (
	// KEKGrace is how long what a remote KEK opened works on without it. Long enough for a vault that is
	// restarted and unsealed by people, short enough that switching the key off stops an intruder.
	KEKGrace = 15 * time.Minute

	// KEKEvery is how often a remote KEK is asked whether it still opens what it wrapped.
	KEKEvery = 30 * time.Second

	// kekTimeout bounds one operation of a remote KEK, with what it takes to log in.
	kekTimeout = 5 * time.Second
)
