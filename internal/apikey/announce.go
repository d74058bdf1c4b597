package apikey

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// Announced is what a partner asks the owners of its keys to do.
type Announced struct {
	What string // its version, in its words
	Why  string
	At   time.Time
}

// ErrAnnounce: a part of an announcement is missing, too long, or more than one line.
var ErrAnnounce = errors.New("apikey: partner, version and reason are each one line of 200 characters at most")

// Announce asks the owners of all keys that are lent to a partner to replace what signs,
// because the partner has a new version of its app. Each key is asked once for each
// version, so the same call again goes on where the first one stopped. It answers how
// many were asked now.
func (s *Service) Announce(ctx context.Context, cause store.Cause, partner string, a Announced) (asked int, err error) {
	partner, a.What, a.Why = strings.TrimSpace(partner), strings.TrimSpace(a.What), strings.TrimSpace(a.Why)
	for _, text := range []string{partner, a.What, a.Why} {
		if text == "" || utf8.RuneCountInString(text) > maxPurpose || len(text) > 4*maxPurpose || !plain(text) {
			return 0, ErrAnnounce
		}
	}
	for after := ""; ; {
		var ids []string
		err := s.db.View(ctx, func(tx *store.Tx) error {
			ids = nil
			rows, err := tx.Rows(sqlOfPartner, partner, store.Micros(tx.Now), after)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return rows.Err()
		})
		if err != nil {
			return asked, err
		}
		for _, id := range ids {
			switch err := s.ask(ctx, cause, ID(id), a); {
			case err == nil:
				asked++
			case !errors.Is(err, errSaid):
				return asked, err
			}
			after = id
		}
		if len(ids) < 200 {
			return asked, nil
		}
	}
}

func (s *Service) ask(ctx context.Context, cause store.Cause, id ID, a Announced) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		k, err := scanKey(tx.Row(sqlOpenKey, string(id)))
		if err != nil {
			return err
		}
		if k.State(tx.Now) == Finished {
			return errSaid
		}
		rows, err := tx.Exec(sqlAsk, string(id), a.What, a.Why, store.Micros(tx.Now))
		if err != nil {
			return err
		}
		if rows == 0 {
			return errSaid
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.update_announced", Account: string(k.Account), Target: string(id),
			Effects: []audit.Effect{{Kind: "apikey_asked", ID: string(id), Version: store.Micros(tx.Now)}},
			Payload: map[string]string{"purpose": k.Purpose, "partner": k.Partner, "what": a.What, "because": a.Why},
		})
		return err
	})
}

// AskedFor is what a partner announced since the key's newest version was made; nil when
// there is nothing to do.
func (s *Service) AskedFor(tx *store.Tx, k Key, newest Version) (*Announced, error) {
	var a Announced
	var at int64
	err := tx.Row(sqlAskedOf, string(k.ID), store.Micros(newest.Made)).Scan(&a.What, &a.Why, &at)
	if err == store.ErrNoRows {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.At = store.Time(at)
	return &a, nil
}
