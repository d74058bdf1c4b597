package audit

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// ErrHistory: a follower from afar names a place that this log does not have: another
// log, or one that was set back.
var ErrHistory = errors.New("audit: no such place in the log")

// Abroad reads the log for somebody who answers from memory outside of this
// deployment, a resource server, and moves their lease on before it reads (DESIGN §7):
// whoever revokes waits for them as for one of our own processes ([Watch.WaitGates]).
//
// after is the place they gave back, with the lease they were given; an empty lease is
// a new follower, who hears of everything since a time instead. The lease names its
// count, and is counted up from there alone: two steps of it prove that the answer
// between them arrived, not only that it was asked for. each hears of the
// events in the snapshot they were read in. What is returned is all there is: an
// answer that stopped half way would vouch for what it did not say.
func (l *Log) Abroad(ctx context.Context, db *store.DB, lease string, after int64, since time.Time, each func(*store.Tx, Record) error) (name string, last int64, err error) {
	begins := lease == ""
	id, count, _ := strings.Cut(lease, ".")
	n, err := strconv.ParseInt(count, 10, 63)
	if begins {
		id, n = keyring.NewID("lea_", db.Now()), 0
	} else if err != nil || !keyring.ValidID("lea_", id) || after < 0 {
		return "", 0, ErrHistory
	}
	err = db.Housekeeping(ctx, func(tx *store.Tx) error {
		if begins {
			if l.mac != nil { // a guest deletes nothing
				if _, err := tx.Exec(sqlDropLeases, store.Micros(tx.Now.Add(-forgetLate))); err != nil {
					return err
				}
			}
			_, err := tx.Exec(sqlBeat, l.guest+id, store.Micros(tx.Now))
			return err
		}
		here, err := tx.Exec(sqlBeatAgain, l.guest+id, store.Micros(tx.Now), n)
		if err == nil && here != 1 {
			err = ErrHistory // forgotten, counted up without them, or of a database that this one is not
		}
		return err
	})
	lease = id + "." + strconv.FormatInt(n+1, 10)
	if err != nil {
		return "", 0, err
	}
	if begins {
		if after, err = l.placeAt(ctx, db, since); err != nil {
			return "", 0, err
		}
	}
	for last = after; ; {
		read := 0
		err = db.View(ctx, func(tx *store.Tx) error {
			sealed, unsealed, err := l.tail(tx, last, tailLimit)
			if err != nil {
				return err
			}
			if read = len(sealed); read == 0 && after >= 0 {
				// Nothing new: is what they know there at all?
				var here bool
				if err := tx.Row(sqlHasPlace, after).Scan(&here); err != nil || !here {
					return errors.Join(err, ErrHistory)
				}
			}
			if read < tailLimit {
				sealed = append(sealed, unsealed...)
			}
			for _, rec := range sealed {
				if err := each(tx, rec); err != nil {
					return err
				}
				last = max(last, rec.Index)
			}
			return nil
		})
		if err != nil || read < tailLimit {
			return lease, last, err
		}
	}
}

// placeAt is the last place before a time, -1 when there is none. Places follow the
// order of commits and events carry the time of their begin, so the answer is good to
// the length of a transaction: ask for a little more.
func (l *Log) placeAt(ctx context.Context, db *store.DB, t time.Time) (int64, error) {
	last, err := l.Last(ctx, db)
	if err != nil {
		return 0, err
	}
	low, high := int64(-1), last // low is before t, everything after high is not
	for low < high {
		mid := low + (high-low+1)/2
		var at int64
		if err := db.Get(ctx, sqlTimeOfPlace, mid).Scan(&at); err != nil {
			return 0, err
		}
		if at < store.Micros(t) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low, nil
}
