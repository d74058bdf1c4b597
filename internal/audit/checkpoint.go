package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// origin names the log in its notes and keys.
const origin = "keyward-audit"

var errBadCheckpoint = errors.New("audit: malformed checkpoint")

// checkpoint is the signed claim "the first size events have this root". Its
// text follows the checkpoint form that transparency logs share (c2sp.org
// tlog-checkpoint), so that outside witnesses can read it; the extension line
// says when.
type checkpoint struct {
	size int64
	root tlog.Hash
	at   time.Time
}

func (c checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\ntime %s\n", origin, c.size, c.root, c.at.UTC().Format(time.RFC3339))
}

func (c checkpoint) sign(s note.Signer) (string, error) {
	b, err := note.Sign(&note.Note{Text: c.text()}, s)
	return string(b), err
}

// openCheckpoint verifies the signature and reads the claim. Only the spelling
// of text is accepted.
func openCheckpoint(signed string, v note.Verifier) (checkpoint, error) {
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return checkpoint{}, fmt.Errorf("audit: checkpoint: %w", err)
	}
	// One spelling: no foreign signature lines, no spare bits in the last digit.
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return checkpoint{}, errBadCheckpoint
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return checkpoint{}, errBadCheckpoint
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 5 {
		return checkpoint{}, errBadCheckpoint
	}
	var c checkpoint
	if c.size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return checkpoint{}, errBadCheckpoint
	}
	if c.root, err = tlog.ParseHash(lines[2]); err != nil {
		return checkpoint{}, errBadCheckpoint
	}
	if c.at, err = time.Parse("time "+time.RFC3339, lines[3]); err != nil {
		return checkpoint{}, errBadCheckpoint
	}
	if c.text() != n.Text {
		return checkpoint{}, errBadCheckpoint
	}
	return c, nil
}

// checkpointKey makes the signer out of a seed, and the key others verify with.
func checkpointKey(seed [32]byte) (note.Signer, string) {
	priv := ed25519.NewKeyFromSeed(seed[:])
	public, err := note.NewEd25519VerifierKey(origin, priv.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err) // constant name, key of the right size
	}
	id := strings.SplitN(public, "+", 3)[1]
	const ed25519Alg = 1
	s, err := note.NewSigner("PRIVATE+KEY+" + origin + "+" + id + "+" +
		base64.StdEncoding.EncodeToString(append([]byte{ed25519Alg}, seed[:]...)))
	if err != nil {
		panic(err)
	}
	return s, public
}

// Key is the public key that checkpoints are verified with.
func (l *Log) Key() string { return l.key }

func (l *Log) verifier() note.Verifier {
	v, err := openKey(l.key)
	if err != nil {
		panic(err) // made by checkpointKey
	}
	return v
}

// openKey reads a verifier key of this log, in its one spelling.
func openKey(key string) (note.Verifier, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(key, fmt.Sprintf("%s+%08x+", origin, v.KeyHash())) {
		return nil, errors.New("audit: not the key of an event log")
	}
	return v, nil
}
