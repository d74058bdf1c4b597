package apikey

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"net/url"
	"strings"
	"time"

	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Via says who told of a leak. Stored and told to owners, so never renamed.
type Via string

// The ways.
const (
	ViaGitHub   Via = "github"   // its scanner, with its signature
	ViaReport   Via = "report"   // anybody who has the secret
	ViaOperator Via = "operator" // at the command line
)

// Report is a secret that somebody found. Only the secret itself, or a hash that is made
// from it, counts: the id of a key stands in every log, and with it alone anybody could
// stop a rival's trading.
type Report struct {
	Token string    // as it was found; "" when Hash is there
	Hash  *[32]byte // SHA-256 of the secret as it was given out
	Via   Via
	URL   string // where it was found, in the finder's words
}

// String keeps the token out of logs.
func (r Report) String() string   { return "report via " + string(r.Via) }
func (r Report) GoString() string { return r.String() }

// maxReported bounds a token: an RSA key in PEM is longer than any secret of ours.
const maxReported = 4096

// lookups are the digests under which a report may be found. A token with our prefix and a
// wrong checksum has none, so guesses cost no look into the database.
func (s *Service) lookups(r Report) (out [][]byte) {
	if r.Hash != nil {
		return [][]byte{s.secretLookup(*r.Hash)}
	}
	token := strings.TrimSpace(r.Token)
	if token == "" || len(token) > maxReported || strings.HasPrefix(token, "kwk_") || strings.HasPrefix(token, "kws_") && !IsSecret(token) {
		return nil
	}
	for _, private := range privateKeys(token) {
		out = append(out, s.pairLookup(private.Public().(ed25519.PublicKey)))
	}
	return append(out, s.secretLookup(sha256.Sum256([]byte(token))))
}

// secretLookup is keyed over the hash and not over the secret, so that a finder who has
// hashes only, and a scanner that sends none of what it found, can be served too.
func (s *Service) secretLookup(hash [32]byte) []byte {
	sum := s.digests().Sum(nil, []byte("secret"), hash[:])
	return sum[:]
}

// digests are keyed under the root, which never changes.
func (s *Service) digests() *keyring.MAC { return s.ring.MAC("apikey/lookup") }

func (s *Service) pairLookup(public ed25519.PublicKey) []byte {
	sum := s.digests().Sum(nil, []byte("ed25519"), public)
	return sum[:]
}

// noteLookup writes the digest of a version, in the transaction that makes it.
func (s *Service) noteLookup(tx *store.Tx, id ID, n int64, alg Alg, public, box []byte) error {
	return tx.Later(sqlLookup, s.lookupOf(alg, public, box), string(id), n)
}

func (s *Service) lookupOf(alg Alg, public, box []byte) []byte {
	if alg == Ed25519 {
		return s.pairLookup(public)
	}
	secret, _ := unboxed(box)
	return s.secretLookup(sha256.Sum256([]byte(secret)))
}

// leaked is a version that a report is about.
type leaked struct {
	key   ID
	n     int64
	honey bool
	at    int64 // when it was reported first; 0: never before
}

// Reported takes reports in. Known says of each whether the secret was ever one of ours,
// also one that has ended: that is for a scanner that has proved who it is, and for nobody
// else. The first report of a secret that still works puts its key into quarantine and
// locks withdrawing, and its owner is told; a second one does nothing more. It returns when
// the keys are refused everywhere.
func (s *Service) Reported(ctx context.Context, reports ...Report) (known []bool, err error) {
	known = make([]bool, len(reports))
	changed := false
	for i, r := range reports {
		var did bool
		if known[i], did, err = s.reported(ctx, r); err != nil {
			break
		}
		changed = changed || did
	}
	if changed {
		err = errors.Join(err, s.told(ctx))
	}
	return known, err
}

