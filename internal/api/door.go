package api

import (
	"context"
	"encoding/json"
	"net/http"

	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin"
)

// none is the output of operations that answer 204, and the input of those that
// take nothing.
type none struct{}

// Options are for navigator.credentials or the passkey call of a phone.
type Options struct {
	Options json.RawMessage `json:"options" doc:"For PublicKeyCredential.parseCreationOptionsFromJSON or parseRequestOptionsFromJSON."`
}

type optionsOut struct{ Body Options }

func optionsOf(raw []byte, err error) (*optionsOut, error) {
	if err != nil {
		return nil, err
	}
	return &optionsOut{Options{raw}}, nil
}

type tokensOut struct{ Body Tokens }

// enteredOf hands out the first tokens of a session.
func (s *Server) enteredOf(in signin.Entered, err error) (*tokensOut, error) {
	return s.issuedOf(in.Issued, err)
}

func (s *Server) issuedOf(iss session.Issued, err error) (*tokensOut, error) {
	if err != nil {
		return nil, err
	}
	return &tokensOut{tokensOf(iss, s.DB.Now())}, nil
}

// Credential is what the authenticator answered, as toJSON() writes it, or the answer of
// an app on a phone (docs/mobile.md).
type Credential = json.RawMessage

// door registers how people come in and stay in.
func (s *Server) door() {
	add(s, operation{
		id: "sign-up-begin", call: "POST /sign-up", tag: "door", access: open, limit: edge.ClassSignUp, codes: "sign_up_closed",
		summary: "Begin a sign-up", about: "Answers the same whether or not the address is known here; nothing is stored. The ticket is good for 15 minutes.",
	}, s.signUpBegin)
	add(s, operation{
		id: "sign-up-finish", call: "POST /sign-up/finish", tag: "door", access: binding, limit: edge.ClassSignUp,
		codes:   "sign_up_closed passkey_not_accepted challenge_expired challenge_spent credential_taken",
		summary: "Make the account with its first passkey", status: http.StatusCreated,
	}, s.signUpFinish)
	add(s, operation{
		id: "enrolment-begin", call: "POST /enrolment", tag: "door", access: open, limit: edge.ClassSignUp,
		codes:   "challenge_expired account_unknown account_frozen account_closed credential_taken",
		summary: "Begin to add the first passkey of an account the exchange made", about: "The ticket comes from the exchange's back end.",
	}, s.enrolmentBegin)
	add(s, operation{
		id: "enrolment-finish", call: "POST /enrolment/finish", tag: "door", access: binding, limit: edge.ClassSignUp,
		codes:   "passkey_not_accepted challenge_expired challenge_spent account_unknown account_frozen account_closed credential_taken step_up_required",
		summary: "Add the first passkey and sign in", about: "Uses up every ticket of the account: a second key needs the first one.", status: http.StatusCreated,
	}, s.enrolmentFinish)
	add(s, operation{
		id: "sign-in-begin", call: "POST /sign-in", tag: "door", access: open, limit: edge.ClassSignInBegin,
		summary: "Begin a sign-in", about: "There is no list of allowed credentials: the authenticator finds the passkey.",
	}, s.signInBegin)
	add(s, operation{
		id: "sign-in-finish", call: "POST /sign-in/finish", tag: "door", access: binding, limit: edge.ClassSignInFinish,
		codes:   "passkey_not_accepted challenge_expired challenge_spent key_unknown account_closed",
		summary: "Sign in with a passkey", about: "The session is bound to the key of the proof. The same key is the same device.",
	}, s.signInFinish)
	add(s, operation{
		id: "sign-in-code", call: "POST /sign-in/code", tag: "door", access: binding, limit: edge.ClassSignInFinish,
		codes:   "code_not_accepted account_frozen account_closed",
		summary: "Sign in with a recovery code", about: "Uses the code up. The session can look, end sessions and freeze; it never adds a key.",
	}, s.signInCode)
	add(s, operation{
		id: "session-refresh", call: "POST /session/refresh", tag: "door", access: offering, limit: edge.ClassRefresh,
		codes:   "refresh_invalid refresh_superseded refresh_reused refresh_wrong_key proof_replayed",
		summary: "Turn the refresh token over",
		about: "After a lost answer send the same token again: the same child comes back. On refresh_superseded read your store again, another part of the app was faster. " +
			"A bound token without its proof is refused with refresh_wrong_key, and the owner is told.",
	}, s.refresh)
}

