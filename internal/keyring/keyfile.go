package keyring

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// Why a root key file is refused. The errors that come back wrap one of these and name the path and the
// fix, ready to be shown to the operator as they are.
var (
	ErrKeyMissing  = errors.New("keyring: no root key file")
	ErrKeyExists   = errors.New("keyring: root key file exists already")
	ErrKeyReadable = errors.New("keyring: root key file is open to others")
	ErrKeyFolder   = errors.New("keyring: folder of the root key file is writable by everyone")
	ErrKeyLink     = errors.New("keyring: root key file is not a plain file")
	ErrKeyOwner    = errors.New("keyring: root key file belongs to someone else")
	ErrKeySize     = errors.New("keyring: root key file has the wrong size")
	ErrKeyForeign  = errors.New("keyring: this root key does not open this database")
)

// refusal is a key file error: the sentinel for errors.Is, the path, and what to do about it.
type refusal struct {
	why  error
	path string
	fix  string
}

func (r *refusal) Error() string { return fmt.Sprintf("%v: %s: %s", r.why, r.path, r.fix) }
func (r *refusal) Unwrap() error { return r.why }

// CreateKeyFile writes 32 random bytes to path, mode 0600. It never replaces a file: an overwritten root
// key is a lost database.
func CreateKeyFile(path string) error {
	return createKeyFile(path, Random(rootSize))
}

func createKeyFile(path string, content []byte) error {
	if err := checkFolder(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &refusal{ErrKeyExists, path, "use it as it is, or choose another path; replacing it makes the database that it belongs to unreadable for ever"}
	}
	if err != nil {
		return fmt.Errorf("keyring: create root key file: %w", err)
	}
	_, err = f.Write(content)
	// Synced with its folder before anyone wraps a root with it: a power cut must not leave a database
	// whose key was only ever in the page cache.
	err = errors.Join(err, f.Sync(), f.Close(), syncFolder(path))
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("keyring: write root key file: %w", err)
	}
	return nil
}

// OpenKeyFile reads the root key file and gives the KEK made of it. groupReadable is the operator's
// configured word that the group may read the file too (a key mounted by an orchestrator often is).
func OpenKeyFile(path string, groupReadable bool) (KEK, error) {
	key, err := readKeyFile(path, groupReadable, rootSize)
	if err != nil {
		return nil, err
	}
	kek, err := newFileKEK([rootSize]byte(key))
	clear(key)
	return kek, err
}

// maxKeyFile bounds a file whose size is not given.
const maxKeyFile = 64 << 10

// readKeyFile reads a file of keys of this size (0: of any), which nobody else may read
// or replace.
func readKeyFile(path string, groupReadable bool, size int) ([]byte, error) {
	// The folder first: where everyone may write, everyone may swap the file between our checks.
	if err := checkFolder(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing(path)
	case errors.Is(err, syscall.ELOOP):
		return nil, &refusal{ErrKeyLink, path, "it is a symbolic link; configure the file that it points to" + target(path)}
	case errors.Is(err, fs.ErrPermission):
		return nil, &refusal{ErrKeyOwner, path, "this process may not read it; give it to the user that Keyward runs as: `chown <user> " + path + "`"}
	case err != nil:
		return nil, fmt.Errorf("keyring: open root key file: %w", err)
	}
	defer f.Close()
	// From here on everything is asked of the open file, not of the path.
	if err := checkFile(f, path, groupReadable, size); err != nil {
		return nil, err
	}
	most := size
	if size == 0 {
		most = maxKeyFile
	}
	key := make([]byte, most+1)
	n, err := io.ReadFull(f, key)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("keyring: read key file: %w", err)
	}
	if size != 0 && n != size || n > most {
		return nil, wrongSize(path)
	}
	return key[:n], nil
}

func checkFile(f *os.File, path string, groupReadable bool, size int) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("keyring: stat root key file: %w", err)
	}
	mode := info.Mode()
	if !mode.IsRegular() {
		return &refusal{ErrKeyLink, path, "it is not a regular file; configure the path of the file that `keyward` made"}
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return &refusal{ErrKeyOwner, path, "it belongs to another user, who could change it at will; `chown` it to the user that Keyward runs as, or to root"}
	}
	forbidden := fs.FileMode(0o077)
	if groupReadable {
		forbidden = 0o037
	}
	if mode.Perm()&forbidden != 0 {
		fix := fmt.Sprintf("its mode is %04o; run `chmod 600 %s`", mode.Perm(), path)
		if mode.Perm()&forbidden == 0o040 {
			fix += ", or allow the group in the configuration if that is meant"
		}
		return &refusal{ErrKeyReadable, path, fix}
	}
	if size != 0 && info.Size() != int64(size) {
		return wrongSize(path)
	}
	return nil
}

// checkFolder refuses a folder in which everyone may write, sticky or not: whoever can write there can put
// the file there before us.
func checkFolder(path string) error {
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return &refusal{ErrKeyMissing, path, "its folder does not exist; run `mkdir -m 700 " + folder + "`, and restore the file from its backup if there is a database already"}
	}
	if err != nil {
		return fmt.Errorf("keyring: stat folder of root key file: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return &refusal{ErrKeyFolder, path, "anyone on this machine could swap it; run `chmod o-w " + folder + "` or move the file to a folder of its own"}
	}
	return nil
}

func missing(path string) error {
	return &refusal{ErrKeyMissing, path, "restore it from its backup; only for a new, empty database may a new one be made"}
}

func wrongSize(path string) error {
	return &refusal{ErrKeySize, path, fmt.Sprintf("it must hold exactly %d bytes as `keyward` wrote them; restore it from its backup", rootSize)}
}

// target names where a link leads, for the error text; nothing when that is not known.
func target(path string) string {
	to, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return " (" + to + ")"
}

func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fileKEK is AES-256-GCM under the bytes of the key file.
type fileKEK struct {
	redacted
	name string
	aead *subtle.AESGCM
}

func newFileKEK(key [rootSize]byte) (*fileKEK, error) {
	aead, err := subtle.NewAESGCM(key[:])
	if err != nil {
		return nil, fmt.Errorf("keyring: root key: %w", err)
	}
	// The file is told from others by a hash of its own: of 256 random bits it says nothing. Not by its
	// path, which may change.
	sum := Hash("keyward key file v1 " + string(key[:]))
	return &fileKEK{name: "file:" + hex.EncodeToString(sum[:8]), aead: aead}, nil
}

func (k *fileKEK) Name() string { return k.name }
func (k *fileKEK) Remote() bool { return false }
func (k *fileKEK) Wrap(_ context.Context, plain, purpose []byte) ([]byte, error) {
	return k.aead.Encrypt(plain, purpose)
}

func (k *fileKEK) Unwrap(_ context.Context, wrapped, purpose []byte) ([]byte, error) {
	return k.aead.Decrypt(wrapped, purpose)
}
