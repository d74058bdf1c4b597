package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/proof"
	"keyward/internal/session"
)

// The endpoints that RFCs name. They stand beside the JSON API and not in it: their
// forms, errors and headers are the standards' and not ours.

// OAuth answers apps.
type OAuth struct {
	*Server
	oauth *oauth.Service
}

// NewOAuth wires the endpoints. They share proofs and limits with the API.
func NewOAuth(s *Server, o *oauth.Service) *OAuth { return &OAuth{s, o} }

// CrossSite are the addresses that pages of other sites may call with a script: no
// cookie is read behind them, so there is nothing a foreign page could borrow.
var CrossSite = []string{"POST /oauth/token", "POST /oauth/revoke", "POST /oauth/userinfo"}

// Routes puts the endpoints on a mux.
func (o *OAuth) Routes(mux *http.ServeMux, e *edge.Edge) {
	on := func(pattern string, h http.HandlerFunc) {
		mux.Handle(pattern, e.Limit(edge.ClassOAuth, http.HandlerFunc(crossSite(h))))
	}
	on("POST /oauth/token", o.token)
	on("POST /oauth/par", o.push)
	on("POST /oauth/revoke", o.revoke)
	on("POST /oauth/introspect", o.introspect)
	mux.Handle("GET /oauth/tail", e.Limit(edge.ClassTail, http.HandlerFunc(o.tail)))
	on("GET /oauth/userinfo", o.userInfo)
	on("POST /oauth/userinfo", o.userInfo) // OIDC Core §5.3.1
	on("GET /oauth/jwks", o.jwks)
	on("GET /.well-known/openid-configuration", o.metadata)
	on("GET /.well-known/oauth-authorization-server", o.metadata)
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/oauth/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		on("OPTIONS "+path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
}

// crossSite lets scripts of any site read the answer. "*" goes without credentials
// (Fetch §3.2.5), so no cookie of ours ever rides along.
func crossSite(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("Access-Control-Expose-Headers", "DPoP-Nonce, WWW-Authenticate")
		if r.Method == http.MethodOptions {
			head.Set("Access-Control-Allow-Methods", "GET, POST")
			head.Set("Access-Control-Allow-Headers", "Authorization, DPoP, Content-Type")
			head.Set("Access-Control-Max-Age", "600")
		}
		h(w, r)
	}
}

func (o *OAuth) jwks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	write(w, http.StatusOK, o.Ring.JWKS())
}

func (o *OAuth) metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	write(w, http.StatusOK, o.oauth.Metadata(proof.Algorithms()))
}

// token answers RFC 6749 §3.2.
func (o *OAuth) token(w http.ResponseWriter, r *http.Request) {
	form, c, err := o.client(r)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	var p proof.Proof
	if len(r.Header["Dpop"]) > 0 {
		if p, err = o.proved(r, ""); err != nil {
			o.fail(w, r, err)
			return
		}
	}
	t, err := o.oauth.Token(r.Context(), edge.CauseFrom(r.Context()), c, oauth.TokenAsk{
		Grant: form.Get("grant_type"), Code: form.Get("code"), Redirect: form.Get("redirect_uri"), Verifier: form.Get("code_verifier"),
		Refresh: form.Get("refresh_token"), Scope: form.Get("scope"), Details: form.Get("authorization_details"), JKT: p.JKT, JTI: p.JTI, Addr: edge.CauseFrom(r.Context()).Addr,
	})
	if err != nil {
		o.fail(w, r, err)
		return
	}
	if p.JKT != "" {
		w.Header().Set("DPoP-Nonce", o.nonces.Mint(o.DB.Now())) // RFC 9449 §8.2: for the next one
	}
	noStore(w)
	write(w, http.StatusOK, t)
}

