package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"keyward/internal/store"
)

// A statement is a document that this deployment stands for, signed with the key of its
// checkpoints: who has that key from an export can check it far away. The signed text is
// the kind of the document and its hash, and its first line is never that of a
// checkpoint, so that neither passes for the other.

var errStatement = errors.New("audit: the document is not what was signed")

// StatementKind names what a document is: letters, digits and dashes.
type StatementKind string

func (k StatementKind) text(body []byte) string {
	if k == "" || k == origin || strings.Trim(string(k), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		panic("audit: " + string(k) + " is no kind of statement")
	}
	sum := sha256.Sum256(body)
	return string(k) + "\n" + base64.StdEncoding.EncodeToString(sum[:]) + "\n"
}

// Sign signs a document, byte for byte.
func (l *Log) Sign(kind StatementKind, body []byte) (string, error) {
	b, err := note.Sign(&note.Note{Text: kind.text(body)}, l.signer)
	return string(b), err
}

// OpenStatement checks a signature over a document. The key is the verifier key of the log, as
// an export prints it.
func OpenStatement(kind StatementKind, body []byte, signed, key string) error {
	v, err := openKey(key)
	if err != nil {
		return err
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return fmt.Errorf("audit: statement: %w", err)
	}
	// One spelling, as of a checkpoint.
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 || n.Text != kind.text(body) {
		return errStatement
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return errStatement
	}
	return nil
}

// Newest is the newest checkpoint, "" when nothing is signed yet.
func (l *Log) Newest(tx *store.Tx) (string, error) {
	var size int64
	var signed string
	err := tx.Row(sqlLastNote).Scan(&size, &signed)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return signed, err
}
