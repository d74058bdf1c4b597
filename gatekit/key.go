package gatekit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// Key is the secret that a gate shares with one upstream. Each upstream has its own: with a common one, an upstream
// could make decisions for its neighbours. The zero Key signs nothing and verifies nothing.
type Key [32]byte

// Why a key file is refused. The error that comes back wraps one of these and names the path.
var (
	ErrKeyReadable = errors.New("gatekit: the key file is open to others; chmod 600 it")
	ErrKeyFile     = errors.New("gatekit: the key file is not one line with 32 bytes in base64")
)

// maxKeyFile: 44 characters and the end of a line, and a little more so that a wrong file is known as one.
const maxKeyFile = 64

// ReadKeyFile reads a key: the standard base64 of 32 bytes, with or without an end of line. It refuses a file that
// others than its owner and group can read, and one that others can write, who could put their own key there.
func ReadKeyFile(path string) (k Key, err error) {
	f, err := os.Open(path)
	if err != nil {
		return k, fmt.Errorf("gatekit: %w", err)
	}
	defer f.Close()
	// Asked of the open file, not of the path: what was judged is what is read.
	info, err := f.Stat()
	if err != nil {
		return k, fmt.Errorf("gatekit: %w", err)
	}
	if !info.Mode().IsRegular() {
		return k, fmt.Errorf("%w: %s", ErrKeyFile, path)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return k, fmt.Errorf("%w: %s", ErrKeyReadable, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return k, fmt.Errorf("gatekit: %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	raw, err := base64.StdEncoding.Strict().DecodeString(line)
	// The cause is left out: base64's error quotes what it read, and that is the key.
	if err != nil || len(raw) != len(k) || base64.StdEncoding.EncodeToString(raw) != line || Key(raw) == (Key{}) {
		return k, fmt.Errorf("%w: %s", ErrKeyFile, path)
	}
	return Key(raw), nil
}

// ID is the key's public name, the kid of its tokens: the first four bytes of its SHA-256 in hex. It tells two keys
// apart while one takes over from the other; it is no proof of anything.
func (k Key) ID() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:4])
}

// Format keeps the key out of whatever prints it: each verb prints its public name. It cannot help where fmt looks
// into a struct of somebody else with an unexported field of this type.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "gatekit.Key("+k.ID()+")") }

// LogValue does the same for slog.
func (k Key) LogValue() slog.Value { return slog.StringValue("gatekit.Key(" + k.ID() + ")") }

// MarshalText refuses: a key in a JSON answer or a dump of a configuration is a leaked key.
func (k Key) MarshalText() ([]byte, error) {
	return nil, errors.New("gatekit: a key is not written down")
}

// mac is HMAC-SHA256 under one key. Keyed states are kept: hashing the key in costs as much as hashing a token.
type mac struct {
	kid    string
	states sync.Pool // of *state
}

type state struct {
	hash hash.Hash
	buf  []byte // scratch: what goes to the hash through an interface would escape otherwise
	sum  [sha256.Size]byte
}

func newMAC(k Key) *mac {
	m := &mac{kid: k.ID()}
	m.states.New = func() any { return &state{hash: hmac.New(sha256.New, k[:])} }
	return m
}

// over is the tag of text, good until the state goes back to the pool.
func (s *state) over(text []byte) []byte {
	s.hash.Reset()
	s.hash.Write(text)
	return s.hash.Sum(s.sum[:0])
}
