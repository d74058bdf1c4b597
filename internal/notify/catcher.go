package notify

import (
	"context"
	"slices"
	"sync"
)

// catcherHolds bounds the demo's mailbox: enough for every mail of a tour, small
// enough that a load test against the demo cannot eat the machine.
const catcherHolds = 200

// Catcher is the Mailer of the demo and of tests: it keeps the last mails in
// memory and shows them instead of sending them. It is never wired into a
// server that holds real accounts, because whoever can read it can freeze
// accounts and confirm addresses.
type Catcher struct {
	mu    sync.Mutex // guards mails
	mails []Message  // oldest first
}

func NewCatcher() *Catcher { return &Catcher{} }

// Send keeps the mail and drops the oldest once the mailbox is full.
func (c *Catcher) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mails) == catcherHolds {
		c.mails = slices.Delete(c.mails, 0, 1)
	}
	c.mails = append(c.mails, m)
	return nil
}

// Mails lists what was caught, newest first.
func (c *Catcher) Mails() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Clone(c.mails)
	slices.Reverse(out)
	return out
}

// Mail finds one mail by its Message-ID.
func (c *Catcher) Mail(id string) (Message, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.mails) {
		if m.ID == id {
			return m, true
		}
	}
	return Message{}, false
}
