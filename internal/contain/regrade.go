package contain

import (
	"context"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Regraded counts what a new list or rule came to.
type Regraded struct {
	Keys   int // that there are
	Fell   int
	Rose   int
	Others int // whose grade stayed, and whose evidence says something else
}

// DryRegrade tells what lists would come to, and changes nothing.
func (s *Service) DryRegrade(ctx context.Context, lists device.Lists, each func(device.Judged)) (n Regraded, err error) {
	n.Keys, err = s.devices.JudgeAgain(ctx, s.db, lists, func(j device.Judged) error {
		n.count(j)
		each(j)
		return nil
	})
	return n, err
}

// Regrade judges all keys by the lists that are in use now. A key that falls loses at
// once what its grade opened: its sessions end, and the next sign-in with it is what the
// key is worth. Each key is one transaction and one event; of several processes that do
// it at once, one changes a key.
func (s *Service) Regrade(ctx context.Context, lists device.Lists) (n Regraded, err error) {
	cause := store.Cause{Actor: "system:attestation"}
	fell := false
	n.Keys, err = s.devices.JudgeAgain(ctx, s.db, lists, func(j device.Judged) error {
		done := false
		if err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
			version, err := s.devices.Regrade(tx, j)
			if done = version > 0; err != nil || !done {
				return err
			}
			eff := []audit.Effect{{Kind: "key", ID: string(j.Key), Version: version}}
			action := audit.Action("key.judged")
			if j.Fell() {
				action = "key.fell"
				ended, err := s.sessions.EndByKey(tx, j.Account, j.Key, session.ID(""))
				if err != nil {
					return err
				}
				eff = append(eff, ended...)
			}
			_, err = s.log.Append(tx, audit.Event{
				Action: action, Account: string(j.Account), Target: string(j.Key), Effects: eff,
				Payload: map[string]string{"key": j.Name, "was": string(j.Was), "grade": string(j.Is), "why": why(j.Now)},
			})
			return err
		}); err != nil || !done {
			return err
		}
		n.count(j)
		fell = fell || j.Fell()
		return nil
	})
	if fell { // refused everywhere before anybody is told that it is done
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatePatience)
		defer cancel()
		if _, werr := s.gates.WaitGates(after, s.db.Now()); err == nil {
			err = werr
		}
	}
	return n, err
}

func (n *Regraded) count(j device.Judged) {
	switch {
	case j.Fell():
		n.Fell++
	case j.Is == device.Hardware && j.Was != device.Hardware:
		n.Rose++
	default:
		n.Others++
	}
}

// why is the first fault, as a word.
func why(e device.Evidence) string {
	if len(e.Faults) == 0 {
		return ""
	}
	return string(e.Faults[0])
}
