package session

import (
	"encoding/json"
	"net/netip"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

// Everything here is rows only: the caller (contain, signin) appends the one
// event with the effects returned. The cache of this process is told after the
// commit; other processes hear it from the log's effects (Heard).

// End ends one session. ErrUnknown when it is not live or not theirs.
func (s *Service) End(tx *store.Tx, acc account.ID, id ID, why string) ([]audit.Effect, error) {
	eff, err := s.endWhere(tx, sqlEndOne, acc, why, string(id))
	if err == nil && why != EndedSignOut { // who only leaves keeps the apps that work meanwhile
		eff, err = s.andGrants(tx, eff, sqlEndGrantsIn, acc, why, string(id))
	}
	if err == nil && len(eff) == 0 {
		return nil, ErrUnknown
	}
	return eff, err
}

// andGrants adds what apps hold to what an act ended.
func (s *Service) andGrants(tx *store.Tx, eff []audit.Effect, query string, acc account.ID, why, which string) ([]audit.Effect, error) {
	grants, err := s.endGrants(tx, query, why, string(acc), which)
	return append(eff, grants...), err
}

// EndOthers ends every session of the account but one.
func (s *Service) EndOthers(tx *store.Tx, acc account.ID, keep ID, why string) ([]audit.Effect, error) {
	eff, err := s.endWhere(tx, sqlEndOthers, acc, why, string(keep))
	if err != nil {
		return nil, err
	}
	return s.andGrants(tx, eff, sqlEndGrantsOthers, acc, why, string(keep))
}

// EndOnDevice ends the sessions of one device.
func (s *Service) EndOnDevice(tx *store.Tx, acc account.ID, dev device.ID, why string) ([]audit.Effect, error) {
	eff, err := s.endWhere(tx, sqlEndDevice, acc, why, string(dev))
	if err != nil {
		return nil, err
	}
	return s.andGrants(tx, eff, sqlEndGrantsOnDevice, acc, why, string(dev))
}

// EndByKey ends the sessions that a removed passkey opened, except keep.
func (s *Service) EndByKey(tx *store.Tx, acc account.ID, key device.KeyID, keep ID) ([]audit.Effect, error) {
	eff, err := s.endWhere(tx, sqlEndByKey, acc, EndedKey, string(key), string(keep))
	if err != nil {
		return nil, err
	}
	return s.andGrants(tx, eff, sqlEndGrantsByKey, acc, EndedKey, string(key))
}

// EndAll ends every session of the account in one write, however many there are.
func (s *Service) EndAll(tx *store.Tx, acc account.ID, why string) ([]audit.Effect, error) {
	var epoch int64
	if err := tx.Row(sqlBumpEpoch, string(acc), store.Micros(tx.Now), why).Scan(&epoch); err != nil {
		return nil, err
	}
	tx.AfterCommit(func() { s.cache.forgetAccount(string(acc)) })
	return []audit.Effect{{Kind: "epoch", ID: string(acc), Version: epoch}}, nil
}

func (s *Service) endWhere(tx *store.Tx, query string, acc account.ID, why string, which ...any) ([]audit.Effect, error) {
	rows, err := tx.Rows(query, append([]any{store.Micros(tx.Now), string(acc), why}, which...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var eff []audit.Effect
	for rows.Next() {
		e := audit.Effect{Kind: "session"}
		if err := rows.Scan(&e.ID, &e.Version); err != nil {
			return nil, err
		}
		eff = append(eff, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(eff) > maxNamed {
		tx.AfterCommit(func() { s.cache.forgetAccount(string(acc)) })
		return []audit.Effect{{Kind: manyKind, ID: string(acc), Version: int64(len(eff))}}, nil
	}
	for _, e := range eff {
		s.changed(tx, ID(e.ID))
	}
	return eff, nil
}

// manyKind is the effect of an act that ended too many sessions to name each: its
// id is the account, its version how many ended.
const manyKind = "sessions"

// Ended counts the sessions that an act ended, and names those it can.
func Ended(effects []audit.Effect) (n int, named []ID) {
	for _, e := range effects {
		switch e.Kind {
		case "session":
			n++
			named = append(named, ID(e.ID))
		case manyKind:
			n += int(e.Version)
		}
	}
	return n, named
}

// EndedGrants counts what apps held that an act ended.
func EndedGrants(effects []audit.Effect) (n int) {
	for _, e := range effects {
		switch e.Kind {
		case "grant":
			n++
		case "grants":
			n += int(e.Version)
		}
	}
	return n
}

// Elevate records a fresh touch on a session and gives it new secrets: every
// token it had before is dead (ASVS 7.2.4; also how an owner's touch kills a
// leaked token, DESIGN §6.5). At other processes an access token of before lives
// until they have heard the log, 400 ms at most; refresh tokens die at once.
// jkt may bind a session that was unbound; a bound one keeps its key unless the
// same touch brings a new one.
//
// A session opened by a recovery code is never raised (ErrWeak), whoever touches
// what: what a code let in adds no key (DESIGN §5). Its owner signs in anew.
func (s *Service) Elevate(tx *store.Tx, ses Session, proof device.Proof, jkt string, remember bool, addr netip.Addr) (Issued, []audit.Effect, error) {
	if !proof.For(tx, ses.Account, proof.Act()) {
		return Issued{}, nil, ErrUnknown
	}
	ses, err := s.now(tx, ses.Account, ses.ID) // as it is now, not as a cache saw it
	switch {
	case err != nil:
		return Issued{}, nil, err
	case !ses.EndedAt.IsZero():
		return Issued{}, nil, ErrEnded
	case ses.ACR == ACRFallback:
		return Issued{}, nil, ErrWeak
	}
	if jkt != "" {
		ses.JKT = jkt
	}
	if remember && ses.JKT == "" {
		return Issued{}, nil, ErrUnbound
	}
	if remember && !ses.Remember {
		ses.Remember, ses.AbsExp = true, tx.Now.Add(s.life.Remember)
	}
	acr, amr, at, key := proofLevel(proof)
	old := ses.Family
	ses.ACR, ses.AMR, ses.AuthTime, ses.Key = acr, amr, at, key
	iss, err := s.newFamily(tx, &ses, addr)
	if err != nil {
		return Issued{}, nil, err
	}
	amrJSON, _ := json.Marshal(amr)
	var version int64
	err = tx.Row(sqlElevate, ses.Family, acr, string(amrJSON), store.Micros(at), string(key), ses.JKT, ses.Remember,
		store.Micros(ses.AbsExp), string(ses.ID), store.Micros(tx.Now), old).Scan(&version)
	if err == store.ErrNoRows {
		return Issued{}, nil, ErrEnded // serializable isolation makes it unreachable
	}
	if err != nil {
		return Issued{}, nil, err
	}
	s.changed(tx, ses.ID)
	return iss, []audit.Effect{{Kind: "session", ID: string(ses.ID), Version: version}}, nil
}

// Vouch records that the owner knows this session ("this was me").
func (s *Service) Vouch(tx *store.Tx, acc account.ID, id ID) ([]audit.Effect, error) {
	var version int64
	err := tx.Row(sqlVouch, store.Micros(tx.Now), string(acc), string(id)).Scan(&version)
	if err == store.ErrNoRows {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	s.changed(tx, id)
	return []audit.Effect{{Kind: "session", ID: string(id), Version: version}}, nil
}

// changed tells this process's cache once the change is durable.
func (s *Service) changed(tx *store.Tx, id ID) {
	tx.AfterCommit(func() { s.cache.forget(id) })
}

// Heard tells the cache what another process wrote: wire it to audit.Watch.
// It may be called with effects of any kind.
func (s *Service) Heard(e audit.Effect, rec audit.Record) {
	s.grants.heard(&s.cache, e, rec)
	switch e.Kind {
	case "session":
		s.cache.forget(ID(e.ID))
	case "epoch", manyKind:
		s.cache.forgetAccount(e.ID)
	case everyoneKind:
		s.cache.forgetAll()
	}
}

// everyoneKind is the effect of ending every session of every account.
const everyoneKind = "everyone"

// EndEverywhere ends every live session of every account: only for a database
// that was restored. Rows only.
func (s *Service) EndEverywhere(tx *store.Tx, why string) ([]audit.Effect, error) {
	// Grants too, whatever their sessions say: one that was ended after the backup
	// was made is alive again in it.
	if _, err := tx.Exec(sqlEndGrantsAll, store.Micros(tx.Now), why); err != nil {
		return nil, err
	}
	n, err := tx.Exec(sqlEndEverywhere, store.Micros(tx.Now), why)
	tx.AfterCommit(s.cache.forgetAll)
	return []audit.Effect{{Kind: everyoneKind, ID: "all", Version: n}}, err
}

// Erase takes addresses and browsers out of the account's sessions, and what apps
// were told of its money. Rows only.
func (s *Service) Erase(tx *store.Tx, acc account.ID) error {
	if _, err := tx.Exec(sqlEraseGrants, string(acc)); err != nil {
		return err
	}
	_, err := tx.Exec(sqlErase, string(acc))
	return err
}
