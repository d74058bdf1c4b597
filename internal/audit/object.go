package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Object is one thing of an account, as effects name it.
type Object struct {
	Account string
	Kind    string // "apikey"
	ID      string
}

// Leaf is an event as an export writes it, with what its leaf in the tree is made of.
type Leaf = exportEvent

const sqlOfObject = `SELECT ` + columns + ` FROM audit_event
WHERE account = $1 AND account <> '' AND shown = $2 AND id > $7 AND id < $8 AND at >= $3 AND at < $4 AND effects LIKE $5 ORDER BY id DESC LIMIT $6`

// OfObject lists the events of a window that touched an object, the newest first, at most
// limit of them. Events that no owner is shown are not among them.
func (l *Log) OfObject(tx *store.Tx, o Object, from, to time.Time, limit int) ([]Record, error) {
	list, err := touched(tx, o, from, to, limit)
	if err != nil {
		return nil, err
	}
	return parsed(list)
}

// LeavesOfObject are the same as an export writes them. What has no place in the tree yet
// is left out and counted.
//
// What staff did stands there by its leaf alone: that it happened is the owner's to know,
// who of the staff it was is not.
func (l *Log) LeavesOfObject(tx *store.Tx, o Object, from, to time.Time, limit int) (leaves []Leaf, waiting int, err error) {
	list, err := touched(tx, o, from, to, limit)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range list {
		if p.n < 0 {
			waiting++
			continue
		}
		e, err := exported(p.n, p.row)
		if err != nil {
			return nil, 0, err
		}
		if strings.HasPrefix(e.Actor, "operator:") {
			e = Leaf{N: e.N, At: e.At, Action: e.Action, Actor: "operator", Effects: []byte("[]"), Leaf: e.Leaf}
		}
		leaves = append(leaves, e)
	}
	return leaves, waiting, nil
}

// aside: ids sort by their time, so the window is a range of the index as well, a little
// wider than itself. A history of years is not read for a day of it.
const aside = time.Second

func touched(tx *store.Tx, o Object, from, to time.Time, limit int) (list []placed, err error) {
	// Kinds are words of ours, so the pattern is one. The id is compared below: of another
	// exchange's, with an underscore, a pattern would take more than it says.
	list, err = find(tx, nil, sqlOfObject, o.Account, true, store.Micros(from), store.Micros(to), `%["`+o.Kind+`",%`, limit,
		keyring.NewID("evt_", from.Add(-aside)), keyring.NewID("evt_", to.Add(aside)))
	if err != nil {
		return nil, err
	}
	var bad error
	list = slices.DeleteFunc(list, func(p placed) bool {
		effects, err := parseEffects(p.row.effects)
		bad = errors.Join(bad, err)
		return !slices.ContainsFunc(effects, func(e Effect) bool { return e.Kind == o.Kind && e.ID == o.ID })
	})
	if bad != nil || len(list) == 0 {
		return nil, bad
	}
	return list, locate(tx, list)
}

var errLeaf = errors.New("audit: an event was changed")

// Intact reports whether an event of a file is the one its leaf was made of. One that
// stands by its leaf alone says nothing that could be checked.
func Intact(e Leaf) error {
	if e.Actor == "operator" {
		return nil
	}
	r := e.row()
	leaf, err := r.leaf(e.N)
	if err != nil || string(leaf[:]) != string(e.Leaf) || !r.payloadIntact() {
		return fmt.Errorf("%w: %s", errLeaf, e.ID)
	}
	return nil
}