type signUpIn struct {
	Body struct {
		Mail string `json:"mail" minLength:"3" maxLength:"1016"`
		Lang string `json:"lang,omitempty" enum:"en,ko" doc:"Of pages and mails; the request's language when absent."`
	} `nameHint:"SignUpBody"`
}

// SignUp is a sign-up that has begun.
type SignUp struct {
	Options json.RawMessage `json:"options" doc:"For PublicKeyCredential.parseCreationOptionsFromJSON."`
	Ticket  string          `json:"ticket" doc:"Sealed; send it back with the credential."`
}

type signUpOut struct{ Body SignUp }

func (s *Server) signUpBegin(ctx context.Context, in *signUpIn) (*signUpOut, error) {
	lang := in.Body.Lang
	if lang == "" {
		lang = edge.Lang(request(ctx))
	}
	options, ticket, err := s.SignIn.BeginSignUp(ctx, in.Body.Mail, lang)
	if err != nil {
		return nil, err
	}
	return &signUpOut{SignUp{options, ticket}}, nil
}

type ticketIn struct {
	Body struct {
		Ticket     string     `json:"ticket" maxLength:"4096"`
		Credential Credential `json:"credential"`
	} `nameHint:"TicketBody"`
}

func (s *Server) signUpFinish(ctx context.Context, in *ticketIn) (*tokensOut, error) {
	return s.enteredOf(s.SignIn.FinishSignUp(ctx, cause(ctx), in.Body.Ticket, in.Body.Credential, s.from(ctx, false)))
}

type enrolmentIn struct {
	Body struct {
		Ticket string `json:"ticket" maxLength:"1024"`
	} `nameHint:"EnrolmentBody"`
}

func (s *Server) enrolmentBegin(ctx context.Context, in *enrolmentIn) (*optionsOut, error) {
	return optionsOf(s.SignIn.BeginEnrolment(ctx, in.Body.Ticket))
}

func (s *Server) enrolmentFinish(ctx context.Context, in *ticketIn) (*tokensOut, error) {
	return s.enteredOf(s.SignIn.FinishEnrolment(ctx, cause(ctx), in.Body.Ticket, in.Body.Credential, s.from(ctx, false)))
}

func (s *Server) signInBegin(ctx context.Context, _ *none) (*optionsOut, error) {
	return optionsOf(s.SignIn.BeginSignIn(ctx))
}

type signInIn struct {
	Body struct {
		Credential Credential `json:"credential"`
		Remember   bool       `json:"remember,omitempty" doc:"Keep this device signed in for as long as the deployment allows."`
	} `nameHint:"SignInBody"`
}

func (s *Server) signInFinish(ctx context.Context, in *signInIn) (*tokensOut, error) {
	return s.enteredOf(s.SignIn.FinishSignIn(ctx, cause(ctx), in.Body.Credential, s.from(ctx, in.Body.Remember)))
}

type codeIn struct {
	Body struct {
		Mail string `json:"mail" maxLength:"1016"`
		Code string `json:"code" maxLength:"200" doc:"As people type it: case, spaces and dashes do not matter."`
	} `nameHint:"CodeSignInBody"`
}

func (s *Server) signInCode(ctx context.Context, in *codeIn) (*tokensOut, error) {
	// Counted here and not with the route: a request that has yet to fetch a nonce
	// for its proof is no try. Never by the mail address typed (see edge.ClassCode).
	if err := s.Limiter.CheckAddr(edge.ClassCode, cause(ctx).Addr); err != nil {
		return nil, err
	}
	return s.enteredOf(s.SignIn.SignInWithCode(ctx, cause(ctx), in.Body.Mail, in.Body.Code, s.from(ctx, false)))
}

type refreshIn struct {
	Body struct {
		RefreshToken string `json:"refresh_token" maxLength:"256"`
	} `nameHint:"RefreshBody"`
}

func (s *Server) refresh(ctx context.Context, in *refreshIn) (*tokensOut, error) {
	f := s.from(ctx, false)
	return s.issuedOf(s.Sessions.Rotate(ctx, cause(ctx), session.Refresh{Presented: in.Body.RefreshToken, JKT: f.JKT, JTI: f.JTI, Addr: f.Addr}))
}
