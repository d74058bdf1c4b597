package signintest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// Person is somebody in front of one browser.
type Person struct {
	W       *World
	Mail    string
	Account account.ID
	Keys    *softkey.Authenticator // the passkeys at hand
	Cookie  string                 // of the browser
	JKT     string                 // of the browser's binding key; "" when it has none
	Iss     session.Issued         // what the browser was handed last
	Secrets []string               // everything secret it ever saw
}

var ids atomic.Int64

// NewPerson has an empty browser.
func (w *World) NewPerson() *Person {
	n := ids.Add(1)
	return &Person{
		W: w, Mail: fmt.Sprintf("kim%d@example.org", n), JKT: fmt.Sprintf("key-of-browser-%d", n),
		Keys: &softkey.Authenticator{}, Cookie: device.NewCookie(),
	}
}

// Person has signed up.
func (w *World) Person() *Person {
	w.T.Helper()
	p := w.NewPerson()
	w.Must(p.SignUp())
	return p
}

// Elsewhere is the same person in front of another browser, with the same
// passkeys and signed out.
func (p *Person) Elsewhere() *Person {
	q := p.W.NewPerson()
	q.Mail, q.Account, q.Keys = p.Mail, p.Account, p.Keys
	return q
}

// At is the same browser talking to another process.
func (p *Person) At(w *World) *Person {
	q := *p
	q.W, q.Secrets = w, slices.Clip(p.Secrets) // two of them append
	return &q
}

// Agent is what the browser says about itself.
var Agent = device.UserAgent{Browser: "Firefox", System: "Linux"}

// From is what the edge knows of a request, with a fresh proof.
func (p *Person) From() signin.From {
	f := signin.From{Cookie: p.Cookie, Agent: Agent, Addr: Home, Kind: session.Web, JKT: p.JKT}
	if p.JKT != "" {
		f.JTI = fmt.Sprintf("jti-%d", ids.Add(1))
	}
	return f
}

// Cause is who asks.
func (p *Person) Cause() store.Cause {
	actor := "anonymous"
	if p.Account != "" {
		actor = "account:" + string(p.Account)
	}
	return store.Cause{Actor: actor, Addr: Home, Request: fmt.Sprintf("REQ-%d", ids.Add(1))}
}

// Browser shows the passkey dialogs.
func (p *Person) Browser() *softkey.Browser { return &softkey.Browser{Origin: Origin, Keys: p.Keys} }

func (p *Person) saw(secrets ...string) {
	for _, s := range secrets {
		if s != "" {
			p.Secrets = append(p.Secrets, s)
		}
	}
}

func (p *Person) took(iss session.Issued) {
	p.Iss = iss
	p.saw(iss.Access, iss.Refresh)
}

func (p *Person) entered(in signin.Entered) {
	p.Account = in.Account
	if in.DeviceCookie != "" {
		p.Cookie = in.DeviceCookie
	}
	p.saw(p.Cookie)
	p.took(in.Issued)
}

// SignUp makes an account.
func (p *Person) SignUp(tricks ...softkey.Trick) error {
	ctx := context.Background()
	options, ticket, err := p.W.SignIn.BeginSignUp(ctx, p.Mail, "en")
	if err != nil {
		return err
	}
	p.saw(ticket) // the challenge is kept, spent, with the evidence of the key (DESIGN §5)
	answer, err := p.Browser().Create(options, tricks...)
	if err != nil {
		return err
	}
	in, err := p.W.SignIn.FinishSignUp(ctx, p.Cause(), ticket, answer, p.From())
	if err == nil {
		p.entered(in)
	}
	return err
}

// SignInWith signs in with a passkey.
func (p *Person) SignInWith(f signin.From, tricks ...softkey.Trick) error {
	ctx := context.Background()
	options, err := p.W.SignIn.BeginSignIn(ctx)
	if err != nil {
		return err
	}
	p.saw(Challenge(options))
	answer, err := p.Browser().Get(options, tricks...)
	if err != nil {
		return err
	}
	in, err := p.W.SignIn.FinishSignIn(ctx, store.Cause{Actor: "anonymous", Addr: Home}, answer, f)
	if err == nil {
		p.entered(in)
	}
	return err
}

// In signs in with a passkey and stops the test when it cannot.
func (p *Person) In() *Person {
	p.W.T.Helper()
	p.W.Must(p.SignInWith(p.From()))
	return p
}

// SignInByCode signs in with a recovery code.
func (p *Person) SignInByCode(code string) error {
	p.saw(code)
	in, err := p.W.SignIn.SignInWithCode(context.Background(), store.Cause{Actor: "anonymous", Addr: Home}, p.Mail, code, p.From())
	if err == nil {
		p.entered(in)
	}
	return err
}

// Check shows the access token, as every request does.
func (p *Person) Check() (session.Session, error) {
	live, err := p.W.Sessions.Check(context.Background(), p.Iss.Access, Home, "")
	return live.Session, err
}

