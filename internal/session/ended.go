package session

import (
	"strings"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// EndedThing is something whose tokens, as far as they are issued by then, are good no
// more: what a resource server has to hear (package rs, Tail).
type EndedThing struct {
	Kind  string // session | grant | client | account | all
	ID    string
	Final bool // nothing is ever issued for it again
}

// EndsIn says what an event ended, as the rows say it in the same snapshot. An act
// that ended more than its event names is told as the end of all tokens of the account:
// whoever's session goes on gets the next one by a refresh.
func (s *Service) EndsIn(tx *store.Tx, rec audit.Record) (out []EndedThing, err error) {
	for _, e := range rec.Effects {
		over, final, kind := false, false, e.Kind
		switch e.Kind {
		case "session":
			err = tx.Row(sqlSessionOver, e.ID).Scan(&over)
		case "grant":
			if over = rec.Action == grantNarrowed; !over { // its tokens out there carry more than is given now
				err = tx.Row(sqlGrantOver, e.ID).Scan(&over)
				final = true
			}
		case "epoch", manyKind:
			over, kind = true, "account"
		case "grants":
			over, kind = true, "account"
			if strings.HasPrefix(e.ID, "app_") {
				kind = "client"
			}
		case "client":
			over, final = rec.Action == "client.off", true
		case everyoneKind:
			over, kind = true, "all"
		}
		if err != nil {
			return nil, err
		}
		if over {
			out = append(out, EndedThing{kind, e.ID, final})
		}
	}
	return out, nil
}

// grantNarrowed: an owner took rights back from an app that goes on.
const grantNarrowed audit.Action = "grant.narrowed"
