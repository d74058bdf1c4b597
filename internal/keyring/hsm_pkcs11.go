//go:build pkcs11

package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"
)

// hsm is a KEK that never leaves a token.
type hsm struct {
	redacted
	o HSMOptions

	turn  sync.Mutex        // guards token: one operation at a time is plenty
	token *crypto11.Context // nil until somebody asks, and again after a failure: a token that was away lost our sessions
	wrong string            // a PIN that the token refused, and that is not tried again
}

// OpenHSM reads no file and asks nobody yet.
func OpenHSM(o HSMOptions) (KEK, error) { return &hsm{o: o}, nil }

// Name is token and label, not the library, which may be replaced.
func (h *hsm) Name() string { return "pkcs11:" + h.o.Token + "/" + h.o.Key }
func (h *hsm) Remote() bool { return true }

// gcmNonce is 96 random bits (SP 800-38D §8.2.2). A root is wrapped a few times in its life.
const gcmNonce = 12

func (h *hsm) Wrap(ctx context.Context, plain, purpose []byte) ([]byte, error) {
	nonce := Random(gcmNonce)
	out, err := h.use(ctx, func(k *crypto11.SecretKey) (_ []byte, err error) {
		aead, err := k.NewGCM()
		if err != nil {
			return nil, err
		}
		// Seal of an AEAD cannot fail, and this one can: it panics when the token does.
		defer func() {
			if recover() != nil {
				err = errToken
			}
		}()
		return aead.Seal(nil, nonce, plain, purpose), nil
	})
	if err != nil {
		return nil, err
	}
	return append(nonce, out...), nil
}

func (h *hsm) Unwrap(ctx context.Context, wrapped, purpose []byte) ([]byte, error) {
	if len(wrapped) < gcmNonce+16 {
		return nil, errHSMNotOpened
	}
	out, err := h.use(ctx, func(k *crypto11.SecretKey) ([]byte, error) {
		aead, err := k.NewGCM()
		if err != nil {
			return nil, err
		}
		out, err := aead.Open(nil, wrapped[:gcmNonce], wrapped[gcmNonce:], purpose)
		if err != nil {
			return nil, errHSMNotOpened
		}
		return out, nil
	})
	if !errors.Is(err, errHSMNotOpened) {
		return out, err
	}
	// Tokens say "failed" of a broken ciphertext and of themselves in many ways. What the token still can is
	// asked with something that must work.
	probe, err := h.Wrap(ctx, []byte(canaryText), nil)
	if err != nil {
		return nil, err
	}
	if string(probe) == string(wrapped) {
		return nil, h.away("gives twice the same")
	}
	return nil, errHSMNotOpened
}

var (
	errHSMNotOpened = errors.New("keyring: the token does not open this")
	errToken        = errors.New("keyring: the token failed")
)

func (h *hsm) away(what string) error {
	return fmt.Errorf("%w: %s %s: look at the HSM, its client and its log", ErrKEKUnavailable, h.Name(), what)
}

// use runs f with the key. The library has no notion of time: who waits longer than kekTimeout gets an
// error, and the call goes on behind it, holding the turn.
func (h *hsm) use(ctx context.Context, f func(*crypto11.SecretKey) ([]byte, error)) ([]byte, error) {
	type answer struct {
		out []byte
		err error
	}
	if !h.turn.TryLock() {
		return nil, h.away("is still busy with the call before")
	}
	done := make(chan answer, 1)
	go func() {
		out, err := h.locked(f)
		h.turn.Unlock() // before the answer: who has it may ask again at once
		done <- answer{out, err}
	}()
	timeout := time.NewTimer(kekTimeout)
	defer timeout.Stop()
	select {
	case a := <-done:
		return a.out, a.err
	case <-ctx.Done():
		return nil, h.away("did not answer in time")
	case <-timeout.C:
		return nil, h.away("did not answer in time")
	}
}

func (h *hsm) locked(f func(*crypto11.SecretKey) ([]byte, error)) ([]byte, error) {
	keys, err := h.search()
	if err == nil && len(keys) == 0 {
		// A token that was taken out and put back is found by a library that begins anew only.
		h.close()
		keys, err = h.search()
	}
	if err != nil {
		h.close()
		return nil, err
	}
	if len(keys) > 1 {
		return nil, fmt.Errorf("%w: the token %q has %d keys with the label %q: which of them wraps would be a guess; give each a label of its own", ErrKEKRefused, h.o.Token, len(keys), h.o.Key)
	}
	if len(keys) == 0 {
		h.close()
		return nil, fmt.Errorf("%w: the token %q has no secret key with the label %q: make an AES-256 key there that may encrypt and decrypt", ErrKEKRefused, h.o.Token, h.o.Key)
	}
	out, err := f(keys[0])
	if err != nil && !errors.Is(err, errHSMNotOpened) {
		h.close()
		return nil, h.away("fails")
	}
	return out, err
}

func (h *hsm) search() ([]*crypto11.SecretKey, error) {
	if h.token == nil {
		if err := h.open(); err != nil {
			return nil, err
		}
	}
	keys, err := h.token.FindKeys(nil, []byte(h.o.Key))
	if err != nil {
		return nil, h.away("cannot be searched")
	}
	return keys, nil
}

func (h *hsm) open() error {
	pin, err := readSecret("kek.pkcs11.pin_file", h.o.PINFile, true)
	if err != nil {
		return err
	}
	// Tokens lock themselves after a few wrong PINs, and what is asked twice a minute would be there soon.
	if pin == h.wrong {
		return h.wrongPIN()
	}
	h.token, err = crypto11.Configure(&crypto11.Config{Path: h.o.Module, TokenLabel: h.o.Token, Pin: pin, MaxSessions: 2, PoolWaitTimeout: kekTimeout, GCMIVLength: gcmNonce})
	if err != nil {
		h.token = nil
		if said := err.Error(); strings.Contains(said, "CKR_PIN_") {
			h.wrong = pin
			return h.wrongPIN()
		}
		// What libraries say may name anything; what is wrong is one of two.
		return fmt.Errorf("%w: %s: the library %s does not load, or there is no token %q", ErrKEKUnavailable, h.Name(), h.o.Module, h.o.Token)
	}
	return nil
}

// wrongPIN is for a person: a start that is tried again would lock the token.
func (h *hsm) wrongPIN() error {
	return fmt.Errorf("%w: the token %q refuses the PIN in kek.pkcs11.pin_file: it is wrong or locked; it is not tried again before the file changes", ErrKEKRefused, h.o.Token)
}

func (h *hsm) close() {
	if h.token != nil {
		_ = h.token.Close() // it failed before
		h.token = nil
	}
}
