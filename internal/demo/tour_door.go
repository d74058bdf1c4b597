package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"keyward/internal/lang"
	"keyward/internal/notify"
	"keyward/internal/softkey"
)

// told is a step of the mailbox: a mail of this kind must be there.
func told(kind notify.Kind) step {
	title := lang.T(lang.EN, "mail."+string(kind)+".title")
	return step{"mailbox", "has “" + title + "”", want{fact: "arrived"}, func(ctx context.Context, s *story) (*answer, error) {
		m, err := await(ctx, s.Catcher, s.mail, func(m notify.Message) bool { return m.Subject == title })
		if err != nil {
			return nil, err
		}
		s.link = linkIn(m, freezeLink)
		return nil, nil
	}}
}

// signUp: an account from nothing, and its mail address confirmed once.
func signUp() []step {
	return []step{
		{"laptop", "signs up with a passkey", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.laptop.signUp(ctx, s.mail)
			if err := well(a, err); err != nil {
				return a, err
			}
			return s.laptop.get(ctx, "/")
		}},
		{"mailbox", "gets the check mail", want{fact: "arrived"}, func(ctx context.Context, s *story) (*answer, error) {
			m, err := await(ctx, s.Catcher, s.mail, func(m notify.Message) bool { return linkIn(m, verifyLink) != "" })
			s.link = linkIn(m, verifyLink)
			return nil, err
		}},
		{"laptop", "opens the link: looking changes nothing", want{200, "", "asks first"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.laptop.do(ctx, call{method: http.MethodGet, path: "/mail/verify?t=" + s.link, page: true})
		}},
		{"laptop", "confirms the address", want{200, "", "confirmed"}, confirm},
		{"laptop", "confirms with the same link again", want{410, "", "the link is used up"}, confirm},
		{"stranger", "signs up with Mina's address", want{200, "", "same answer as any"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.borrowed.copy().signUp(ctx, s.mail)
		}},
		told(notify.TakenSignUp),
		{"laptop", "signs in with the passkey", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.laptop.signIn(ctx)
		}},
		{"phone", "signs in to the app, with a key of its own", want{200, "", "bound tokens"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.phone.appSignIn(ctx)
		}},
		told(notify.NewDevice),
	}
}

func confirm(ctx context.Context, s *story) (*answer, error) {
	return s.laptop.post(ctx, "/mail/verify", map[string]string{"t": s.link})
}

// forgeries: answers no authenticator of Mina's would give. Before proof they all
// get the one answer, so that nobody can learn which part was wrong.
func forgeries() []step {
	forged := func(act string, tricks ...softkey.Trick) step {
		return step{"phisher", act, want{401, "passkey_not_accepted", ""}, func(ctx context.Context, s *story) (*answer, error) {
			v := s.borrowed.copy()
			v.keys = s.passkey
			return v.signIn(ctx, tricks...)
		}}
	}
	return []step{
		forged("relays a sign-in from a page of a look-alike domain", softkey.LookAlike),
		forged("relays one from a frame in another site", softkey.CrossOrigin),
		forged("signs without user verification: a found phone", softkey.NoVerification),
		forged("flips a bit of the signature", softkey.BogusSignature),
		{"phisher", "sends an answer of the passkey a second time", want{409, "challenge_spent", ""}, func(ctx context.Context, s *story) (*answer, error) {
			v := s.borrowed.copy()
			v.keys = s.passkey
			var first sent
			v.sent = func(q sent) { first = q }
			a, err := v.signIn(ctx)
			if err := well(a, err); err != nil {
				return a, err
			}
			v = s.borrowed.copy()
			return v.do(ctx, call{method: http.MethodPost, path: "/signin/finish", json: raw(first.body), prove: true})
		}},
	}
}

// seen checks a page for words that must be on it.
func seen(a *answer, words string) error {
	if !strings.Contains(string(a.body), words) {
		return fmt.Errorf("the page does not say %q", words)
	}
	return nil
}