func (s *Service) reported(ctx context.Context, r Report) (known, changed bool, err error) {
	digests := s.lookups(r)
	if len(digests) == 0 {
		return false, false, nil
	}
	var all []leaked
	err = s.db.View(ctx, func(tx *store.Tx) error {
		all = nil
		for _, digest := range digests {
			if err := s.findLeaked(tx, digest, &all); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, false, err
	}
	for _, f := range all {
		if f.at != 0 {
			continue
		}
		did, err := s.contain(ctx, f, r)
		changed = changed || did
		if err != nil {
			return true, changed, err
		}
	}
	return len(all) > 0, changed, nil
}

func (s *Service) findLeaked(tx *store.Tx, digest []byte, all *[]leaked) error {
	rows, err := tx.Rows(sqlFound, digest)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f leaked
		if err := rows.Scan((*string)(&f.key), &f.n, &f.honey, &f.at); err != nil {
			return err
		}
		*all = append(*all, f)
	}
	return rows.Err()
}

// contain takes the power from one key. The finder's address is in no row: it would stand
// in the owner's history as if it were the thief's.
func (s *Service) contain(ctx context.Context, f leaked, r Report) (did bool, err error) {
	where := whereFound(r)
	err = s.db.Update(ctx, store.Cause{Actor: "system:leaks"}, func(tx *store.Tx) error {
		did = false
		var n int64
		err := tx.Row(sqlLeaked, string(f.key), f.n, store.Micros(tx.Now), string(r.Via), where).Scan(&n)
		if err == store.ErrNoRows {
			return nil // somebody was quicker, or it has ended
		}
		if err != nil {
			return err
		}
		k, err := scanKey(tx.Row(sqlOpenKey, string(f.key)))
		if err != nil {
			return err
		}
		event := audit.Event{Action: "apikey.leaked", Account: string(k.Account), Target: string(k.ID), Payload: map[string]string{"purpose": k.Purpose, "via": string(r.Via), "found": where}}
		if k.honey {
			event.Action, event.Effects = "apikey.honeytoken_found", honeyEffect(k.ID)
		} else {
			if err := tx.Row(sqlQuarantineLeaked, string(f.key)).Scan(&k.Version); err != nil {
				return err
			}
			event.Effects, event.Payload["scopes"] = effect(k.ID, k.Version), k.Scopes.String()
		}
		did = true
		_, err = s.log.Append(tx, event)
		return err
	})
	if did && err == nil && f.honey {
		s.traps.found(f.key, r.Via, where)
	}
	return did, err
}

// Leak is what is known of the leak of a key.
type Leak struct {
	At   time.Time // zero: nobody reported it
	Via  Via
	URL  string // text for people, never to be made a link of
	Live bool   // the secret that leaked still signs
}

// Leak reads what was reported of a key, the newest of its versions first.
func (s *Service) Leak(tx *store.Tx, id ID) (l Leak, err error) {
	var at int64
	err = tx.Row(sqlLeak, string(id), store.Micros(tx.Now)).Scan(&at, (*string)(&l.Via), &l.URL, &l.Live)
	if err == store.ErrNoRows {
		return Leak{}, nil
	}
	l.At = orZero(at)
	return l, err
}

// whereFound is what is kept of a place. Whoever has one secret could write into its
// owner's mails and pages what they liked, under our name: so of what anybody sends only
// the name of the host stays, and the path only of GitHub's own word.
func whereFound(r Report) string {
	u, err := url.Parse(strings.TrimSpace(r.URL))
	if err != nil || len(r.URL) > 2048 || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if host == "" || len(host) > 100 || strings.ContainsFunc(host, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' }) {
		return ""
	}
	if r.Via != ViaGitHub {
		return host
	}
	text := host + u.EscapedPath()
	return text[:min(len(text), 150)]
}

// FillLookups works out the digests of versions that have none yet: those of a database
// that is older than they are. Ones whose secret does not open are left.
func (s *Service) FillLookups(ctx context.Context) error {
	type todo struct {
		id     ID
		n      int64
		digest []byte
	}
	for after := ""; ; {
		var fill []todo
		seen := 0
		err := s.db.View(ctx, func(tx *store.Tx) error {
			fill, seen = nil, 0
			rows, err := tx.Rows(sqlUnfound, after)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id ID
				var n int64
				var public, sealed []byte
				if err := rows.Scan((*string)(&id), &n, &public, &sealed); err != nil {
					return err
				}
				seen, after = seen+1, string(id)
				if public != nil {
					fill = append(fill, todo{id, n, s.lookupOf(Ed25519, public, nil)})
				} else if box, err := s.safe.Open(sealed, "apikey_version", versionRow(id, n), "sealed"); err == nil {
					fill = append(fill, todo{id, n, s.lookupOf("", nil, box)})
				}
			}
			return rows.Err()
		})
		if err != nil || seen == 0 {
			return err
		}
		if len(fill) == 0 {
			continue
		}
		err = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
			for _, t := range fill {
				if err := tx.Later(sqlLookup, t.digest, string(t.id), t.n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
