package softkey

import (
	"bytes"
	"strings"
)

// Trick makes one answer wrong in one way. A server must refuse every one of
// them but CounterBack, which is a signal.
type Trick func(*answer)

// As picks the passkey of one user from several; it is no trick, and works
// wherever one does.
func As(handle []byte) Trick { return func(a *answer) { a.handle = handle } }

// Origin claims another page.
func Origin(origin string) Trick {
	return func(a *answer) { a.origin, a.lies = origin, true }
}

// LookAlike is the phishing page whose name merely begins with ours.
func LookAlike(a *answer) { a.origin, a.lies = a.origin+".evil.example", true }

// CrossOrigin asks from inside somebody else's page.
func CrossOrigin(a *answer) { a.crossOrigin = true }

// TopOrigin names the page around ours.
func TopOrigin(origin string) Trick {
	return func(a *answer) { a.crossOrigin, a.topOrigin = true, origin }
}

// WrongType swaps the two ceremonies.
func WrongType(a *answer) {
	if a.typ == "webauthn.get" {
		a.typ = "webauthn.create"
	} else {
		a.typ = "webauthn.get"
	}
}

// Challenge answers another challenge than the one that was asked.
func Challenge(challenge []byte) Trick { return func(a *answer) { a.challenge = encode(challenge) } }

// ChallengeTwice gives the challenge twice in the client data, ours last.
func ChallengeTwice(a *answer) {
	a.clientData = func(s string) string {
		return strings.Replace(s, `"challenge":`, `"challenge":"`+encode(random(56))+`","challenge":`, 1)
	}
}

// NoPresence leaves UP out.
func NoPresence(a *answer) { a.flags &^= flagUP }

// NoVerification leaves UV out: a found phone, or a security key without a PIN.
func NoVerification(a *answer) { a.flags &^= flagUV }

// FlipBackup changes BE (and BS with it) from what the authenticator said before.
func FlipBackup(a *answer) {
	if a.flags&flagBE != 0 {
		a.flags &^= flagBE | flagBS
	} else {
		a.flags |= flagBE | flagBS
	}
}

// BackedUpOnly sets BS without BE, which no authenticator may.
func BackedUpOnly(a *answer) { a.flags = a.flags&^flagBE | flagBS }

// CounterBack shows an old counter: perhaps a copy of the key is used.
func CounterBack(a *answer) { a.counter = func(uint32) uint32 { return 1 } }

// OtherRP signs for another relying party id.
func OtherRP(rpID string) Trick { return func(a *answer) { a.rpID = rpID } }

// BogusSignature flips a bit of the signature, where there is one.
func BogusSignature(a *answer) {
	a.signature = func(sig []byte) []byte {
		if len(sig) == 0 {
			return sig
		}
		sig = bytes.Clone(sig)
		sig[len(sig)-1] ^= 1
		return sig
	}
}

// NoSignature leaves it empty.
func NoSignature(a *answer) { a.signature = func([]byte) []byte { return nil } }

// NoUserHandle leaves out whose key it is.
func NoUserHandle(a *answer) { a.userHandle = func([]byte) []byte { return nil } }

// OtherUserHandle claims the key is another user's.
func OtherUserHandle(handle []byte) Trick {
	return func(a *answer) { a.userHandle = func([]byte) []byte { return handle } }
}

// NotDiscoverable tells that the key was not kept for discovery.
func NotDiscoverable(a *answer) { a.discovered = false }

// DuplicateName writes the format twice into the attestation object: two readers
// may see two different statements.
func DuplicateName(a *answer) {
	a.attestation = func(b []byte) []byte {
		// a3 63 "fmt" … becomes a4 63 "fmt" 64 "none" 63 "fmt" …
		b = bytes.Clone(b)
		b[0]++
		return append(append(b[:1:1], append([]byte{0x63}, "fmt\x64none"...)...), b[1:]...)
	}
}

// DuplicateKeyName writes the algorithm twice into the public key.
func DuplicateKeyName(a *answer) {
	a.authData = func(b []byte) []byte {
		at := 32 + 1 + 4 + 16
		at += 2 + int(b[at])<<8 + int(b[at+1])
		out := bytes.Clone(b)
		out[at]++ // one more pair: 3 => -7 again
		return append(out, 0x03, 0x26)
	}
}

// TrailingBytes adds a byte after the authenticator data, before it is signed.
func TrailingBytes(a *answer) {
	a.authData = func(b []byte) []byte { return append(b, 0) }
}

// TrailingObject adds a byte after the attestation object.
func TrailingObject(a *answer) {
	a.attestation = func(b []byte) []byte { return append(b, 0) }
}

// ShortAuthData cuts the authenticator data off.
func ShortAuthData(a *answer) {
	a.authData = func(b []byte) []byte { return b[:36] }
}

// Huge makes the body ten megabytes, with a member the server does not read.
func Huge(a *answer) {
	a.body = func(b []byte) []byte {
		return append([]byte(`{"padding":"`+strings.Repeat("A", 10<<20)+`",`), b[1:]...)
	}
}

// UnknownMember adds members that a later browser might send. Not wrong at all.
func UnknownMember(a *answer) {
	a.body = func(b []byte) []byte { return append([]byte(`{"futureMember":{"a":[1,2]},`), b[1:]...) }
	a.clientData = func(s string) string {
		return strings.TrimSuffix(s, "}") + `,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template"}`
	}
}

// TrailingJSON adds a second value after the credential.
func TrailingJSON(a *answer) {
	a.body = func(b []byte) []byte { return append(b, ` {}`...) }
}

// Unlisted answers with a key that allowCredentials does not name.
func Unlisted(a *answer) { a.unlisted = true }

// CredentialID claims a credential id that another authenticator made. Without
// attestation nothing in a registration is signed, so this looks perfect.
func CredentialID(id []byte) Trick { return func(a *answer) { a.id = id } }
