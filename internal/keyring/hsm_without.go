//go:build !pkcs11

package keyring

import "fmt"

// OpenHSM is refused: PKCS#11 is a C interface, and this binary has no C in it.
func OpenHSM(HSMOptions) (KEK, error) {
	return nil, fmt.Errorf("%w: run the one that was built with `CGO_ENABLED=1 go build -tags pkcs11 ./cmd/keyward` (make build-pkcs11), or choose another kek.kind", ErrNoPKCS11)
}
