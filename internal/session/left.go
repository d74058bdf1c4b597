package session

import (
	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// Left is an app that was let in from a session that is over, so it should be told.
type Left struct {
	Client  string     `json:"client"`
	Account account.ID `json:"account"`
	Session ID         `json:"session"`
}

// LeftBy lists the apps to tell because of one effect of an event. Most effects are
// about something else, or about a session that goes on: then there is nobody. The
// rows say what is over, not the event: one event of an account can end one session
// and raise another.
//
// next is where an end of everything goes on: call LeftAfter with it until it is "".
func (s *Service) LeftBy(tx *store.Tx, e audit.Effect) (left []Left, next ID, err error) {
	switch e.Kind {
	case "session":
		left, err = s.left(tx, sqlLeftSession, e.ID)
	case "epoch", manyKind:
		left, err = s.left(tx, sqlLeftAccount, e.ID)
	case everyoneKind:
		return s.LeftAfter(tx, "")
	}
	return left, "", err
}

// LeftAfter lists the next part of all sessions that are over.
func (s *Service) LeftAfter(tx *store.Tx, after ID) (left []Left, next ID, err error) {
	if left, err = s.left(tx, sqlLeftAll, string(after)); err == nil && len(left) > 0 {
		next = left[len(left)-1].Session
	}
	return left, next, err
}

func (s *Service) left(tx *store.Tx, query, which string) (out []Left, err error) {
	rows, err := tx.Rows(query, store.Micros(tx.Now), which)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Left
		if err := rows.Scan(&l.Client, (*string)(&l.Account), (*string)(&l.Session)); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}
