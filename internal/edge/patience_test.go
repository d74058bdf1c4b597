package edge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

func TestPatience(t *testing.T) {
	for _, tc := range []struct {
		name string
		see  func(t *testing.T, p *patience, hangUp context.CancelFunc)
	}{
		{"a handler that waits is told when its time is up", func(t *testing.T, p *patience, _ context.CancelFunc) {
			<-p.Done()
			if !errors.Is(p.Err(), context.DeadlineExceeded) {
				t.Errorf("%v", p.Err())
			}
		}},
		{"whoever asks for the deadline gets one, and it is kept", func(t *testing.T, p *patience, _ context.CancelFunc) {
			at, ok := p.Deadline()
			if !ok || time.Until(at) != time.Second {
				t.Errorf("%v, %v", at, ok)
			}
			time.Sleep(2 * time.Second)
			if !errors.Is(p.Err(), context.DeadlineExceeded) {
				t.Errorf("%v", p.Err())
			}
		}},
		{"a child of the library's own kind ends with it", func(t *testing.T, p *patience, _ context.CancelFunc) {
			child, cancel := context.WithCancel(p)
			defer cancel()
			<-child.Done()
			if !errors.Is(child.Err(), context.DeadlineExceeded) {
				t.Errorf("%v", child.Err())
			}
		}},
		{"a client that hangs up ends it before anybody waited", func(t *testing.T, p *patience, hangUp context.CancelFunc) {
			hangUp()
			if !errors.Is(p.Err(), context.Canceled) || p.begun != nil {
				t.Errorf("%v, begun %v", p.Err(), p.begun)
			}
		}},
		{"a client that hangs up wakes whoever waits", func(t *testing.T, p *patience, hangUp context.CancelFunc) {
			time.AfterFunc(time.Millisecond, hangUp)
			<-p.Done()
			if !errors.Is(p.Err(), context.Canceled) {
				t.Errorf("%v", p.Err())
			}
		}},
		{"values are found before and after, and looking makes no timer", func(t *testing.T, p *patience, _ context.CancelFunc) {
			if p.Value(key{}) != 7 || p.begun != nil {
				t.Errorf("%v, begun %v", p.Value(key{}), p.begun)
			}
			p.Done()
			if p.Value(key{}) != 7 {
				t.Errorf("%v", p.Value(key{}))
			}
		}},
		{"once the answer is out nothing waits any more", func(t *testing.T, p *patience, _ context.CancelFunc) {
			done := p.Done()
			p.end()
			<-done
			if !errors.Is(p.Err(), context.Canceled) {
				t.Errorf("%v", p.Err())
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, hangUp := context.WithCancel(context.WithValue(t.Context(), key{}, 7))
				defer hangUp()
				p := &patience{Context: parent, limit: time.Second}
				defer p.end()
				tc.see(t, p, hangUp)
			})
		})
	}
}
