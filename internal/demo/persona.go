package demo

import (
	"context"
	"errors"
	"net/http"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/notify"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
)

// Where the people of the stage are: addresses that RFC 5737 keeps for examples.
// The thief has a room in another town, and a chair in the owner's café.
const (
	ownerAddr  = "203.0.113.20"
	nearbyAddr = "203.0.113.77" // the owner's network
	farAddr    = "198.51.100.9"

	ownerAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36"
	thiefAgent = "curl/8.19.0"
)

// persona is somebody who exists for the demo only: an account whose passkey
// lives in this process.
type persona struct {
	mail string
	keys *softkey.Authenticator
}

var errNoPersona = errors.New("the demo's person could not sign up")

// settle makes the persona with the owner's browser: sign-up with a passkey, and
// the link of the mail followed, all over HTTP as anybody would.
func (s *Stage) settle(ctx context.Context) (*persona, error) {
	if s.who != nil {
		return s.who, nil
	}
	// A database that was kept (--dir) may know an earlier persona, whose passkey
	// went with its process. Its address is taken then.
	id := keyring.NewID("p_", s.DB.Now())
	for _, mail := range []string{"owner@mail.example", "owner-" + id[len(id)-5:] + "@mail.example"} {
		who, err := s.enrol(ctx, mail)
		if err != nil {
			return nil, err
		}
		if who != nil {
			s.who = who
			return who, nil
		}
	}
	return nil, errNoPersona
}

// enrol signs up with one address; nil when the mail says that it is taken.
func (s *Stage) enrol(ctx context.Context, mail string) (*persona, error) {
	owner := s.newOwner(s.Phones.Passkey())
	a, err := owner.signUp(ctx, mail)
	if err := well(a, err); err != nil {
		return nil, err
	}
	m, err := await(ctx, s.Catcher, mail, func(notify.Message) bool { return true })
	if err != nil {
		return nil, err
	}
	link := linkIn(m, verifyLink)
	if link == "" {
		return nil, nil
	}
	if err := well(owner.post(ctx, "/mail/verify", map[string]string{"t": link})); err != nil {
		return nil, err
	}
	who := &persona{mail: mail, keys: owner.keys}
	if err := s.seat(ctx, owner, who, a); err != nil {
		return nil, err
	}
	return who, nil
}

// signIn is the button "sign in as the demo's person": its passkey answers here,
// in the process, and the browser that asked gets the session.
func (s *Stage) signIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		edge.Fail(w, r, edge.E("bad_request").Because(err))
		return
	}
	s.acting.Lock()
	defer s.acting.Unlock()
	who, err := s.settle(r.Context())
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, err := s.SignIn.BeginSignIn(r.Context())
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	response, err := (&softkey.Browser{Origin: s.Origin, Keys: who.keys}).Get(options)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	cause := edge.CauseFrom(r.Context())
	cookie, _ := edge.DeviceCookie.Read(r)
	in, err := s.SignIn.FinishSignIn(r.Context(), cause, response, signin.From{
		Cookie: cookie, Agent: device.Agent(r.UserAgent()), Addr: cause.Addr, Kind: session.Web,
	})
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.Pages.Hand(w, in, false)
	http.Redirect(w, r, s.Pages.Local(r.PostForm.Get("to")), http.StatusSeeOther)
}

// touch is the button "use the demo passkey" on the step-up page: the persona's
// passkey answers for the browser that holds the persona's session. Another
// account's session gets the refusal that any foreign passkey would.
func (s *Stage) touch(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		edge.Fail(w, r, edge.E("bad_request").Because(err))
		return
	}
	ses, err := s.Pages.Session(r)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	act, err := device.ParseAct(r.PostForm.Get("act"), r.PostForm.Get("object"))
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.acting.Lock()
	defer s.acting.Unlock()
	who, err := s.settle(r.Context())
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, err := s.SignIn.BeginStepUp(r.Context(), ses, act)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	response, err := (&softkey.Browser{Origin: s.Origin, Keys: who.keys}).Get(options)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	cause := edge.CauseFrom(edge.WithActor(r.Context(), "account:"+string(ses.Account)))
	iss, err := s.SignIn.FinishStepUp(r.Context(), cause, ses, act, response, signin.From{
		Agent: device.Agent(r.UserAgent()), Addr: cause.Addr, Kind: session.Web, Remember: ses.Remember,
	})
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.Pages.Renewed(w, iss)
	http.Redirect(w, r, s.Pages.Local(r.PostForm.Get("to")), http.StatusSeeOther)
}