// Session is who is signed in; it stops the test when nobody is.
func (p *Person) Session() session.Session {
	p.W.T.Helper()
	ses, err := p.Check()
	p.W.Must(err)
	return ses
}

// Refresh turns the refresh token over.
func (p *Person) Refresh() error {
	f := p.From()
	iss, err := p.W.Sessions.Rotate(context.Background(), store.Cause{Actor: "anonymous", Addr: Home},
		session.Refresh{Presented: p.Iss.Refresh, JKT: f.JKT, JTI: f.JTI, Addr: Home})
	if err == nil {
		p.took(iss)
	}
	return err
}

// StepUp gives a touch for an act.
func (p *Person) StepUp(kind, object string, tricks ...softkey.Trick) error {
	ses, err := p.Check()
	if err != nil {
		return err
	}
	return p.StepUpOn(ses, device.Act{Kind: kind, Object: object}, tricks...)
}

// StepUpOn gives a touch for an act of a session.
func (p *Person) StepUpOn(ses session.Session, act device.Act, tricks ...softkey.Trick) error {
	ctx := context.Background()
	options, err := p.W.SignIn.BeginStepUp(ctx, ses, act)
	if err != nil {
		return err
	}
	p.saw(Challenge(options))
	answer, err := p.Browser().Get(options, tricks...)
	if err != nil {
		return err
	}
	iss, err := p.W.SignIn.FinishStepUp(ctx, p.Cause(), ses, act, answer, p.From())
	if err == nil {
		p.took(iss)
	}
	return err
}

// Touch is StepUp that must work.
func (p *Person) Touch(kind, object string) *Person {
	p.W.T.Helper()
	p.W.Must(p.StepUp(kind, object))
	return p
}

// NewCodes makes recovery codes.
func (p *Person) NewCodes() ([]string, error) {
	ses, err := p.Check()
	if err != nil {
		return nil, err
	}
	codes, err := p.W.SignIn.NewCodes(context.Background(), p.Cause(), ses)
	p.saw(codes...)
	return codes, err
}

// Codes is NewCodes that must work.
func (p *Person) Codes() []string {
	p.W.T.Helper()
	codes, err := p.NewCodes()
	p.W.Must(err)
	return codes
}

// AddKey adds the passkey of another authenticator, after a touch for it was given.
func (p *Person) AddKey(keys *softkey.Authenticator, name string) (device.Key, error) {
	ses, err := p.Check()
	if err != nil {
		return device.Key{}, err
	}
	ctx := context.Background()
	options, err := p.W.SignIn.BeginAddKey(ctx, ses)
	if err != nil {
		return device.Key{}, err
	}
	answer, err := (&softkey.Browser{Origin: Origin, Keys: keys}).Create(options)
	if err != nil {
		return device.Key{}, err
	}
	return p.W.SignIn.FinishAddKey(ctx, p.Cause(), ses, name, answer, nil)
}

// SecondKey adds one more passkey in one go.
func (p *Person) SecondKey() (*softkey.Authenticator, device.Key) {
	p.W.T.Helper()
	keys := &softkey.Authenticator{}
	k, err := p.Touch(device.ActKeysAdd, "").AddKey(keys, "Spare")
	p.W.Must(err)
	return keys, k
}

// ListKeys are the passkeys of the account, oldest first.
func (p *Person) ListKeys() (keys []device.Key) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		keys, err = p.W.Devices.Keys(tx, p.Account)
		return err
	}))
	return keys
}

// Sessions are those of the account, as its owner sees them.
func (p *Person) Sessions() (live, ended []session.Session) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		live, ended, err = p.W.Sessions.List(tx, p.Account)
		return err
	}))
	return live, ended
}

// VerifyMail follows the link that was mailed.
func (p *Person) VerifyMail() {
	p.W.T.Helper()
	ctx := context.Background()
	var contacts []account.Contact
	p.W.Must(p.W.DB.View(ctx, func(tx *store.Tx) (err error) {
		contacts, err = p.W.Accounts.Contacts(tx, p.Account)
		return err
	}))
	token := p.W.Accounts.VerifyToken(contacts[0].ID, p.W.DB.Now())
	p.saw(token)
	_, err := p.W.SignIn.ConfirmContact(ctx, p.Cause(), token)
	p.W.Must(err)
}

// AddKeyOnThisDevice gives the browser a passkey of its own and signs in with it.
func (p *Person) AddKeyOnThisDevice() (device.Key, error) {
	if err := p.StepUp(device.ActKeysAdd, ""); err != nil {
		return device.Key{}, err
	}
	keys := &softkey.Authenticator{}
	k, err := p.AddKey(keys, "Here")
	if err != nil {
		return k, err
	}
	p.Keys = keys
	return k, p.SignInWith(p.From())
}
