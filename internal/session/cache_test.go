package session

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"keyward/internal/account"
	"keyward/internal/audit"
)

// The race that a cache of sessions must win: a reader has the row as it was, the
// row changes, and only then does the reader put down what it has. Each line is
// one order of events; afterwards memory must not hold the stale session.
func TestAFillNeverBringsBackWhatHasChanged(t *testing.T) {
	now := time.Now()
	stale := &Session{ID: "ses_1", Account: "acc_1", Version: 1}
	fresh := &Session{ID: "ses_1", Account: "acc_1", Version: 2}
	for _, row := range []struct {
		name string
		do   func(s *Service)
		want *Session // what memory answers; nil: nothing
	}{
		{"nothing changed", func(s *Service) {
			s.cache.reserve("ses_1").fill(stale, now)
		}, stale},
		{"the session changed between read and fill", func(s *Service) {
			sl := s.cache.reserve("ses_1")
			s.Heard(audit.Effect{Kind: "session", ID: "ses_1", Version: 2}, audit.Record{})
			sl.fill(stale, now)
		}, nil},
		{"all sessions of the account ended between read and fill", func(s *Service) {
			sl := s.cache.reserve("ses_1")
			s.Heard(audit.Effect{Kind: "epoch", ID: "acc_1"}, audit.Record{})
			sl.fill(stale, now)
		}, nil},
		{"those of another account did: nobody knows yet whose the place is", func(s *Service) {
			sl := s.cache.reserve("ses_1")
			s.Heard(audit.Effect{Kind: "epoch", ID: "acc_2"}, audit.Record{})
			sl.fill(stale, now)
		}, nil},
		{"everything was forgotten between read and fill", func(s *Service) {
			sl := s.cache.reserve("ses_1")
			s.cache.forgetAll()
			sl.fill(stale, now)
		}, nil},
		{"a second reader came after the change and was quicker", func(s *Service) {
			slow := s.cache.reserve("ses_1")
			s.cache.forget("ses_1")
			quick := s.cache.reserve("ses_1")
			quick.fill(fresh, now)
			slow.fill(stale, now)
		}, fresh},
		{"a second reader came after the change and was slower", func(s *Service) {
			slow := s.cache.reserve("ses_1")
			s.cache.forget("ses_1")
			quick := s.cache.reserve("ses_1")
			slow.fill(stale, now)
			quick.fill(fresh, now)
		}, fresh},
		{"two readers before the change, both late", func(s *Service) {
			one, two := s.cache.reserve("ses_1"), s.cache.reserve("ses_1")
			s.cache.forget("ses_1")
			one.fill(stale, now)
			two.fill(stale, now)
		}, nil},
		{"a read that failed leaves no place behind", func(s *Service) {
			s.cache.reserve("ses_1").drop()
		}, nil},
		{"a read that failed takes no place away from a later one", func(s *Service) {
			slow := s.cache.reserve("ses_1")
			s.cache.reserve("ses_1").fill(fresh, now)
			slow.drop()
		}, fresh},
		{"an ended session is not kept", func(s *Service) {
			s.cache.reserve("ses_1").fill(&Session{ID: "ses_1", EndedAt: now}, now)
		}, nil},
		{"a change to another session leaves it alone", func(s *Service) {
			s.cache.reserve("ses_1").fill(stale, now)
			s.Heard(audit.Effect{Kind: "session", ID: "ses_2"}, audit.Record{})
			s.Heard(audit.Effect{Kind: "family", ID: "ses_1"}, audit.Record{})
			s.Heard(audit.Effect{Kind: "epoch", ID: "acc_2"}, audit.Record{})
		}, stale},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &Service{}
			s.cache.init(nil)
			row.do(s)
			if got, _ := s.cache.get("ses_1", now); got != row.want {
				t.Errorf("memory answers %+v, want %+v", got, row.want)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var c cache
	c.init(nil)
	for i := range 2 * cacheEntries {
		id := ID(fmt.Sprintf("ses_%08d", i))
		c.reserve(id).fill(&Session{ID: id, Account: account.ID("acc_1")}, time.Now())
	}
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].entries)
	}
	if n > cacheEntries || n < cacheEntries*9/10 {
		t.Errorf("%d entries, bound %d", n, cacheEntries)
	}
}

// A key of the map that is a piece of a request's header would hold the whole
// header in memory for as long as the session.
func TestMemoryHoldsNoPieceOfARequest(t *testing.T) {
	var c cache
	c.init(nil)
	header := "kw_access=kwa_ses_1.fam_1 and four kilobytes more"
	piece := ID(header[14:19])
	c.reserve(piece).fill(&Session{ID: "ses_1"}, time.Now())
	for id := range c.shard(piece).entries {
		if unsafe.StringData(string(id)) == unsafe.StringData(string(piece)) {
			t.Error("the key shares memory with the header")
		}
	}
}
