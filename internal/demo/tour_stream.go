package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"keyward/internal/softkey"
)

// botStream is the bot's open stream and what it read there.
type botStream struct {
	handshake *http.Request
	owner     time.Time // when the end of the key was acknowledged to its owner

	mu     sync.Mutex // guards the rest
	texts  []string
	last   time.Time // of the last message
	closed *softkey.Closed
	at     time.Time // of the close
	over   bool
}

const streamPatience = 5 * time.Second

func (b *botStream) run(s *softkey.Socket, now func() time.Time) {
	defer s.Close()
	for {
		text, err := s.Next()
		b.mu.Lock()
		if err != nil {
			_ = errors.As(err, &b.closed)
			b.at, b.over = now(), true
			b.mu.Unlock()
			return
		}
		b.texts, b.last = append(b.texts, text), now()
		b.mu.Unlock()
	}
}

// until waits for something to be so.
func (b *botStream) until(ctx context.Context, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	for {
		b.mu.Lock()
		so := is()
		b.mu.Unlock()
		if so {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("not in the stream within five seconds")
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *story) openStream(r *http.Request) (*answer, *softkey.Socket, error) {
	start := s.Now()
	socket, res, err := softkey.OpenTLS(r, s.Transport.TLSClientConfig)
	if res == nil {
		return nil, nil, err
	}
	a := &answer{sent: sent{r, nil}, status: res.StatusCode, header: res.Header, took: s.Now().Sub(start)}
	if socket == nil {
		return a, nil, a.read(res)
	}
	return a, socket, nil
}

func streamOpens() step {
	return step{"bot", "opens a stream, with a handshake that it signed", want{101, "", "told of its own orders"}, func(ctx context.Context, s *story) (*answer, error) {
		s.stream = &botStream{handshake: s.bot.StreamRequest(s.Gate, "/v1/stream", s.Now())}
		s.stream.handshake.Header.Set("X-Forwarded-For", botHome)
		a, socket, err := s.openStream(s.stream.handshake)
		if socket == nil {
			return a, err
		}
		go s.stream.run(socket, s.Now)
		return a, nil
	}}
}

func streamTells() step {
	return step{"bot", "places an order and reads of it in the stream", want{200, "", "there before the next line"}, func(ctx context.Context, s *story) (*answer, error) {
		a, err := s.asBot(ctx, botCall{method: "POST", path: "/v1/orders", body: `{"symbol":"BTC-USD","side":"sell","quantity":"0.2","price":"900"}`})
		if err := well(a, err); err != nil {
			return a, err
		}
		return a, s.stream.until(ctx, func() bool {
			for _, text := range s.stream.texts {
				if strings.Contains(text, `"event":"order"`) && strings.Contains(text, `"quantity":"0.2"`) {
					return true
				}
			}
			return false
		})
	}}
}

func streamAgain() step {
	return step{"thief", "opens a stream with the same handshake", want{409, "REPLAYED", ""}, func(ctx context.Context, s *story) (*answer, error) {
		a, socket, err := s.openStream(s.stream.handshake)
		if socket != nil {
			socket.Close()
			return a, errors.New("it opened")
		}
		return a, err
	}}
}

// The exchange says four times a second what time it is, so half a second of silence is
// one.
func streamEnds() step {
	return step{"the gate", "closes the stream of that key; nothing more arrives", want{fact: "closed, and silent"}, func(ctx context.Context, s *story) (*answer, error) {
		b := s.stream
		if b == nil {
			return nil, errors.New("there is no stream")
		}
		if err := b.until(ctx, func() bool { return b.over }); err != nil {
			return nil, err
		}
		time.Sleep(500 * time.Millisecond)
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case b.closed == nil || b.closed.Status != 1008:
			return nil, fmt.Errorf("it was closed otherwise: %v", b.closed)
		case b.last.After(b.owner):
			return nil, fmt.Errorf("a message arrived %s after the owner was told of the end", b.last.Sub(b.owner))
		}
		return &answer{note: fmt.Sprintf("closed %.1f ms before its owner was answered: %q", float64(b.owner.Sub(b.at).Microseconds())/1000, b.closed.Reason)}, nil
	}}
}
