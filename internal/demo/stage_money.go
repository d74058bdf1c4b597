package demo

import (
	"context"
	"errors"
)

// otherAddress is a thief inside the exchange: the owner approves a withdrawal, and on its
// way to the service that sends it goes to somebody else.
func (s *Stage) otherAddress(ctx context.Context, sit *seat) (*answer, error) {
	if err := s.fresh(ctx, sit); err != nil {
		return nil, err
	}
	// At Keyward the back end has no address of a browser; what it says of the owner it says.
	at := func(origin string) *visitor {
		return &visitor{origin: origin, client: s.client, agent: "treasury/1.0", now: s.DB.Now}
	}
	payer, o := treasury{at(s.Origin), s.PayerSecret, at(s.Exchange)}, rent()
	o.Account = string(sit.account)
	a, i, err := payer.asks(ctx, o, o.Account, sit.sid())
	if err := well(a, err); err != nil {
		return nil, err
	}
	if err := well(sit.confirms(ctx, i.ID)); err != nil {
		return nil, err
	}
	a, i, err = payer.fetches(ctx, i.ID)
	if err := well(a, err); err != nil {
		return nil, err
	}
	if i.Proof == "" {
		return nil, errors.New("there is no proof of an approved withdrawal")
	}
	o.Proof, o.Address = i.Proof, thiefAddress
	return payer.pays(ctx, o)
}
