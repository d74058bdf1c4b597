package exchange

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// leave signs out here and at Keyward: it is shown the ID token, so it need not ask
// (OIDC RP-Initiated Logout §2).
func (e *Exchange) leave(w http.ResponseWriter, r *http.Request) {
	id, v := e.visitors.of(r)
	if v == nil { // a form of another site: our cookie did not come along, and is not taken away
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	e.visitors.forget(w, id)
	k, err := e.party.find()
	if err != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, k.Leave+"?"+url.Values{"id_token_hint": {v.id}, "post_logout_redirect_uri": {e.cfg.Self + "/"}}.Encode(), http.StatusSeeOther)
}

// told is the back-channel (OIDC Back-Channel Logout §2.6): Keyward says that a session
// is over, whoever ended it.
func (e *Exchange) told(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	subject, session, err := e.readLogout(r, r.PostFormValue("logout_token"))
	if err != nil {
		e.cfg.Log.Warn("a logout token was refused", "err", err)
		http.Error(w, "not a logout token for us", http.StatusBadRequest)
		return
	}
	e.visitors.end(subject, session)
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

func (e *Exchange) readLogout(r *http.Request, raw string) (subject, session string, err error) {
	k, err := e.party.find()
	if err != nil {
		return "", "", err
	}
	// The typ keeps tokens of other kinds out, an ID token above all (§2.4, RFC 8725 §3.11).
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var typ struct {
		Typ string `json:"typ"`
	}
	if err != nil || json.Unmarshal(text, &typ) != nil || typ.Typ != "logout+jwt" {
		return "", "", errors.New("another kind of token")
	}
	t, err := k.provider.Verifier(&oidc.Config{ClientID: e.cfg.Client, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(r.Context(), raw)
	if err != nil {
		return "", "", err
	}
	var claims struct {
		SID    string                     `json:"sid"`
		Nonce  *string                    `json:"nonce"`
		Events map[string]json.RawMessage `json:"events"`
	}
	if err := t.Claims(&claims); err != nil {
		return "", "", err
	}
	if _, ok := claims.Events[logoutEvent]; !ok || claims.Nonce != nil || t.Subject == "" && claims.SID == "" {
		return "", "", errors.New("no logout in it")
	}
	return t.Subject, claims.SID, nil
}
