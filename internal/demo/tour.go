package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"keyward/internal/keyring"
	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// TourParts are what the tour needs of the demo it plays against.
type TourParts struct {
	Out          io.Writer
	Origin       string
	Exchange     string          // origin of the demo exchange
	Gate         string          // origin of the exchange's API for bots
	GateName     string          // the same as apps name it in their proofs
	ExchangeAddr string          // where its name leads: resolvers other than a browser's do not know *.localhost
	App          string          // client id of the demo's wallet app
	AppBack      string          // the address it registered
	PayerSecret  string          // of the back end that asks for approvals
	Catcher      *notify.Catcher // stands for Mina's mailbox
	Transport    *http.Transport // trusts the demo's certificate, if it has one
	Phones       Phones          // whose word the demo takes
	Curl         bool            // print each request as curl would send it
	Now          func() time.Time
	Verify       func(context.Context) (Proof, error) // the whole log
}

// Proof is the log after the tour.
type Proof struct {
	Size int64
	Root tlog.Hash
}

// ErrTour: at least one line said FAIL.
var ErrTour = errors.New("the tour did not hold")

// step is one line of the story.
type step struct {
	actor, act string
	want       want
	do         func(context.Context, *story) (*answer, error)
}

// want is what a step must come to. What cannot be said by status and code is
// said in fact, and the step itself checks it.
type want struct {
	status int // 0: the step is no request of its own
	code   string
	fact   string
}

func (w want) String() string {
	switch {
	case w.status == 0:
		return w.fact
	case w.code != "":
		return fmt.Sprintf("%d %s", w.status, w.code)
	case w.fact != "":
		return fmt.Sprintf("%d, %s", w.status, w.fact)
	}
	return fmt.Sprint(w.status)
}

// met holds an answer against what was wanted.
func (w want) met(a *answer, err error) error {
	switch {
	case err != nil:
		return err
	case w.status == 0:
		return nil
	case a == nil:
		return errors.New("no answer")
	case a.status != w.status || a.Code != w.code:
		return fmt.Errorf("answered %s", want{status: a.status, code: a.Code})
	}
	return nil
}

// story is the tour under way: who is there, and what the steps hand on.
type story struct {
	TourParts
	mail    string
	passkey *softkey.Authenticator // synced over Mina's devices

	laptop, tablet, phone, library, borrowed, thief *visitor
	thiefThere, tabletThere                         *visitor // the same browsers at the exchange
	newPhone, relay                                 *visitor // a phone that wants in, and a thief's
	app                                             *visitor // a wallet app on the tablet: no cookies, its own key
	wallet                                          wallet

	link   string   // of a mail
	spent  []string // refresh tokens of the laptop that were turned over
	codes  []string // recovery codes
	pushed string   // where the exchange sent the tablet, at Keyward
	ask    string   // the request it waits with there
	bot    *softkey.Bot
	rotated
	captured *http.Request // an order that a thief read along
	stream   *botStream
	sub      string       // id of a sub-account
	order    string       // id of an order in it
	mover    *softkey.Bot // that moves money into it

	android *softkey.App // Mina's phone

	way string // where Keyward sent the tablet back to
	key string // id of a passkey

	code, join string // of a new device

	payer  treasury // the exchange's back end for money
	paid   payout   // a withdrawal of Mina's
	intent string   // the same at Keyward
	taxi   string   // the device that was lost

	names  names
	proofs map[string]string // who made a proof
	sent   []line            // of this step
}

// Tour plays the story over HTTP as outsiders see it, a line for each step. The
// error is ErrTour unless every line held.
func Tour(ctx context.Context, p TourParts) error { return play(ctx, p, steps()) }

// steps of the story, in order. It grows with every capability.
func steps() []step {
	var all []step
	for _, chapter := range [][]step{signUp(), rotation(), theft(), unbound(), exchanges(), apps(), connected(), codes(), passkeys(), phones(), money(), bots(), subAccounts(), newDevices(), lost(), forgeries(), freeze()} {
		all = append(all, chapter...)
	}
	return all
}

