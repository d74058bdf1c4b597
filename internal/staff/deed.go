package staff

import (
	"context"
	"slices"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

// Deed is an act of one operator on something that another package owns. Who may do
// it stands in deeds (policy.go), so its owner can neither widen nor forget that.
type Deed struct {
	Kind    DeedKind
	Content []string // everything in it: the touch is for exactly this
	Reason  string
}

// Act is what the touch for a deed is for.
func (d Deed) Act() device.Act {
	return act(string(d.Kind), append(slices.Clone(d.Content), d.Reason)...)
}

// Do runs a deed in the transaction that spends its touch. fn changes what its owner
// has, tells what happened and writes no event: the one event is written here, with
// the operator and the reason in it, so that no owner leaves them out.
func (s *Service) Do(ctx context.Context, cause store.Cause, by Live, d Deed, t *Touch, fn func(*store.Tx) (audit.Event, error)) error {
	reason, err := cleanReason(d.Reason)
	if err != nil {
		return err
	}
	power, known := deeds[d.Kind]
	if !known {
		return errWords.At("act", "nobody may do that")
	}
	return s.change(ctx, cause, by, power, d.Act(), t, func(tx *store.Tx) error {
		e, err := fn(tx)
		if err != nil {
			return err
		}
		if e.Payload == nil {
			e.Payload = map[string]string{}
		}
		e.Payload["by"], e.Payload["operator"], e.Payload["reason"] = "staff", by.Operator.Name, reason
		_, err = s.log.Append(tx, e)
		return err
	})
}
