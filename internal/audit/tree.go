package audit

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"keyward/internal/store"
)

// frontier is the right edge of a Merkle tree: the roots of its complete
// subtrees, the largest first. It is all one needs to append and to know the
// root, so a log of any length is verified in one pass and a few hundred bytes.
type frontier struct {
	size   int64
	hashes []tlog.Hash
}

// add appends a leaf and returns the hashes that became final by it, in the
// order of tlog.StoredHashIndex: the leaf, then the subtrees it completed.
func (f *frontier) add(leaf tlog.Hash) []tlog.Hash {
	stored := []tlog.Hash{leaf}
	f.hashes = append(f.hashes, leaf)
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.hashes) - 1
		node := tlog.NodeHash(f.hashes[last-1], f.hashes[last])
		f.hashes = append(f.hashes[:last-1], node)
		stored = append(stored, node)
	}
	f.size++
	return stored
}

// root is the tree hash (RFC 6962 §2.1).
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := f.hashes[len(f.hashes)-1]
	for i := len(f.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.hashes[i], h)
	}
	return h
}

func (f *frontier) clone() *frontier {
	return &frontier{f.size, append([]tlog.Hash(nil), f.hashes...)}
}

// edge lists the stored hash indexes of a frontier of the given size.
func edge(size int64) []int64 {
	var at []int64
	start := int64(0)
	for size > start {
		level := bits.Len64(uint64(size-start)) - 1
		at = append(at, tlog.StoredHashIndex(level, start>>level))
		start += 1 << level
	}
	return at
}

var errNoHash = errors.New("audit: the tree lacks a stored hash")

// hashReader reads stored hashes of one snapshot.
func hashReader(tx *store.Tx) tlog.HashReader {
	return tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, want := range at {
			var first int64
			var b []byte
			if err := tx.Row(sqlHashRow, want).Scan(&first, &b); err != nil {
				return nil, fmt.Errorf("%w %d: %w", errNoHash, want, err)
			}
			off := (want - first) * tlog.HashSize
			if off+tlog.HashSize > int64(len(b)) {
				return nil, fmt.Errorf("%w %d", errNoHash, want)
			}
			copy(out[i][:], b[off:])
		}
		return out, nil
	})
}

// treeSize is how many events the stored hashes cover.
func treeSize(tx *store.Tx) (int64, error) {
	var size int64
	err := tx.Row(sqlTreeSize).Scan(&size)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	return size, err
}

// loadFrontier reads the right edge of the stored tree.
func loadFrontier(tx *store.Tx) (*frontier, error) {
	size, err := treeSize(tx)
	if err != nil {
		return nil, err
	}
	hashes, err := hashReader(tx).ReadHashes(edge(size))
	if err != nil {
		return nil, err
	}
	return &frontier{size, hashes}, nil
}

// hashBytes is how stored hashes stand in a row of audit_hash.
func hashBytes(hs []tlog.Hash) []byte {
	b := make([]byte, 0, len(hs)*tlog.HashSize)
	for _, h := range hs {
		b = append(b, h[:]...)
	}
	return b
}
