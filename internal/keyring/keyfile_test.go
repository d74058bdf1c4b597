package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyward/internal/keyring"
)

// good lays down a key file and gives its path.
func good(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "root.key")
	if err := keyring.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func chmod(mode os.FileMode) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func TestOpenKeyFile(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string) string
		group bool // the group is allowed by configuration
		want  error
		fix   string // must stand in the text
	}{
		{name: "as it was created", spoil: chmod(0o600)},
		{name: "read-only for its owner", spoil: chmod(0o400)},
		{name: "readable by the group, which is configured", spoil: chmod(0o640), group: true},
		{name: "readable by the group, which is not configured", spoil: chmod(0o640), want: keyring.ErrKeyReadable, fix: "chmod 600"},
		{name: "writable by the group, which is configured to read", spoil: chmod(0o660), group: true, want: keyring.ErrKeyReadable, fix: "chmod 600"},
		{name: "readable by others", spoil: chmod(0o604), want: keyring.ErrKeyReadable, fix: "chmod 600"},
		{name: "readable by others while the group is configured", spoil: chmod(0o644), group: true, want: keyring.ErrKeyReadable, fix: "chmod 600"},
		{name: "writable by others", spoil: chmod(0o602), want: keyring.ErrKeyReadable, fix: "chmod 600"},
		{name: "not there", spoil: func(t *testing.T, path string) string {
			return path + ".other"
		}, want: keyring.ErrKeyMissing, fix: "backup"},
		{name: "not there, nor its folder", spoil: func(t *testing.T, path string) string {
			return filepath.Join(filepath.Dir(path), "no", "root.key")
		}, want: keyring.ErrKeyMissing, fix: "mkdir"},
		{name: "one byte short", spoil: resize(31), want: keyring.ErrKeySize, fix: "32 bytes"},
		{name: "one byte long, as an editor leaves it", spoil: resize(33), want: keyring.ErrKeySize, fix: "32 bytes"},
		{name: "empty", spoil: resize(0), want: keyring.ErrKeySize, fix: "backup"},
		{name: "a symbolic link to a good file", spoil: func(t *testing.T, path string) string {
			link := path + ".link"
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			return link
		}, want: keyring.ErrKeyLink, fix: "root.key)"},
		{name: "a folder", spoil: func(t *testing.T, path string) string {
			return filepath.Dir(path)
		}, want: keyring.ErrKeyLink, fix: "regular file"},
		{name: "a pipe, which must not hang the start", spoil: func(t *testing.T, path string) string {
			pipe := path + ".pipe"
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			return pipe
		}, want: keyring.ErrKeyLink, fix: "regular file"},
		{name: "in a folder where everyone may write", spoil: func(t *testing.T, path string) string {
			return chmodFolder(t, path, 0o777)
		}, want: keyring.ErrKeyFolder, fix: "chmod o-w"},
		{name: "in a folder where everyone may write, sticky as /tmp", spoil: func(t *testing.T, path string) string {
			return chmodFolder(t, path, 0o777|os.ModeSticky)
		}, want: keyring.ErrKeyFolder, fix: "chmod o-w"},
		{name: "of another user", spoil: func(t *testing.T, path string) string {
			if os.Geteuid() != 0 {
				t.Skip("skipped: only root can give a file away")
			}
			if err := os.Chown(path, 12345, -1); err != nil {
				t.Fatal(err)
			}
			return path
		}, want: keyring.ErrKeyOwner, fix: "chown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.spoil(t, good(t))
			kek, err := keyring.OpenKeyFile(path, c.group)
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if c.want == nil {
				works(t, kek)
				return
			}
			if kek != nil {
				t.Error("a refused file gave a key all the same")
			}
			if text := err.Error(); !strings.Contains(text, path) || !strings.Contains(text, c.fix) {
				t.Errorf("the text must name the path and the fix (%q): %s", c.fix, text)
			}
		})
	}
}

func TestCreateKeyFile(t *testing.T) {
	path := good(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 || info.Size() != 32 {
		t.Errorf("created with mode %v and %d bytes", info.Mode(), info.Size())
	}

	before, _ := os.ReadFile(path)
	if err := keyring.CreateKeyFile(path); !errors.Is(err, keyring.ErrKeyExists) {
		t.Errorf("creating it again: %v", err)
	}
	after, _ := os.ReadFile(path)
	if !bytes.Equal(before, after) {
		t.Error("an existing key was replaced: its database is lost")
	}

	// A link planted where the key will be must not make us write elsewhere.
	link := path + ".link"
	if err := os.Symlink(filepath.Join(filepath.Dir(path), "victim"), link); err != nil {
		t.Fatal(err)
	}
	if err := keyring.CreateKeyFile(link); err == nil {
		t.Error("the key was written through a symbolic link")
	}
	if err := keyring.CreateKeyFile(filepath.Join(chmodFolder(t, path, 0o777), "..", "new.key")); !errors.Is(err, keyring.ErrKeyFolder) {
		t.Errorf("creating it where everyone may write: %v", err)
	}
}

func TestTwoKeyFilesAreForeignToEachOther(t *testing.T) {
	one, err := keyring.OpenKeyFile(good(t), false)
	if err != nil {
		t.Fatal(err)
	}
	other, err := keyring.OpenKeyFile(good(t), false)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := one.Wrap(t.Context(), []byte("root"), []byte("ad"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Unwrap(t.Context(), wrapped, []byte("ad")); err == nil {
		t.Error("the wrong key file opens the root")
	}
	if _, err := one.Unwrap(t.Context(), wrapped, []byte("other ad")); err == nil {
		t.Error("the associated data is not bound")
	}
}

func works(t *testing.T, kek keyring.KEK) {
	t.Helper()
	wrapped, err := kek.Wrap(t.Context(), []byte("root"), []byte("ad"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := kek.Unwrap(t.Context(), wrapped, []byte("ad")); err != nil || string(plain) != "root" {
		t.Errorf("gave back %q, %v", plain, err)
	}
}

func resize(n int64) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		if err := os.Truncate(path, n); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func chmodFolder(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	folder := filepath.Dir(path)
	if err := os.Chmod(folder, mode); err != nil {
		t.Fatal(err)
	}
	return path
}
