package apikey

import (
	"sync/atomic"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// MainAccount is what a transfer may name the main account by, beside its id.
const MainAccount = "main"

// part is what a sub-account may do, as the gate keeps it with its account.
type part struct {
	status    account.SubStatus
	transfers account.Transfers
	perMin    int
	tat       *atomic.Int64 // of all its keys together
}

// parts reads the open sub-accounts of an account.
func (s *Service) parts(tx *store.Tx, acc account.ID) (map[string]part, error) {
	list, err := s.accounts.Subs(tx, acc)
	if err != nil {
		return nil, err
	}
	var out map[string]part
	for _, sub := range list {
		if !sub.Open() {
			continue
		}
		if out == nil {
			out = map[string]part{}
		}
		out[string(sub.ID)] = part{sub.Status, sub.Transfers, sub.PerMin, s.sums.of(string(sub.ID))}
	}
	return out, nil
}

// take is the speed of all keys of the account, and of all keys of the sub-account.
func (st *standing) take(sub string, now time.Time) time.Duration {
	wait := paced(st.tat, now, accountPerMinute)
	if sub == "" {
		return wait
	}
	if p := st.subs[sub]; p.perMin > 0 {
		wait = max(wait, paced(p.tat, now, p.perMin))
	}
	return wait
}

// paced is GCRA at so many a minute, with the burst that a key has.
func paced(tat *atomic.Int64, now time.Time, perMin int) time.Duration {
	emit := int64(time.Minute) / int64(perMin)
	return late(tat, now, emit, emit*int64(max(10, perMin/6)))
}

// inside is what the sub-account of a key allows, and where a transfer may go. The cause
// is exact: the signature held.
func (st *standing) inside(k *Key, need Need, d *Decision) Code {
	var from part
	if k.Sub != "" {
		var open bool
		if from, open = st.subs[k.Sub]; !open {
			// Its keys ended with it. One that is here was read before, or names what never
			// was: what nobody can freeze must not trade.
			return KeyExpired
		}
		if need.Scope == Withdraw {
			return ScopeMissing // no such key is made; here it is refused once more
		}
		switch from.status {
		case account.SubActive:
		case account.SubEmptying:
			d.ExitOnly = true
			if !need.exits() && need.Scope != TransferInternal {
				return SubEmptying
			}
		default:
			d.ExitOnly = true
			if !need.exits() {
				return SubFrozen
			}
		}
	}
	if need.Scope != TransferInternal {
		return ""
	}
	return st.moves(k, from, need.To)
}

// moves decides about a transfer. A key moves money inside its own account and nowhere
// else; a thief who holds it could otherwise pay another customer, who withdraws. So a
// request that does not say where to is refused as well, for the keys of the main account
// too.
func (st *standing) moves(k *Key, from part, to string) Code {
	main := to == MainAccount || to == string(k.Account)
	into, known := st.subs[to]
	switch {
	case to == "" || !main && !known || main && k.Sub == "" || to == k.Sub:
		return TransferRefused
	case k.Sub != "" && from.transfers == account.TransferNone:
		return TransferRefused
	case main:
		return ""
	case from.status == account.SubEmptying:
		return SubEmptying // what is in it goes to the main account
	case into.status != account.SubActive || into.transfers != account.TransferBoth || k.Sub != "" && from.transfers != account.TransferBoth:
		return TransferRefused
	}
	return ""
}

// subTakes reports whether a new key may belong to a sub-account. It is read in the
// transaction that makes the key, which is serializable: a sub-account that is closed at
// the same time ends the key, or its closing is tried again.
func (s *Service) subTakes(tx *store.Tx, acc account.ID, sub string) error {
	if sub == "" {
		return nil
	}
	p, err := s.accounts.Sub(tx, acc, account.SubID(sub))
	if err != nil || p.Status != account.SubActive {
		return ErrSub.Because(err)
	}
	return nil
}

// subKeys is how many keys may share the sub-account of a new one.
func (s *Service) subKeys(tx *store.Tx, acc account.ID, sub string) (int, error) {
	if sub == "" {
		return maxKeys, nil
	}
	p, err := s.accounts.Sub(tx, acc, account.SubID(sub))
	if err != nil || p.MaxKeys == 0 {
		return maxKeys, err
	}
	return p.MaxKeys, nil
}

// RevokeSub ends all keys of a sub-account for good. Rows only: the caller appends the
// event with the effects returned.
func (s *Service) RevokeSub(tx *store.Tx, acc account.ID, sub, why string) (ended []audit.Effect, err error) {
	rows, err := tx.Rows(sqlRevokeSub, string(acc), sub, store.Micros(tx.Now), why)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var version int64
		if err := rows.Scan(&id, &version); err != nil {
			return nil, err
		}
		ended = append(ended, effect(ID(id), version)...)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, e := range ended {
		if err := tx.Later(sqlDropSecrets, e.ID, store.Micros(tx.Now)); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// SubUse is how the keys of a sub-account stand.
type SubUse struct {
	Keys int       // in use
	Used time.Time // the newest use of any; zero: never
}

// SubUses counts the keys of each sub-account; those of the account itself are under "".
func (s *Service) SubUses(tx *store.Tx, acc account.ID) (map[string]SubUse, error) {
	rows, err := tx.Rows(sqlSubUses, string(acc), store.Micros(tx.Now.Add(-exitLife)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]SubUse{}
	for rows.Next() {
		var sub string
		var n, used int64
		if err := rows.Scan(&sub, &n, &used); err != nil {
			return nil, err
		}
		out[sub] = SubUse{int(n), orZero(used)}
	}
	return out, rows.Err()
}

const sqlSubUses = `SELECT sub, COUNT(*), MAX(used_at) FROM apikey_key WHERE account = $1 AND status <> 'revoked' AND expires > $2 GROUP BY sub`
