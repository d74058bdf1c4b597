package apikey

import (
	"context"
	"time"

	"keyward/internal/account"
)

// Standing says whether an account may do something just now, whatever it is done with:
// a session and a token of it are bound by a freeze and by holds as its keys are. code is
// why not, "" for yes; exit says that only looking and cancelling are left.
func (s *Service) Standing(ctx context.Context, acc account.ID, need Need) (exit bool, code Code, wait time.Duration, err error) {
	st, err := s.standing(ctx, acc)
	if err != nil {
		return false, "", 0, err
	}
	switch {
	case st.status == account.Closed:
		return false, AccountFrozen, 0, nil
	case st.status != account.Active && !need.exits():
		return true, AccountFrozen, 0, nil
	}
	if wait = st.holds(need.Scope, s.db.Now()); wait > 0 {
		return false, AccountFrozen, wait, nil
	}
	return st.status != account.Active, "", 0, nil
}

// NextDecision names a decision that was made elsewhere than in Verify.
func (s *Service) NextDecision() DecisionID { return s.serial.Next() }

// Once takes the place of something that may come once, until a time, for all gates on
// one database; false when it was taken. An error is no yes.
func (s *Service) Once(ctx context.Context, id [16]byte, until time.Time) (bool, error) {
	_, taken, err := s.claims.claim(ctx, id, s.serial.Next(), until)
	return err == nil && !taken, err
}