// push answers RFC 9126. A proof that comes along binds the code to its key, as
// dpop_jkt does (RFC 9449 §10.1).
func (o *OAuth) push(w http.ResponseWriter, r *http.Request) {
	form, c, err := o.client(r)
	if err == nil && len(r.Header["Dpop"]) > 0 {
		var p proof.Proof
		if p, err = o.proved(r, ""); err == nil {
			if jkt := form.Get("dpop_jkt"); jkt != "" && jkt != p.JKT {
				err = &oauth.Error{Code: "invalid_dpop_proof", Description: "dpop_jkt is another key than the proof's"}
			} else if err = o.Sessions.SpendProof(r.Context(), p.JKT, p.JTI); err == nil {
				form.Set("dpop_jkt", p.JKT)
			}
		}
	}
	if err != nil {
		o.fail(w, r, err)
		return
	}
	uri, seconds, err := o.oauth.Push(r.Context(), c, form)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	noStore(w)
	write(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": seconds})
}

// revoke answers RFC 7009.
func (o *OAuth) revoke(w http.ResponseWriter, r *http.Request) {
	form, c, err := o.client(r)
	if err == nil {
		err = needsToken(form)
	}
	if err == nil {
		err = o.oauth.Revoke(r.Context(), edge.CauseFrom(r.Context()), c, form.Get("token"))
	}
	if err != nil {
		o.fail(w, r, err)
		return
	}
	noStore(w)
	w.WriteHeader(http.StatusOK)
}

func needsToken(form url.Values) error {
	if form.Get("token") == "" {
		return &oauth.Error{Code: "invalid_request", Description: "token is needed"}
	}
	return nil
}

// introspect answers RFC 7662, to apps that prove who they are.
func (o *OAuth) introspect(w http.ResponseWriter, r *http.Request) {
	form, c, err := o.client(r)
	if err == nil && c.Public {
		err = &oauth.Error{Code: "invalid_client", Description: "client authentication failed", Status: http.StatusUnauthorized}
	}
	if err == nil {
		err = needsToken(form)
	}
	if err != nil {
		o.fail(w, r, err)
		return
	}
	in, err := o.oauth.Introspect(r.Context(), c, form.Get("token"))
	if err != nil {
		o.fail(w, r, err)
		return
	}
	noStore(w)
	if r.Header.Get("Accept") != introspectionJWT {
		write(w, http.StatusOK, in)
		return
	}
	signed, err := o.oauth.SignedIntrospection(c, in)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", introspectionJWT)
	io.WriteString(w, signed)
}

// introspectionJWT is how an app asks for a signed answer (RFC 9701 §4).
const introspectionJWT = "application/token-introspection+jwt"

// tail answers a resource server that asks every 100 ms what ended (package rs). Its
// token is a bearer token: a proof for each poll would be ten writes a second, for
// ids that open nothing.
func (o *OAuth) tail(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	q := r.URL.Query()
	cred, err := readAuthorizationUpTo(r.Header, maxJWTHeader)
	if err == nil {
		if cred.scheme != schemeBearer {
			cred.value = ""
		}
		err = o.oauth.TailReader(r.Context(), cred.value)
	}
	after := int64(-1)
	if err == nil && q.Has("lease") {
		if after, err = strconv.ParseInt(q.Get("after"), 10, 54); err != nil {
			err = &oauth.Error{Code: "invalid_request", Description: "after is the n of the last line"}
		}
	}
	var lines []oauth.TailLine
	if err == nil {
		lines, err = o.oauth.Tail(r.Context(), q.Get("lease"), after)
	}
	if err != nil {
		o.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	out := json.NewEncoder(w)
	for _, l := range lines {
		out.Encode(l)
	}
}

// userInfo answers OIDC Core §5.3 to the holder of an access token and its key.
func (o *OAuth) userInfo(w http.ResponseWriter, r *http.Request) {
	cred, err := readAuthorizationUpTo(r.Header, maxJWTHeader)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	if cred.scheme != schemeBearer && cred.scheme != schemeDPoP {
		w.Header().Set("WWW-Authenticate", `DPoP algs="`+strings.Join(proof.Algorithms(), " ")+`"`) // no error without a token (RFC 6750 §3.1)
		o.fail(w, r, &oauth.Error{Code: "invalid_token", Description: "an access token is needed", Status: http.StatusUnauthorized})
		return
	}
	claims, grant, err := o.oauth.Use(r.Context(), cred.value)
	invalid := &oauth.Error{Code: "invalid_token", Description: "this access token is not good, or not good any more", Status: http.StatusUnauthorized}
	switch {
	case errors.Is(err, session.ErrGrantEnded):
		err = invalid
	case err != nil:
	case grant.JKT != "" && cred.scheme != schemeDPoP:
		err = invalid // RFC 9449 §7.2: a bound token is no bearer token
	case cred.scheme == schemeDPoP:
		p, proofErr := o.proved(r, cred.value)
		switch {
		case proofErr != nil:
			err = proofErr
		case grant.JKT == "" || p.JKT != grant.JKT:
			err = invalid
		default:
			err = o.Sessions.SpendProof(r.Context(), p.JKT, p.JTI)
		}
	}
	var u oauth.UserInfo
	if err == nil {
		u, err = o.oauth.UserInfo(r.Context(), claims)
	}
	if err != nil {
		o.fail(w, r, err)
		return
	}
	noStore(w)
	write(w, http.StatusOK, u)
}

// maxJWTHeader: our access tokens are JWTs, longer than the tokens of the API.
const maxJWTHeader = 8 << 10

// client reads the form and makes sure of the app.
func (o *OAuth) client(r *http.Request) (url.Values, oauth.Client, error) {
	form, err := edge.ReadForm(r)
	if err != nil {
		return nil, oauth.Client{}, &oauth.Error{Code: "invalid_request", Description: "the body is not a form in which each name stands once"}
	}
	if r.URL.RawQuery != "" {
		// RFC 6749 §2.3.1: credentials never in the address, where every log keeps them.
		return nil, oauth.Client{}, &oauth.Error{Code: "invalid_request", Description: "everything belongs into the body"}
	}
	in := oauth.Credentials{
		ClientID: form.Get("client_id"), Assertion: form.Get("client_assertion"), AssertionTyp: form.Get("client_assertion_type"),
		FormSecret: form.Has("client_secret"),
	}
	cred, err := readAuthorization(r.Header)
	if err != nil {
		return nil, oauth.Client{}, &oauth.Error{Code: "invalid_request", Description: "the Authorization header cannot be read"}
	}
	if cred.scheme == schemeBasic {
		user, password, ok := readBasic(cred.value)
		if ok {
			in.ID, in.Secret, ok = oauth.BasicCredentials(user, password)
		}
		if in.Basic = true; !ok {
			in.ID, in.Secret = "", ""
		}
	}
	// Guesses are limited by address (Limit, above). Not by app: client ids are public,
	// and one stranger could use up the whole app's share.
	c, err := o.oauth.Authenticate(r.Context(), in)
	return form, c, err
}

// fail answers in the form of RFC 6749 §5.2. What is not the app's business keeps the
// form of the API: limits, and our own trouble.
func (o *OAuth) fail(w http.ResponseWriter, r *http.Request, err error) {
	noStore(w)
	body := map[string]any{}
	status := http.StatusBadRequest
	var e *oauth.Error
	switch {
	case errors.As(err, &e):
		body["error"], body["error_description"] = e.Code, e.Description
		if e.Status != 0 {
			status = e.Status
		}
		if e.ACR != "" {
			body["acr_values"] = e.ACR
		}
		if e.MaxAge > 0 {
			body["max_age"] = strconv.FormatInt(e.MaxAge, 10)
		}
	case errors.Is(err, errNonce):
		body["error"], body["error_description"] = "use_dpop_nonce", "make the proof with the nonce of this answer"
		w.Header().Set("DPoP-Nonce", o.nonces.Mint(o.DB.Now()))
		if strings.HasSuffix(r.URL.Path, "/userinfo") {
			status = http.StatusUnauthorized // RFC 9449 §9; the token endpoint says 400 (§8)
		}
	case errors.Is(err, errProof), errors.Is(err, session.ErrProofMissing), errors.Is(err, session.ErrProofReplayed):
		body["error"], body["error_description"] = "invalid_dpop_proof", "the proof is not good"
		if strings.HasSuffix(r.URL.Path, "/userinfo") {
			status = http.StatusUnauthorized
		}
	case errors.Is(err, errBadRequest):
		body["error"], body["error_description"] = "invalid_request", "the request cannot be read"
	default:
		edge.Fail(w, r, err)
		return
	}
	if body["error"] == "insufficient_scope" { // RFC 6750 §3
		w.Header().Set("WWW-Authenticate", `DPoP error="insufficient_scope", scope="openid"`)
	}
	if code := body["error"].(string); status == http.StatusUnauthorized {
		switch {
		case code == "invalid_client":
			w.Header().Set("WWW-Authenticate", `Basic realm="apps", charset="UTF-8"`) // RFC 6749 §5.2
		case w.Header().Get("WWW-Authenticate") == "":
			w.Header().Set("WWW-Authenticate", `DPoP error="`+code+`", algs="`+strings.Join(proof.Algorithms(), " ")+`"`)
		}
	}
	if body["error"] == "invalid_client" {
		edge.Refused(r, errUnknownClient.Because(err)) // counted: nobody has proved anything
	} else {
		edge.Refused(r, errOAuth.Because(err))
	}
	write(w, status, body)
}

var (
	errUnknownClient = edge.E("client_unauthenticated")
	errOAuth         = edge.E("oauth_refused")
)

func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
