package api

import (
	"context"
	"errors"
	"net/http"

	"keyward/internal/account"
	"keyward/internal/edge"
	"keyward/internal/store"
)

// contacts registers what is done to the ways of reaching the owner.
func (s *Server) contacts() {
	add(s, operation{id: "contacts-list", call: "GET /contacts", tag: "contacts", access: holder, limit: edge.ClassAPI, summary: "The owner's mail addresses"}, s.contactList)
	add(s, operation{
		id: "contacts-add", call: "POST /contacts", tag: "contacts", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes: "step_up_required insufficient_power account_closed account_frozen account_restricted held account_unknown", summary: "Add a mail address",
		about: "Needs a touch for contacts.change. A mail with a link goes there; the address counts once the link is followed.",
	}, s.contactAdd)
	add(s, operation{
		id: "contacts-remove", call: "DELETE /contacts/{id}", tag: "contacts", access: holder, limit: edge.ClassAPI,
		codes: "step_up_required insufficient_power contact_unknown account_closed account_frozen account_restricted held account_unknown", summary: "Remove a mail address",
		about: "Needs a touch for contacts.change. The last verified address stays.",
	}, s.contactRemove)
	add(s, operation{
		id: "contacts-confirm", call: "POST /contacts/confirm", tag: "contacts", access: open, limit: edge.ClassAPI,
		codes: "link_expired link_used account_closed account_frozen account_restricted held", summary: "Follow the link of a check mail", about: "Needs no session and gives none: a mailbox is not a key.",
	}, s.contactConfirm)
}

type contactsOut struct{ Body List[Contact] }

func (s *Server) contactList(ctx context.Context, _ *none) (*contactsOut, error) {
	var all []account.Contact
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		all, err = s.Accounts.Contacts(tx, caller(ctx).Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &contactsOut{List[Contact]{Items: each(all, contactOf)}}, nil
}

type contactIn struct {
	Body struct {
		Mail string `json:"mail" minLength:"3" maxLength:"1016"`
	} `nameHint:"MailBody"`
}

type contactOut struct{ Body Contact }

func (s *Server) contactAdd(ctx context.Context, in *contactIn) (*contactOut, error) {
	c, err := s.SignIn.AddContact(ctx, cause(ctx), caller(ctx).Session, in.Body.Mail)
	if err != nil {
		return nil, err
	}
	return &contactOut{contactOf(c)}, nil
}

func (s *Server) contactRemove(ctx context.Context, in *idIn) (*none, error) {
	return nil, s.SignIn.RemoveContact(ctx, cause(ctx), caller(ctx).Session, in.ID)
}

type confirmIn struct {
	Body struct {
		Token string `json:"token" maxLength:"256"`
	} `nameHint:"ConfirmBody"`
}

// Confirmed says which address counts now.
type Confirmed struct {
	Mail string `json:"mail"`
}

type confirmedOut struct{ Body Confirmed }

func (s *Server) contactConfirm(ctx context.Context, in *confirmIn) (*confirmedOut, error) {
	by := cause(ctx)
	by.Actor = "link:verify"
	c, err := s.SignIn.ConfirmContact(ctx, by, in.Body.Token)
	if errors.Is(err, account.ErrContactTaken) {
		// As on the page: a link must not tell that somebody else has the address.
		err = account.ErrLinkExpired.Because(err)
	}
	if err != nil {
		return nil, err
	}
	return &confirmedOut{Confirmed{c.Value}}, nil
}
