package contain

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/store"
)

const (
	// An event lists all it touched, and 512 is as much as one may.
	endedAtOnce = 200

	// passes: keys that are made while an incident is on end in the next look. Whoever makes
	// them faster than that has to be stopped first, and the answer says so.
	passes = 3
)

// Ended is what a bulk end did.
type Ended struct {
	Keys     int
	Accounts int
	Left     int // made meanwhile, and there after the last look
	Took     time.Duration
	Gates    audit.Reach
}

// EndBotKeys ends every key that a filter is about: one transaction and one event for each
// account, so that each owner is told, and one wait for the gates at the end of all. What
// was done stays done when a later account fails; to run it again ends the rest.
func (s *Service) EndBotKeys(ctx context.Context, cause store.Cause, f apikey.Filter, why string) (out Ended, err error) {
	if f.Empty() {
		return out, apikey.ErrUnknown // every key there is: nobody means that
	}
	start := s.db.Now()
	touched := map[account.ID]bool{}
	for range passes {
		var n int
		if n, err = s.endMatching(ctx, cause, f, why, touched); err != nil {
			break
		}
		out.Keys += n
		if n == 0 {
			break
		}
	}
	out.Accounts = len(touched)
	// Also after a failure: what has ended is to be refused everywhere.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatePatience)
	defer cancel()
	reach, err2 := s.gates.WaitGates(after, s.db.Now())
	out.Gates, out.Took = reach, s.db.Now().Sub(start)
	if err == nil {
		err = err2
	}
	if err == nil {
		out.Left, err = s.MatchingBotKeys(ctx, f, nil)
	}
	return out, err
}

// MatchingBotKeys counts the keys that a filter is about, and shows each one where asked.
func (s *Service) MatchingBotKeys(ctx context.Context, f apikey.Filter, show func(apikey.Key)) (n int, err error) {
	for after := apikey.ID(""); ; {
		keys, next, err := s.botKeys.Matching(ctx, f, after)
		if err != nil {
			return n, err
		}
		for _, k := range keys {
			if n++; show != nil {
				show(k)
			}
		}
		if next == "" {
			return n, nil
		}
		after = next
	}
}

func (s *Service) endMatching(ctx context.Context, cause store.Cause, f apikey.Filter, why string, touched map[account.ID]bool) (int, error) {
	byOwner := map[account.ID][]apikey.ID{}
	if _, err := s.MatchingBotKeys(ctx, f, func(k apikey.Key) { byOwner[k.Account] = append(byOwner[k.Account], k.ID) }); err != nil {
		return 0, err
	}
	owners := make([]account.ID, 0, len(byOwner))
	for acc := range byOwner {
		owners = append(owners, acc)
	}
	slices.SortFunc(owners, func(a, b account.ID) int { return strings.Compare(string(a), string(b)) })
	total := 0
	for _, acc := range owners {
		for ids := range slices.Chunk(byOwner[acc], endedAtOnce) {
			n, err := s.endSome(ctx, cause, acc, ids, why)
			if err != nil {
				return total, err
			}
			if n > 0 {
				touched[acc] = true
			}
			total += n
		}
	}
	return total, nil
}

// endSome ends keys of one account. Which of them are still there is decided inside.
func (s *Service) endSome(ctx context.Context, cause store.Cause, acc account.ID, ids []apikey.ID, why string) (n int, err error) {
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		n = 0
		var all []audit.Effect
		for _, id := range ids {
			eff, err := s.botKeys.Revoke(tx, acc, id, "operator")
			if err == apikey.ErrUnknown {
				continue // its owner was quicker
			}
			if err != nil {
				return err
			}
			all = append(all, eff...)
		}
		if n = len(all); n == 0 {
			return nil
		}
		_, err := s.log.Append(tx, audit.Event{
			Action: "apikey.ended_many", Account: string(acc), Target: string(acc), Effects: all,
			Payload: map[string]string{"n": strconv.Itoa(n), "reason": why},
		})
		return err
	})
	return n, err
}
