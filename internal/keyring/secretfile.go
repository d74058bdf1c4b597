package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// maxSecretFile bounds what is read of a file with a token, a secret id, a PIN or the word of a service
// account (Kubernetes: some 1 KiB).
const maxSecretFile = 16 << 10

// readSecret reads one line of text from a file. What its errors say is its path and what to do, never what
// stands in it. guarded: whoever else can read it could be us.
//
// Links are followed: an orchestrator swaps what it mounts by moving one.
func readSecret(key, path string, guarded bool) (string, error) {
	bad := func(what, fix string) error {
		return fmt.Errorf("%w: %s: %s: %s: %s", ErrKEKSettings, key, path, what, fix)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", bad("there is no such file", "put it there, or name another one")
	case errors.Is(err, fs.ErrPermission):
		return "", bad("this process may not read it", "give it to the user that Keyward runs as")
	case err != nil:
		return "", bad("it cannot be opened", "name a plain file")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", bad("it is no plain file", "name a plain file")
	}
	if guarded && info.Mode().Perm()&0o007 != 0 {
		return "", bad(fmt.Sprintf("it is open to others (mode %04o)", info.Mode().Perm()), "run `chmod o= "+path+"`")
	}
	body, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", bad("it cannot be read", "look at the disk")
	}
	defer clear(body)
	text := strings.TrimRight(string(body), "\r\n")
	if text == "" || len(body) > maxSecretFile || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", bad("it does not hold one line of visible letters", "write it anew, without blanks")
	}
	return text, nil
}
