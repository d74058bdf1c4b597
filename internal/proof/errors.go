package proof

import (
	"errors"

	"keyward/rs"
)

// ErrInvalid is behind every refusal but ErrNonce: OAuth answers it with invalid_dpop_proof. Texts are
// constants and repeat nothing of what was sent.
var ErrInvalid = errors.New("proof: not accepted")

// ErrNonce asks for the server's nonce: OAuth answers it with use_dpop_nonce and a fresh one (RFC 9449 §8).
var ErrNonce = errors.New("proof: a current nonce of this server is needed")

// ErrAbsent is an ErrInvalid that some doors allow: there is no proof.
var ErrAbsent error = refusal{&rs.Error{Text: "no DPoP header"}}

// ErrDeviceAbsent is an ErrInvalid that some doors allow: there is no such header.
var ErrDeviceAbsent = deviceError("no proof of a device's key")

// ErrDeviceSignature: a JWT of good form that another key signed.
var ErrDeviceSignature = deviceError("signed with another key")

// deviceError is why a device's JWT or header is not accepted, for the log.
type deviceError string

func (e deviceError) Error() string        { return "proof: " + string(e) }
func (e deviceError) Is(target error) bool { return target == ErrInvalid || target == error(e) }

// refusal is why a proof is not accepted, for the log.
type refusal struct{ why *rs.Error }

func (r refusal) Error() string        { return "proof: " + r.why.Text }
func (r refusal) Is(target error) bool { return target == ErrInvalid }

// refused says in our words what rs has found. Its status and most of its codes are those of a resource server;
// which of them a door of ours answers with is the door's to say.
func refused(err error) error {
	if err == nil {
		return nil
	}
	e := err.(*rs.Error)
	if e.Code == "use_dpop_nonce" { // RFC 9449 §8
		return ErrNonce
	}
	return refusal{e}
}
