package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"keyward/internal/job"
	"keyward/internal/store"
)

// Deliver is the handler of mail jobs. It reads everything now: whoever confirmed
// or lost an address since the event decides what is said to it. A crash after
// the server took the mail and before that is written sends it again, under the
// same Message-ID; everything else happens once.
func (s *Service) Deliver(ctx context.Context, payload []byte) error {
	var o order
	if err := json.Unmarshal(payload, &o); err != nil {
		return &job.Failure{Text: "unreadable mail order", Final: true}
	}
	r, err := s.prepare(ctx, &o)
	var why moot
	switch {
	case errors.As(err, &why):
		return s.drop(ctx, o, why)
	case err != nil:
		return err
	}
	state := State("")
	if err := s.DB.Housekeeping(ctx, func(tx *store.Tx) (err error) {
		state, err = s.claim(tx, o, r)
		return err
	}); err != nil || state != stateTrying {
		return err
	}
	m, err := s.compose(o, r)
	if err != nil {
		return &job.Failure{Text: "the mail cannot be written", Cause: err, Final: true}
	}
	return s.settle(ctx, o, s.Mailer.Send(ctx, m))
}

// settle writes down what became of a mail. It does so although ctx may be
// over: what was sent must not be sent again because we were told to stop.
func (s *Service) settle(ctx context.Context, o order, sent error) error {
	refused, final := refusal(sent)
	if sent != nil && !final {
		return &job.Failure{Text: "the mail server did not take the mail now", Cause: sent}
	}
	state, detail := stateSent, ""
	if final {
		state, detail = stateRefused, refused.Error()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.DB.Housekeeping(end, func(tx *store.Tx) error { return s.close(tx, o, state, detail) }); err != nil {
		return err
	}
	if final {
		return &job.Failure{Text: detail, Final: true}
	}
	return nil
}

// drop records that there is nothing to say any more.
func (s *Service) drop(ctx context.Context, o order, why moot) error {
	if o.Ask != nil {
		return nil // whether the typed address has an owner is written nowhere
	}
	return s.DB.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := s.open(tx, o, stateMoot, string(why))
		if err == nil && n == 0 {
			err = s.close(tx, o, stateMoot, string(why))
		}
		return err
	})
}

func (s *Service) compose(o order, r ready) (Message, error) {
	subject, text, html, err := r.render()
	return Message{
		ID: s.messageID(o.ID), Date: s.DB.Now().UTC(), FromName: r.brand, To: r.to,
		Subject: subject, Text: text, HTML: html,
	}, err
}
