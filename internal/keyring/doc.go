// Package keyring owns every key and all randomness of Keyward.
//
// One root secret of 32 random bytes stands behind everything. It lies in the database wrapped by a key
// from outside it (a KEK: the root key file, a key of a vault or one of an HSM), so the database alone
// reveals nothing and the KEK alone opens nothing. All other keys are derived from the root by name or by
// number, or are wrapped by a key that is:
//
//	KEK (file, vault, HSM)
//	 └─ root secret                      store_meta "keyring.root", wrapped by the KEK
//	     ├─ Subkey(name), MAC(name)      HKDF-SHA256 by name, nothing stored
//	     ├─ RefreshKey(kid)              HKDF by number; the timetable is "keyring.refresh"
//	     ├─ Signer(), JWKS()             HKDF by number to P-256; the timetable is "keyring.signing"
//	     └─ Seal, Open                   an AES-256-GCM keyset, "keyring.seal"
//
// Keys that rotate exist as previous, current and next. The next one is always known to every process
// before anyone uses it, so a rotation in one process never makes another refuse; Reload (or Follow) is
// how the others learn that it happened.
//
// A KEK that is elsewhere can go away, or be taken away. Contact asks for it; while it is away nothing new is
// sealed, and after KEKGrace the ring is shut. The root is never kept unwrapped, and nothing falls back to
// another key.
//
// The package never decides who may do what, never logs, and never puts a secret into an error, a String
// or a log value. It is the only package that reads crypto/rand, so a reviewer of randomness reads one
// folder.
package keyring
