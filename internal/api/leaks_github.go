package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
)

// What GitHub's scanner sends to those whose secrets it knows by their form, and what it
// takes as an answer, is described in its "secret scanning partner program": a JSON array
// of matches, signed as a whole with ECDSA on P-256 over SHA-256 of the raw body.

const (
	gitHubKeyID = "Github-Public-Key-Identifier"
	gitHubSig   = "Github-Public-Key-Signature"

	gitHubMatches  = 512      // of one message
	gitHubKeysSize = 64 << 10 // of the file of keys
	gitHubKeysLook = time.Minute
)

var (
	errNotFound = edge.E("not_found")
	errTooMany  = errBadRequest.At("", "too many matches in one message")
)

// GitHubKeys are the keys that GitHub signs with, from a file that the operator keeps as
// GitHub publishes it. The server fetches nothing: who can turn its requests around could
// otherwise hand in keys of their own, and end the trading of all whose secrets they have.
type GitHubKeys struct {
	file string

	mu   sync.Mutex // guards the rest
	keys map[string]*ecdsa.PublicKey
	read time.Time
}

// OpenGitHubKeys reads the file. "" is none: then nobody speaks for GitHub here.
func OpenGitHubKeys(file string) (*GitHubKeys, error) {
	if file == "" {
		return nil, nil
	}
	k := &GitHubKeys{file: file}
	return k, k.load()
}

func (k *GitHubKeys) load() error {
	f, err := os.Open(k.file)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, gitHubKeysSize+1))
	if err != nil {
		return err
	}
	keys, err := parseGitHubKeys(raw)
	if err == nil {
		k.keys = keys
	}
	return err
}

// parseGitHubKeys reads {"public_keys":[{"key_identifier","key","is_current"}]}. A key
// that is not current is left out: GitHub took it out of use, perhaps because others have it.
func parseGitHubKeys(raw []byte) (map[string]*ecdsa.PublicKey, error) {
	var in struct {
		Keys []struct {
			ID      string `json:"key_identifier"`
			Key     string `json:"key"`
			Current bool   `json:"is_current"`
		} `json:"public_keys"`
	}
	if len(raw) > gitHubKeysSize {
		return nil, errors.New("larger than 64 KiB")
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, fmt.Errorf("not the JSON of GitHub's public keys: %w", err)
	}
	out := map[string]*ecdsa.PublicKey{}
	for _, k := range in.Keys {
		if !k.Current {
			continue
		}
		block, _ := pem.Decode([]byte(k.Key))
		if block == nil {
			return nil, fmt.Errorf("key %.80q is not PEM", k.ID)
		}
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("key %.80q: %w", k.ID, err)
		}
		p256, ok := pub.(*ecdsa.PublicKey)
		if !ok || p256.Curve != elliptic.P256() || k.ID == "" || out[k.ID] != nil {
			return nil, fmt.Errorf("key %.80q is not one ECDSA key on P-256 with an id of its own", k.ID)
		}
		out[k.ID] = p256
	}
	if len(out) == 0 {
		return nil, errors.New("no current key in it")
	}
	return out, nil
}

// key finds a key by its id. The file is read again when it was not for a minute, so that
// a new one counts without a restart, and a flood of messages costs no more reading.
func (k *GitHubKeys) key(id string, now time.Time) (*ecdsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var err error
	if now.Sub(k.read) >= gitHubKeysLook {
		k.read = now
		err = k.load() // a file that is half written: those of before stay good
	}
	return k.keys[id], err
}

// signed reports whether GitHub signed a body.
func (k *GitHubKeys) signed(h http.Header, body []byte, now time.Time) (bool, error) {
	ids, sigs := h[gitHubKeyID], h[gitHubSig]
	if len(ids) != 1 || len(sigs) != 1 || len(sigs[0]) > 256 {
		return false, nil
	}
	key, err := k.key(ids[0], now)
	if key == nil {
		return false, err
	}
	sig, bad := base64.StdEncoding.DecodeString(sigs[0])
	if bad != nil {
		return false, err
	}
	sum := sha256.Sum256(body)
	return ecdsa.VerifyASN1(key, sum[:], sig), err
}

// gitHubMatch is one secret that was found.
type gitHubMatch struct{ token, kind, url string }

// parseGitHubMatches reads a message. Members it does not know are let be, because GitHub
// adds some ("source" was one) and a message refused for that would leave keys open; in
// all else it is strict.
func parseGitHubMatches(body []byte) ([]gitHubMatch, error) {
	var in []map[string]json.RawMessage
	if err := edge.DecodeJSON(body, &in); err != nil {
		return nil, err
	}
	if len(in) > gitHubMatches {
		return nil, errTooMany
	}
	out := make([]gitHubMatch, 0, len(in))
	for _, m := range in {
		var one gitHubMatch
		for name, into := range map[string]*string{"token": &one.token, "type": &one.kind, "url": &one.url} {
			if raw, there := m[name]; there {
				if err := json.Unmarshal(raw, into); err != nil {
					return nil, errBadRequest.At("/"+name, "is not text").Because(err)
				}
			}
		}
		if one.token == "" {
			return nil, errBadRequest.At("/token", "is missing")
		}
		out = append(out, one)
	}
	return out, nil
}

// gitHubLabel is our word on a match, as GitHub takes it: the token goes back as its hash.
type gitHubLabel struct {
	Hash  string `json:"token_hash"`
	Type  string `json:"token_type"`
	Label string `json:"label"`
}

// gitHubLeaks takes a message of GitHub's. Whoever is not GitHub reads that there is
// nothing here, whether there are no keys, another one or a body that was changed.
func (s *Server) gitHubLeaks(w http.ResponseWriter, r *http.Request) {
	addr := edge.CauseFrom(r.Context()).Addr
	// Only what proves nothing counts, as at the gate: GitHub may send as much as it finds.
	if wait := s.Limiter.WaitAddr(edge.ClassLeak, addr); wait > 0 {
		edge.Fail(w, r, s.Limiter.Refusal(edge.ClassLeak, wait))
		return
	}
	body, err := io.ReadAll(r.Body) // bounded by the chain
	if err != nil {
		edge.Fail(w, r, errBadRequest.Because(err))
		return
	}
	genuine := false
	if s.set.GitHub != nil {
		if genuine, err = s.set.GitHub.signed(r.Header, body, s.DB.Now()); err != nil {
			s.Logger.WarnContext(r.Context(), "the file of GitHub's keys cannot be read, those of before stay", "cause", err)
		}
	}
	if !genuine {
		if err := s.Limiter.CheckAddr(edge.ClassLeak, addr); err != nil {
			edge.Fail(w, r, err)
			return
		}
		edge.Fail(w, r, errNotFound)
		return
	}
	matches, err := parseGitHubMatches(body)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	reports := make([]apikey.Report, len(matches))
	for i, m := range matches {
		reports[i] = apikey.Report{Token: m.token, Via: apikey.ViaGitHub, URL: m.url}
	}
	known, err := s.BotKeys.Reported(r.Context(), reports...)
	if err != nil {
		edge.Fail(w, r, err) // GitHub sends it again; what was done stays done
		return
	}
	labels := make([]gitHubLabel, 0, len(matches))
	for i, m := range matches {
		sum := sha256.Sum256([]byte(m.token))
		label := gitHubLabel{hex.EncodeToString(sum[:]), m.kind, "false_positive"}
		if known[i] {
			label.Label = "true_positive"
		}
		labels = append(labels, label)
	}
	out, err := json.Marshal(labels)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out) // a client that has gone is nobody's error
}
