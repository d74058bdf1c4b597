package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
	"sync"
	"testing"
)

// Ours is HMAC: for each hash, and for keys shorter than a block, as long, and longer.
func TestKeyedIsHMAC(t *testing.T) {
	for name, of := range map[string]func() hash.Hash{"sha-256": sha256.New, "sha-384": sha512.New384, "sha-512": sha512.New} {
		t.Run(name, func(t *testing.T) {
			k := NewKeyed(of)
			var wg sync.WaitGroup
			for n := range 300 {
				wg.Go(func() {
					secret, message := strings.Repeat("k", n)+fmt.Sprint(n), []byte(strings.Repeat("m", n*3))
					m := hmac.New(of, []byte(secret))
					m.Write(message)
					tag, key := m.Sum(nil), k.Key(secret)
					if !k.Equal(key, tag, message) {
						t.Errorf("a key of %d bytes: another MAC", len(secret))
					}
					tag[n%len(tag)] ^= 1
					if k.Equal(key, tag, message) || k.Equal(key, tag[:16], message) || k.Equal(key, nil, message) {
						t.Errorf("a key of %d bytes: a wrong MAC holds", len(secret))
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestAKeyedKeyIsNotPrinted(t *testing.T) {
	key := NewKeyed(sha256.New).Key("hunter2")
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(form, key); strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", form, got)
		}
	}
}
