// Package notify owns who is told what about an account, and how it is said.
//
// Nobody calls it to announce a change. It follows the audit log ([Service.Run]),
// in order and from its own cursor, asks the table of actions whether an event
// is news for the owner, decides the addresses, and enqueues one mail job per
// address in the transaction that moves the cursor. So an event is never lost
// between the two and never mailed twice because of them: at any number of
// processes the cursor is moved by one conditional UPDATE, and the job carries
// the key (event, contact).
//
// The job ([Service.Deliver]) reads everything again at the moment of sending:
// the event, the contact, the account's language and phrase. A job row holds ids,
// and where somebody asked for a freeze link, what they typed until it is done.
// Links are computed when the mail is written and are in no row and no log. What
// became of a mail is kept in notify_sent.
//
// # Two things a mail may carry, and one it may not
//
// A link in a mail can confirm the address it was sent to, or freeze. Both are
// the safe direction: whoever steals the mailbox gains nothing by them. No mail
// signs anybody in, lifts a freeze or approves anything (SP 800-63B-4 §3.1.3.1:
// mail is no authenticator), and every mail says so.
//
// # Mails that strangers can cause
//
// Typing somebody's address into a form makes us send mail to it. Those mails
// are counted per address (notify_rate), hold no word the stranger typed, and
// whether the address has an owner is decided here and not in the request, so
// the answer to the request is the same either way.
//
// # What it never does
//
// It never decides whether something is allowed, never changes an account, and
// never sends from inside a request. It says nothing to addresses that were not
// confirmed, except the question whether they are read.
package notify
