package keyring

// HSMOptions say where an AES key of a PKCS#11 token is. It must be able to encrypt and decrypt with
// CKM_AES_GCM, and should not be extractable.
type HSMOptions struct {
	Module  string // path of the PKCS#11 library
	Token   string // label of the token
	Key     string // label of the key
	PINFile string
}