func play(ctx context.Context, p TourParts, steps []step) error {
	s := newStory(p)
	failed := 0
	if p.Curl {
		io.WriteString(p.Out, curlHelp)
	}
	for i, st := range steps {
		s.sent = nil
		start := p.Now()
		a, err := st.do(ctx, s)
		took := p.Now().Sub(start)
		err = st.want.met(a, err)
		mark := "ok"
		if err != nil {
			mark = "FAIL"
			failed++
		}
		fmt.Fprintf(p.Out, "%2d  %-10s %-62s %-36s %-4s %7.1f ms\n", i+1, st.actor, st.act, st.want, mark, float64(took.Microseconds())/1000)
		switch {
		case err != nil:
			fmt.Fprintf(p.Out, "    %v\n", err)
		case a != nil && a.note != "":
			fmt.Fprintf(p.Out, "    %s\n", a.note)
		}
		if p.Curl {
			for _, l := range s.sent {
				fmt.Fprintf(p.Out, "      %s\n", l)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	proof, err := p.Verify(ctx)
	if err != nil {
		fmt.Fprintf(p.Out, "\nlog FAIL: %v\n", err)
		failed++
	} else {
		fmt.Fprintf(p.Out, "\nlog: %d events, root %s, verified\n", proof.Size, proof.Root)
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d of %d lines failed", ErrTour, failed, len(steps)+1)
	}
	return nil
}

// newStory seats everybody.
func newStory(p TourParts) *story {
	s := &story{TourParts: p, passkey: &softkey.Authenticator{}, names: names{}, proofs: map[string]string{}}
	// A database that was kept knows the Mina of an earlier tour.
	id := keyring.NewID("p_", p.Now())
	s.mail = "mina-" + id[len(id)-5:] + "@mail.example"
	client := browsing(s.transport())
	at := func(origin, name, agent, from string, keys *softkey.Authenticator, bind *softkey.BindingKey) *visitor {
		v := &visitor{name: name, origin: origin, client: client, agent: agent, from: from, keys: keys, bind: bind, now: p.Now}
		v.sent = func(q sent) { s.sent = append(s.sent, s.curl(v, q)) }
		v.kept = func(kind, secret string) { s.names.of(v.name, kind, secret) }
		return v
	}
	const (
		home    = "203.0.113.20"
		mobile  = "203.0.113.180"
		library = "192.0.2.44"
	)
	s.laptop = at(p.Origin, "LAPTOP", ownerAgent, home, s.passkey, softkey.NewBindingKey())
	s.phone = at(p.Origin, "PHONE", "okhttp/5.3.2 (Android 16)", mobile, s.passkey, softkey.NewBindingKey())
	s.tablet = at(p.Origin, "TABLET", "Mozilla/5.0 (iPad; CPU OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Safari/604.1", home, s.passkey, softkey.NewBindingKey())
	s.library = at(p.Origin, "LIBRARY", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", library, s.passkey, nil)
	s.borrowed = at(p.Origin, "BORROWED", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15", library, &softkey.Authenticator{}, softkey.NewBindingKey())
	s.thief = at(p.Origin, "THIEF", thiefAgent, farAddr, &softkey.Authenticator{}, nil)
	s.newPhone = at(p.Origin, "NEW_PHONE", "okhttp/5.3.2 (Android 16)", "203.0.113.181", &softkey.Authenticator{Local: true}, softkey.NewBindingKey())
	s.relay = at(p.Origin, "RELAY", "okhttp/5.3.2 (Android 16)", farAddr, &softkey.Authenticator{Local: true}, softkey.NewBindingKey())
	s.app = at(p.Origin, "APP", "Wallet/1.0 (iPad)", home, nil, softkey.NewBindingKey())
	s.thiefThere = at(p.Exchange, "THIEF", s.thief.agent, "", nil, nil)
	s.tabletThere = at(p.Exchange, "TABLET", s.tablet.agent, "", nil, nil)
	s.payer = treasury{at(p.Origin, "EXCHANGE", "treasury/1.0", "", nil, nil), p.PayerSecret, at(p.Exchange, "EXCHANGE", "treasury/1.0", "", nil, nil)}
	return s
}

// transport finds the exchange by its address and everything else as usual.
func (s *story) transport() *http.Transport {
	t := s.Transport.Clone()
	t.Proxy = nil // the tour never leaves this machine
	exchange := hostPort(s.Exchange)
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == exchange {
			addr = s.ExchangeAddr
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	return t
}
