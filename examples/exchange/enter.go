package exchange

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// toKeyward gives the browser a secret of its own and sends it to Keyward, with the
// request pushed beforehand (RFC 9126): what passes through the browser is a name.
// want is a step-up that our API asked for, nil for an ordinary sign-in.
func (e *Exchange) toKeyward(w http.ResponseWriter, r *http.Request, want *stepUp) {
	k, err := e.party.find()
	if err != nil {
		e.away(w, err)
		return
	}
	state, verifier, nonce := random(), random(), random()
	ask := url.Values{
		"response_type": {"code"}, "redirect_uri": {e.cfg.Self + "/enter"}, "scope": {"openid read trade"}, "state": {state}, "nonce": {nonce},
		"code_challenge": {hashOf(verifier)}, "code_challenge_method": {"S256"},
	}
	if want != nil {
		ask.Set("acr_values", want.acr)
		ask.Set("max_age", want.maxAge)
	}
	pushed, err := e.party.call(r.Context(), k.PAR, ask, e.bind)
	if err != nil {
		e.away(w, err)
		return
	}
	setCookie(w, startCookie, state+"."+verifier+"."+nonce, startLife)
	http.Redirect(w, r, k.Auth+"?"+url.Values{"client_id": {e.cfg.Client}, "request_uri": {pushed.URI}}.Encode(), http.StatusSeeOther)
}

func (e *Exchange) away(w http.ResponseWriter, err error) {
	e.cfg.Log.Warn("keyward cannot be asked", "err", err)
	http.Error(w, "We cannot reach Keyward. Try again in a moment.", http.StatusServiceUnavailable)
}

// enter redeems the one-time code that came through the browser. The code says
// nothing by itself: only our back end can turn it into tokens, and only with the
// verifier of the browser that asked.
func (e *Exchange) enter(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	verifier, nonce, ours := began(r, q.Get("state"))
	if !ours {
		// Login CSRF (RFC 9700 §4.7): somebody else's code must not sign this browser
		// in as them. The cookie stays: a stranger's link must not spoil the real way.
		http.Error(w, "This browser did not ask for this sign-in. Go back and sign in from here.", http.StatusForbidden)
		return
	}
	if q.Get("iss") != e.cfg.Keyward { // RFC 9207: an answer of another server
		http.Error(w, "This sign-in was answered by somebody else.", http.StatusForbidden)
		return
	}
	if q.Get("error") == "access_denied" {
		setCookie(w, startCookie, "", -time.Second)
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	v, err := e.redeem(r.Context(), q.Get("code"), verifier, nonce)
	if err != nil {
		e.cfg.Log.Info("a sign-in was refused", "err", err)
		http.Error(w, "This sign-in code is not valid any more. Go back and sign in again.", http.StatusForbidden)
		return
	}
	setCookie(w, startCookie, "", -time.Second)
	e.visitors.put(w, r, v)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (e *Exchange) redeem(ctx context.Context, code, verifier, nonce string) (*visitor, error) {
	k, err := e.party.find()
	if err != nil {
		return nil, err
	}
	t, err := e.party.call(ctx, k.Token, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {e.cfg.Self + "/enter"}, "code_verifier": {verifier},
	}, e.bind)
	if err != nil {
		return nil, err
	}
	id, err := k.provider.Verifier(&oidc.Config{ClientID: e.cfg.Client, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	var claims struct {
		SID string `json:"sid"`
		ACR string `json:"acr"`
	}
	switch err := id.Claims(&claims); {
	case err != nil:
		return nil, err
	case id.Nonce != nonce:
		return nil, errors.New("the ID token is for another request") // OIDC Core §3.1.3.7-11
	case t.Type != "DPoP":
		return nil, errors.New("the tokens are bound to no key")
	case claims.ACR != "phr" && claims.ACR != "phrh":
		// Written as what is let in, so that a word we do not know yet is not.
		return nil, errors.New("it takes a passkey to come in here")
	}
	return &visitor{
		subject: id.Subject, session: claims.SID, access: t.Access, refresh: t.Refresh, id: t.ID,
		expires: time.Now().Add(time.Duration(t.Expires) * time.Second),
	}, nil
}

// token is an access token of a visitor that is good for some seconds more.
func (e *Exchange) token(ctx context.Context, v *visitor) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if time.Until(v.expires) > 10*time.Second {
		return v.access, nil
	}
	k, err := e.party.find()
	if err != nil {
		return "", err
	}
	t, err := e.party.call(ctx, k.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {v.refresh}}, e.bind)
	if err != nil {
		return "", err
	}
	v.access, v.refresh, v.expires = t.Access, t.Refresh, time.Now().Add(time.Duration(t.Expires)*time.Second)
	return v.access, nil
}
