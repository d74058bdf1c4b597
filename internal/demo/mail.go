package demo

import (
	"net/http"

	"keyward/internal/edge"
	"keyward/internal/notify"
	"keyward/internal/web"
)

// Mailbox shows what the mail catcher caught.
type Mailbox struct {
	Pages   *web.Server
	Catcher *notify.Catcher
	Origin  string
}

// Routes puts the pages on a mux.
func (m Mailbox) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /demo/mail", here(m.Origin, m.list))
	mux.HandleFunc("GET /demo/mail/{id}", here(m.Origin, m.one))
	mux.HandleFunc("GET /demo/mail/{id}/html", here(m.Origin, m.html))
}

func mailOf(x notify.Message) web.Mail {
	return web.Mail{ID: x.ID, To: x.To, Subject: x.Subject, At: x.Date}
}

func (m Mailbox) list(w http.ResponseWriter, r *http.Request) {
	v := &web.MailList{Base: m.Pages.Frame(w, r)}
	for _, x := range m.Catcher.Mails() {
		v.Mails = append(v.Mails, mailOf(x))
	}
	m.Pages.Show(w, r, http.StatusOK, v)
}

func (m Mailbox) one(w http.ResponseWriter, r *http.Request) {
	x, ok := m.Catcher.Mail(r.PathValue("id"))
	if !ok {
		edge.Fail(w, r, edge.E("not_found"))
		return
	}
	m.Pages.Show(w, r, http.StatusOK, &web.MailMessage{
		Base: m.Pages.Frame(w, r), Mail: mailOf(x), From: x.FromName, Text: x.Text, HasHTML: x.HTML != "", Origin: m.Origin,
	})
}

// html serves a mail as a mail reader would show it. It gets a policy of its own:
// mails carry a style element, which our pages never may.
func (m Mailbox) html(w http.ResponseWriter, r *http.Request) {
	x, ok := m.Catcher.Mail(r.PathValue("id"))
	if !ok {
		edge.Fail(w, r, edge.E("not_found"))
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-top-navigation-by-user-activation")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte(x.HTML))
}
