package notify

import (
	"context"
	"fmt"
	"testing"
)

func TestCatcherListsNewestFirstAndForgetsTheOldest(t *testing.T) {
	c := NewCatcher()
	for i := range catcherHolds + 5 {
		if err := c.Send(t.Context(), Message{ID: fmt.Sprint(i), Text: "text", HTML: "<p>html"}); err != nil {
			t.Fatal(err)
		}
	}
	mails := c.Mails()
	if len(mails) != catcherHolds {
		t.Fatalf("holds %d", len(mails))
	}
	if first, last := mails[0].ID, mails[len(mails)-1].ID; first != fmt.Sprint(catcherHolds+4) || last != "5" {
		t.Errorf("from %s to %s", first, last)
	}
	if m, ok := c.Mail("7"); !ok || m.Text != "text" || m.HTML != "<p>html" {
		t.Errorf("mail 7: %+v, %v", m, ok)
	}
	if _, ok := c.Mail("0"); ok {
		t.Error("the oldest mail is still there")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if c.Send(ended, Message{}) == nil {
		t.Error("took a mail after its context ended")
	}
}
