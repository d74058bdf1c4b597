package demo

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"keyward/internal/notify"
)

// errNoMail: the mail did not come in time.
var errNoMail = errors.New("no such mail arrived")

const (
	mailWait = 20 * time.Second
	mailPoll = 20 * time.Millisecond
)

// await waits for the newest mail to an address that fits; the catcher stands for
// the mailbox of that person.
func await(ctx context.Context, c *notify.Catcher, to string, fits func(notify.Message) bool) (notify.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, mailWait)
	defer cancel()
	t := time.NewTicker(mailPoll)
	defer t.Stop()
	for {
		for _, m := range c.Mails() {
			if strings.EqualFold(m.To, to) && fits(m) {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return notify.Message{}, errNoMail
		case <-t.C:
		}
	}
}

var (
	verifyLink = regexp.MustCompile(`/mail/verify\?t=([A-Za-z0-9_.\-]+)`)
	freezeLink = regexp.MustCompile(`/freeze/link\?t=([A-Za-z0-9_.\-]+)`)
)

// linkIn is the token of a link in a mail's text, "" without one.
func linkIn(m notify.Message, link *regexp.Regexp) string {
	found := link.FindStringSubmatch(m.Text)
	if found == nil {
		return ""
	}
	return found[1]
}
