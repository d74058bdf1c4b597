package notify

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Mailer takes one finished mail to the next server. Its contract, which the
// follower and every test rely on:
//
//   - nil means the next server answered for the mail; it is never sent again.
//   - a *Refusal means no later try can succeed. The mail is given up and the
//     refusal is kept (notify_sent), because an owner who was not told is a
//     fact an operator must be able to find.
//   - any other error means "not now": the job runner tries again later, with
//     the same Message-ID.
//
// Send must honour ctx and be safe for concurrent use. The text of its errors
// goes to the log: it repeats neither the address nor the mail.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// Message is one mail, rendered. Nothing in it may be copied into a log or a
// row: Text and HTML carry links.
type Message struct {
	ID       string // without the angle brackets; stable for one (event, contact)
	Date     time.Time
	FromName string // the exchange's brand
	To       string // one bare address
	Subject  string
	Text     string
	HTML     string
}

// Refusal is a "no" that stays no: a 5xx from the receiving side (RFC 5321
// §4.2.1), or an address no server could be asked about. It never holds the
// address or the server's free text, which tends to repeat the address.
type Refusal struct {
	Code   int    // SMTP reply code; 0 when we did not get as far as a server
	Status string // RFC 3463 enhanced status, if the server gave one
	Step   string // where it was refused, in plain words
}

func (r *Refusal) Error() string {
	if r.Code == 0 {
		return "notify: mail refused: " + r.Step
	}
	if r.Status == "" {
		return fmt.Sprintf("notify: mail refused: %s: %d", r.Step, r.Code)
	}
	return fmt.Sprintf("notify: mail refused: %s: %d %s", r.Step, r.Code, r.Status)
}

// refusal tells a refusal from a failure worth another try.
func refusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}
